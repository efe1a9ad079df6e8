import numpy as np
import pytest

from clinica_t1nce.errors import LabelMapError
from clinica_t1nce.simulation.tissues import LABELS, PARENCHYMA, Tissue, to_tissues


def test_every_tissue_has_labels_and_no_label_two_tissues() -> None:
    assert set(LABELS) == set(Tissue)
    numbers = [n for labels in LABELS.values() for n in labels]
    assert len(numbers) == len(set(numbers))


def test_fluid_is_no_parenchyma() -> None:
    assert Tissue.CORTEX in PARENCHYMA
    assert not {Tissue.CSF, Tissue.LATERAL_VENTRICLE, Tissue.VENOUS_SINUS} & set(PARENCHYMA)


def test_labels_become_tissues() -> None:
    labels = np.array([[0, 2, 41], [3, 514, 163]])
    assert to_tissues(labels).tolist() == [
        [Tissue.BACKGROUND, Tissue.WHITE_MATTER, Tissue.WHITE_MATTER],
        [Tissue.CORTEX, Tissue.VENOUS_SINUS, Tissue.CHOROID_PLEXUS],
    ]


@pytest.mark.parametrize("bad", [-1, 1, 1000])
def test_unknown_label_is_named(bad: int) -> None:
    with pytest.raises(LabelMapError, match=rf"\[{bad}\]"):
        to_tissues(np.array([0, 2, bad]))
