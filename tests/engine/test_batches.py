import pytest

from clinica_t1nce.engine.batches import deal


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
