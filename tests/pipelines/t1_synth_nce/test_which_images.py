"""Which images of a CAPS the pipeline takes."""

import json

import pytest

from clinica_t1nce.caps import names, query, sidecar
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.errors import SelectionError, WeightsError
from clinica_t1nce.pipelines import detection
from clinica_t1nce.pipelines.resumable import check_model
from clinica_t1nce.synthesis import synthesizer
from tests.data.caps import DETECTOR, MIXED, crop_path, head, make_caps, save_weights, write_crop
from tests.pipelines.t1_synth_nce.small import TWO, make


@pytest.fixture(scope="module")
def detecting(tmp_path_factory):
    """Weights that see gadolinium everywhere."""
    return str(save_weights(tmp_path_factory.mktemp("weights"), calibration=DETECTOR))


def test_the_images_may_tell_and_the_constructor_asks_no_network(tmp_path, detecting, monkeypatch):
    visits = {("sub-01", "ses-1"): "", ("sub-02", "ses-1"): "ce-gd", ("sub-03", "ses-1"): ""}
    caps = make_caps(tmp_path / "caps", visits)
    first, second, third = (crop for _, crop in query.find_crops(caps))
    third.write_bytes(b"")
    path = names.gadolinium_path(second)
    path.parent.mkdir(parents=True)
    sha256 = check_model(detecting, "cpu").card.sha256
    path.write_text(json.dumps({"GadoliniumProbability": 0.2, "Model": {"SHA256": sha256}}))
    with monkeypatch.context() as patched:
        patched.setattr(synthesizer.Synthesizer, "__call__", None)
        pipeline = make(caps, detecting, parameters={"select": "image"})
    assert [(crop.path, crop.selected_by) for crop in pipeline.to_do] == [
        (first, None),
        (third, None),
    ]
    pipeline.run(plugin="Linear", quiet=True)
    done, failed = pipeline.outcomes
    assert (done.item.path, done.status) == (first, "done")
    content = sidecar.read(pipeline.output_path(done.item))
    assert sidecar.selection(content) == SelectedBy("image")
    assert (failed.item.path, failed.status) == (third, "failed")
    assert "an empty file" in failed.reason
    table = (caps / "gadolinium.tsv").read_text()
    assert [line.split("\t")[5] for line in table.splitlines()[1:]] == ["T1ce", "T1nce"]
    assert "\timage\t" in (caps / "t1_synth_nce.tsv").read_text()


def test_images_that_show_no_gadolinium_are_left_out(tmp_path):
    caps = make_caps(tmp_path / "caps", TWO)
    none = {"gadolinium": {**DETECTOR["gadolinium"], "intercept": -2.0}}
    weights = str(save_weights(tmp_path, calibration=none))
    pipeline = make(caps, weights, parameters={"select": "image"})
    assert pipeline.n_selected == 2
    pipeline.run(plugin="Linear", quiet=True)
    assert (pipeline.outcomes, pipeline.n_excluded) == ([], 2)
    assert list(caps.glob("subjects/*/*/t1_synth_nce/model-*")) == []
    with pytest.raises(SelectionError, match="none of its 2 crops shows gadolinium"):
        make(caps, weights, parameters={"select": "image"})


def test_images_with_one_output_tell_first_which_is_the_t1ce(tmp_path, detecting, monkeypatch):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"})
    write_crop(crop_path(caps, "sub-01", "ses-1"), head(1))
    pipeline = make(caps, detecting, parameters={"select": "image"})
    assert (pipeline.n_selected, pipeline.n_to_do) == (2, 0)
    crops = query.find_crops(caps)
    found = {path: 0.9 if "ce-gd" in path.name else 0.1 for _, path in crops}
    monkeypatch.setattr(detection.Detection, "run", lambda self, n_procs, quiet: found)
    pipeline.run(plugin="Linear", quiet=True)
    (done,) = pipeline.outcomes
    assert (done.status, "ce-gd" in done.item.path.name) == ("done", True)
    assert pipeline.n_excluded == 1


def test_weights_without_detector_cannot_let_the_images_tell(empty_caps, weights):
    with pytest.raises(WeightsError, match="cannot tell whether gadolinium was given"):
        make(empty_caps, weights, parameters={"select": "image"})


@pytest.mark.parametrize("ce", ["ce-gd", None])
def test_an_image_whose_metadata_do_not_tell_fails_alone(tmp_path, weights, ce):
    visits = {("sub-01", "ses-1"): "", **({("sub-02", "ses-1"): ce} if ce else {})}
    caps = make_caps(tmp_path / "caps", visits, images=False)
    anat = tmp_path / "bids/sub-01/ses-1/anat"
    anat.mkdir(parents=True)
    (anat / "sub-01_ses-1_T1w.json").write_text('{"ContrastBolusAgent": "foo"}')
    parameters = {"bids_directory": str(tmp_path / "bids"), "report": False}
    pipeline = make(caps, weights, parameters=parameters)
    assert (pipeline.n_selected, pipeline.n_to_do) == ((2, 1) if ce else (1, 0))
    assert "'foo' (1x)" in pipeline.unknown_words
    pipeline.to_do = []
    pipeline.run()
    (failed,) = [item for item in pipeline.outcomes if item.status == "failed"]
    assert "ContrastBolusAgent 'foo'" in failed.reason
    assert "\tundecided\t" in (caps / "t1_synth_nce.tsv").read_text()
    (tmp_path / "words.tsv").write_text("word\tmeaning\nfoo\tnone\n")
    if ce:
        parameters["agent_words"] = tmp_path / "words.tsv"
        pipeline = make(caps, weights, parameters=parameters)
        assert (pipeline.n_selected, pipeline.unknown_words) == (1, None)
        pipeline.to_do = []
        pipeline.run()
        assert "\tundecided\t" not in (caps / "t1_synth_nce.tsv").read_text()


def test_words_without_metadata_are_refused(empty_caps, weights, tmp_path):
    with pytest.raises(SelectionError, match="name it with --bids-directory"):
        make(empty_caps, weights, parameters={"agent_words": tmp_path / "words.tsv"})


def test_t1nce_go_the_same_way_if_asked_for(tmp_path, weights):
    caps = make_caps(tmp_path / "caps", MIXED, images=False)
    pipeline = make(caps, weights, parameters={"include_t1nce": True})
    assert [str(crop.selected_by) for crop in pipeline.to_do] == [
        "include-t1nce",
        "ce entity",
        "ce entity",
    ]


def test_shards_share_nothing_and_leave_nothing_out(tmp_path, weights):
    visits = {(f"sub-{n:02}", "ses-1"): "ce-gd" for n in range(12)}
    caps = make_caps(tmp_path / "caps", visits, images=False)

    def shard(index, number):
        return [
            crop.path
            for crop in make(caps, weights, parameters={"shard": f"{index}/{number}"}).to_do
        ]

    for number in (1, 3, 16):
        parts = [shard(index, number) for index in range(1, number + 1)]
        together = [path for part in parts for path in part]
        assert sorted(together) == [crop.path for crop in make(caps, weights).to_do]
    assert min(len(shard(index, 3)) for index in (1, 2, 3)) >= 2
    before = shard(2, 3)
    make_caps(tmp_path / "caps", {("sub-99", "ses-1"): "ce-gd", **visits}, images=False)
    assert [path for path in shard(2, 3) if "sub-99" not in path.name] == before
    empty = make(caps, weights, parameters={"shard": "1/1000", "report": False})
    empty.run()
    assert (empty.n_selected, empty.outcomes) == (0, [])
