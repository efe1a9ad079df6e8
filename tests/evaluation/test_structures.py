import numpy as np
import pytest

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.structures import PATTERNS, TIV, read_structures, structures_of

FREESURFER = [2, 3, 4, 5, 7, 8, *range(10, 19), 26, 28, *range(41, 45), 46, 47]
FREESURFER += [*range(49, 55), 58, 60]
LABELS = {
    "synthseg": [*FREESURFER, 24],
    "samseg": [*FREESURFER, 24, 31, 63, 77],
    "freesurfer": [*FREESURFER, 31, 63, 77, 251, 255, 1001, 2035, 11101, 12175],
    "fastsurfer": [*FREESURFER, 31, 63, 77, 1002, 2035],
    "dldirect": [2, *range(10, 19), 26, 28, 41, *range(49, 55), 58, 60, 101, 102, 112, 113, 125],
    "mindglide": [*range(1, 20)],
    "spm": [1, 2, 3],
}
LABELS["dldirect"] += [1001, 1035, 2001, 2035]
"""Labels of the brain that the tools' tables list."""


@pytest.mark.parametrize("tool", PATTERNS)
def test_every_label_of_a_tool_belongs_somewhere(tool):
    structures = structures_of(tool)
    assert list(structures)[:2] == ["GM", "WM"]
    tissues = [set(structures[name]) for name in ("GM", "WM", "CSF") if name in structures]
    assert len(set.union(*tissues)) == sum(map(len, tissues))
    known = np.concatenate(list(structures.values()))
    assert set(LABELS[tool]) <= set(known.tolist())
    if TIV in structures:
        assert set(structures[TIV]) >= set(LABELS[tool])


def test_rows_of_one_name_belong_together(tmp_path):
    table = tmp_path / "dseg.tsv"
    table.write_text("index\tname\n0\tbackground\n17\thippocampus\n53\thippocampus\n9\tx\n")
    assert read_structures(table) == {"hippocampus": [17, 53], "x": [9]}
    table.write_text("index\tname\n0\tbackground\n")
    with pytest.raises(ValueError, match="lists no structure"):
        read_structures(table)
    with pytest.raises(SelectionError, match="other"):
        read_structures(tmp_path / "other.tsv")
