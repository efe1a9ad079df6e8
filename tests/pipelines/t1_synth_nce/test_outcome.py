from pathlib import Path

import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps.query import Crop, Selection
from clinica_t1nce.engine import event_log
from clinica_t1nce.pipelines.t1_synth_nce import outcome

CROPS = [
    Crop(Visit(f"sub-0{n}", "ses-1"), Path(f"/caps/subjects/sub-0{n}/ses-1/x.nii.gz"), "tsv")
    for n in range(4)
]


def settle(folder, events, error=None):
    with event_log.Writer(folder) as log:
        for event in events:
            log.write(event)
    return outcome.settle(CROPS, folder, error)


def test_a_dead_process_fails_the_image_it_was_at_and_leaves_the_rest(tmp_path):
    paths = [str(crop.path) for crop in CROPS]
    outcomes, left = settle(
        tmp_path,
        [
            event_log.Event("started", paths[0]),
            event_log.Event("done", paths[0], warning="w"),
            event_log.Event("started", paths[1]),
            event_log.Event("failed", paths[1], reason="bad", details="trace"),
            event_log.Event("started", paths[2]),
        ],
        RuntimeError("killed"),
    )
    assert [(item.crop, item.status) for item in outcomes] == [
        (CROPS[0], "done"),
        (CROPS[1], "failed"),
        (CROPS[2], "failed"),
    ]
    assert left == [CROPS[3]]
    assert outcomes[0].warning == "w"
    assert (outcomes[1].reason, outcomes[1].details) == ("bad", "trace")
    assert "killed" in outcomes[2].reason
    assert "memory" in outcomes[2].reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("Traceback\n  x\nWeightsError: gone\n"), "WeightsError: gone"), (None, "no pr")],
)
def test_when_no_image_was_come_to_all_have_failed(tmp_path, error, reason):
    outcomes, left = settle(tmp_path, [], error)
    assert left == []
    assert [item.status for item in outcomes] == ["failed"] * 4
    assert all(reason in item.reason and "\n" not in item.reason for item in outcomes)


def test_what_is_known_before_any_work():
    selection = Selection(tuple(CROPS[:2]), tuple(CROPS[2:]))
    outcomes = outcome.before_work(selection, CROPS[:1])
    assert [item.status for item in outcomes] == ["skipped", "failed", "failed"]
    assert "same output" in outcomes[1].reason


def test_row_of_a_failure():
    row = outcome.failed_row(outcome.Outcome(CROPS[0], "failed", "bad"), Path("/caps"), "m")
    assert row["source"] == "bids::subjects/sub-00/ses-1/x.nii.gz"
    assert (row["participant_id"], row["status"], row["reason"]) == ("sub-00", "failed", "bad")
