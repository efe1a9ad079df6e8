import numpy as np
import pytest

from clinica_t1nce.errors import LabelMapError
from clinica_t1nce.simulation.anatomy import MARGIN, Anatomy, find_surfaces, prepare_anatomy, to_mm
from clinica_t1nce.simulation.tissues import Tissue
from tests.data.heads import label_map


def test_head_is_cropped_to_the_brain_with_a_margin() -> None:
    labels = np.pad(label_map(), 40)
    brain_side = 32  # cortex is a ball of radius 16
    assert prepare_anatomy(labels).tissue.shape == (brain_side + 2 * MARGIN,) * 3


def test_distances_have_their_signs_and_sizes() -> None:
    anatomy = find_surfaces(label_map())
    depth, outside, falx, tentorium, ventricle = (
        to_mm(codes.astype(float), i) for i, codes in enumerate(anatomy.distances)
    )
    centre, scalp = (24, 24, 24), (24, 24, 45)
    assert depth[centre] > 10 > 0 > depth[scalp]
    assert outside[12, 24, 24] < 0 < outside[scalp]
    # The cavity's wall is 19 voxels from the centre, the brain's surface 16.
    assert depth[24, 24 + 12, 24] == pytest.approx(19 - 12, abs=1)
    assert outside[24 + 17, 24, 24] == pytest.approx(1, abs=1)
    # The falx is the plane between left and right.
    assert np.abs(falx[23:25, 24, 38]).max() < 2
    assert falx[10, 24, 38] > 10
    # Cerebrum lies above z = 16, cerebellum below.
    assert tentorium[15, 24, 16] < 2 < 5 < tentorium[15, 24, 24]
    # The ventricle is a ball of radius 5.
    assert ventricle[28, 24, 24] < 0
    assert ventricle[24 + 8, 24, 24] == pytest.approx(3, abs=1)


def test_stacking_is_undone() -> None:
    anatomy = find_surfaces(label_map())
    again = Anatomy.from_stacked(anatomy.stacked())
    assert np.array_equal(again.tissue, anatomy.tissue)
    assert np.array_equal(again.distances, anatomy.distances)
    assert set(np.unique(again.tissue)) >= {Tissue.VENOUS_SINUS, Tissue.ARTERY}


def test_map_without_brain_is_refused() -> None:
    with pytest.raises(LabelMapError, match="no brain"):
        prepare_anatomy(np.full((8, 8, 8), 515))
