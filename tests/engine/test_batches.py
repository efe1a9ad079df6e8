import pytest

from clinica_t1nce.engine.batches import deal, memory_gb, share_out


@pytest.mark.parametrize("n_batches", [1, 2, 3, 7])
def test_images_are_dealt_out_whole_and_in_order(n_batches):
    items = list("abcdefg")
    shares = [deal(items, index, n_batches) for index in range(n_batches)]
    assert [item for share in shares for item in share] == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_text_is_for_all_batches():
    assert deal(["why"], 1, 3, True) == ["why"]
    assert deal(list("abc"), 1, 3, True) == ["b"]


def test_more_batches_than_images_is_told():
    with pytest.raises(ValueError, match="1 images for 2 batches"):
        deal(["a"], 0, 2)


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
