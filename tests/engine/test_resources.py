import pytest

from clinica_t1nce.engine.resources import memory_gb, share_out


@pytest.mark.parametrize(
    ("n_images", "n_cores", "per_process", "memory", "expected"),
    [
        (10, 4, 1, 64, (4, 1)),
        (1, 4, 1, 64, (1, 4)),
        (3, 8, 1, 64, (3, 2)),
        (10, 8, 4, 10, (2, 4)),
        (10, 8, 4, 1, (1, 8)),
        (1, 1, 1, 1, (1, 1)),
    ],
)
def test_processes_by_threads_never_exceed_the_cores(
    n_images, n_cores, per_process, memory, expected
):
    found = share_out(n_images, n_cores, per_process, memory)
    assert found == expected
    assert found[0] * found[1] <= n_cores


def test_memory_is_that_of_this_machine_at_most():
    assert 0.1 < memory_gb() < 100_000
