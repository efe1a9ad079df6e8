import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.volumes import (
    dice,
    measure_volumes,
    most_probable,
    volume_difference,
)


def line(*values):
    return np.array(values, np.float32).reshape(-1, 1, 1)


def test_the_most_probable_tissue_wins_and_ties_go_to_the_first():
    maps = [line(0.6, 0.2, 0.4, 0.1, 0.0), line(0.3, 0.5, 0.4, 0.2, 0.0), line(0.1, 0.3, 0.2, 0, 0)]
    assert most_probable(maps).ravel().tolist() == [1, 2, 1, 0, 0]
    assert most_probable(maps, background=False).ravel().tolist() == [1, 2, 1, 2, 0]


def test_a_tie_with_the_background_goes_to_the_tissue():
    assert most_probable([line(0.5, 1.0), line(0.0, 0.0)]).ravel().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ([line(0.5, 0.5), line(0.5)], "shapes"),
        ([line(0.0, 255.0), line(1.0, 0.0)], "from 0 to 255"),
        ([line(-0.5, 1.0)], "from -0.5 to 1"),
        ([line(0.9, 0.0), line(0.9, 0.0)], "add up to 1.8"),
        ([line(0.1, 0.2), line(0.1, 0.1)], "add up to 0.3"),
        ([line(np.nan, 1.0)], "nan"),
    ],
)
def test_what_are_no_probabilities(maps, message):
    with pytest.raises(ImageError, match=message):
        most_probable(maps)


def test_volumes_counted_by_hand():
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[0, 0, :5], labels[1, 0, :3], labels[2, 2, 2] = 1, 2, 3
    affine = np.array([[0.0, 2, 0, 5], [-2, 0, 0, 7], [0, 0, 1.5, 0], [0, 0, 0, 1]])
    assert measure_volumes(labels, affine) == pytest.approx({"GM": 0.03, "WM": 0.018, "CSF": 0.006})
    assert measure_volumes(labels, np.eye(4), {"x": 2}) == pytest.approx({"x": 0.003})


def test_a_tissue_that_is_missing_is_named():
    labels = np.ones((2, 2, 2), np.uint8)
    with pytest.raises(ImageError, match="no voxel of WM, CSF"):
        measure_volumes(labels, np.eye(4))


def test_equation_3b_by_hand():
    reference = {"GM": 700.0, "WM": 500.0, "CSF": 300.0}
    other = {"GM": 730.0, "WM": 500.0, "CSF": 285.0, "skull": 1.0}
    # TIV of the reference is 1500: scaled to 1650.
    found = volume_difference(reference, other, 1500, 1650)
    assert found == pytest.approx({"GM": -33.0, "WM": 0.0, "CSF": 16.5})


def test_dice_by_hand():
    a, b = np.array([1, 1, 1, 2, 0, 0]), np.array([1, 1, 2, 2, 2, 0])
    scores = dice(a, b)
    assert scores["GM"] == pytest.approx(4 / 5)
    assert scores["WM"] == pytest.approx(2 / 4)
    assert np.isnan(scores["CSF"])
    with pytest.raises(ImageError, match="one grid"):
        dice(a, b[:5])
