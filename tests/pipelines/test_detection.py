import pytest

from clinica_t1nce.caps import query
from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import WeightsError
from clinica_t1nce.pipelines import detection
from clinica_t1nce.pipelines.models import check_model
from tests.data.caps import DETECTOR, MIXED, make_caps, save_weights


def test_judged_once_and_what_failed_is_told(tmp_path, monkeypatch, capsys):
    caps = make_caps(tmp_path / "caps", dict(list(MIXED.items())[:2]))
    crops = list(query.find_crops(caps))
    crops[0][1].write_bytes(b"")
    model = check_model(str(save_weights(tmp_path, calibration=DETECTOR)), "cpu")
    probabilities, failures = detection.detect(caps, crops, model, quiet=True)
    assert capsys.readouterr().out == ""
    assert probabilities == {crops[1][1]: pytest.approx(0.880797)}
    assert list(failures) == [crops[0][1]]
    assert "an empty file" in failures[crops[0][1]]
    # Nothing is left to do, so nothing is run.
    monkeypatch.setattr(detection, "_run", None)
    again, failures = detection.detect(caps, crops[1:], model, quiet=True)
    assert (again, failures) == (probabilities, {})


def test_weights_without_detector_are_refused(tmp_path):
    model = check_model(str(save_weights(tmp_path)), "cpu")
    with pytest.raises(WeightsError, match="cannot tell whether gadolinium was given"):
        detection.detect(tmp_path, [], model)


def test_a_dead_process_is_told(tmp_path):
    crops = [tmp_path / name for name in "abc"]
    events = {
        str(crops[0]): event_log.Event(event_log.STARTED, str(crops[0])),
        str(crops[1]): event_log.Event(event_log.DONE, str(crops[1])),
    }
    failures = detection._failures(crops, events, RuntimeError("Traceback\nKilled"))
    assert list(failures) == [crops[0], crops[2]]
    assert "lack of memory" in failures[crops[0]]
    assert failures[crops[2]] == f"{crops[2]}: not judged (Killed); run again"
