import pytest

from clinica_t1nce.caps import query
from clinica_t1nce.errors import WeightsError
from clinica_t1nce.pipelines import detection
from clinica_t1nce.pipelines.resumable import check_model
from tests.data.caps import DETECTOR, MIXED, make_caps, save_weights


def test_judged_once_and_what_failed_is_told(tmp_path, monkeypatch, capsys):
    caps = make_caps(tmp_path / "caps", dict(list(MIXED.items())[:2]))
    crops = list(query.find_crops(caps))
    crops[0][1].write_bytes(b"")
    model = check_model(str(save_weights(tmp_path, calibration=DETECTOR)), "cpu")
    first = detection.Detection(caps, crops, model)
    probabilities, failures = first.run(quiet=True), first.failures
    assert capsys.readouterr().out == ""
    assert probabilities == {crops[1][1]: pytest.approx(0.880797)}
    assert list(failures) == [crops[0][1]]
    assert "an empty file" in failures[crops[0][1]]
    # Nothing is left to do, so nothing is run.
    again = detection.Detection(caps, crops[1:], model)
    assert again.n_to_do == 0
    monkeypatch.setattr(again, "work", None)
    assert again.run(quiet=True) == probabilities
    assert detection.Detection(caps, crops, model, again=True).n_to_do == 2


def test_weights_without_detector_are_refused(tmp_path):
    model = check_model(str(save_weights(tmp_path)), "cpu")
    with pytest.raises(WeightsError, match="cannot tell whether gadolinium was given"):
        detection.Detection(tmp_path, [], model)
