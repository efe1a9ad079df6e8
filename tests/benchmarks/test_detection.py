import importlib.util

import numpy as np
import pytest

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import tsv
from clinica_t1nce.translation import classification


@pytest.fixture(scope="module")
def detection(repository):
    spec = importlib.util.spec_from_file_location(
        "detection", repository / "benchmarks" / "detection.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_by_hand(detection):
    truth = np.array([True, True, False, False])
    found = detection.measure(truth, np.array([0.9, 0.4, 0.4, 0.1]))
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["accuracy"] == 0.75
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.16 + 0.01) / 4)
    assert (found["expected"], found["found"]) == (pytest.approx(0.45), 0.5)


def test_the_table_of_detect_is_read(detection, tmp_path):
    rows = [
        {"participant_id": "sub-1", "session_id": "ses-1", "probability": "0.9", "metadata": why}
        for why in ("ce entity", "nothing")
    ]
    path = tmp_path / "gadolinium.tsv"
    path.write_text(tsv.text(rows, classification.COLUMNS))
    text = detection.report(path)
    assert "| 2 | 0.500 | 0.500 |" in text
    assert "| sub-1 ses-1 | T1nce | 0.9 |" in text


def test_one_kind_alone_cannot_be_told_apart(detection):
    with pytest.raises(SelectionError, match="one kind only"):
        detection.measure(np.array([True]), np.array([0.9]))
