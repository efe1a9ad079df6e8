import json
from pathlib import Path

import nibabel as nib
import pytest
from clinica.pipelines.engine import Pipeline

from clinica_t1nce.caps import sidecar
from clinica_t1nce.errors import DeviceError, OutputError, SelectionError, WeightsError
from clinica_t1nce.pipelines import resumable
from clinica_t1nce.pipelines.t1_synth_nce import synthesis_pipeline as module
from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce
from clinica_t1nce.synthesis import synthesizer
from tests.data.caps import head, make_caps, save_weights, write_crop
from tests.data.raw import make_visit
from tests.pipelines.t1_synth_nce.small import TWO, make


def test_everything_abstract_is_defined():
    abstract = {
        name
        for name, item in vars(Pipeline).items()
        if getattr(item, "__isabstractmethod__", False)
    }
    assert len(abstract) >= 7
    ours = {
        name
        for kind in T1SynthNce.__mro__
        if "clinica_t1nce" in kind.__module__
        for name in vars(kind)
    }
    assert abstract <= ours
    assert not T1SynthNce.__abstractmethods__


def test_info_file_is_found_and_whole(empty_caps, weights):
    info = make(empty_caps, weights).info
    assert {"id", "author", "version", "space_caps", "space_wd", "dependencies"} <= set(info)


def test_the_run_is_noted_in_the_description(empty_caps, weights):
    make(empty_caps, weights)
    description = json.loads((empty_caps / "dataset_description.json").read_text())
    assert description["Name"] == "small"
    assert [item["Name"] for item in description["Processing"]] == ["t1-synth-nce"]


def test_a_name_makes_a_caps_of_a_folder_without_description(empty_caps, weights):
    (empty_caps / "dataset_description.json").unlink()
    with pytest.raises(SelectionError, match="--caps-name"):
        make(empty_caps, weights)
    make(empty_caps, weights, caps_name="mine")
    assert json.loads((empty_caps / "dataset_description.json").read_text())["Name"] == "mine"


def test_nothing_is_written_before_all_is_checked(empty_caps, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    text = (empty_caps / "dataset_description.json").read_text()
    with pytest.raises(WeightsError):
        T1SynthNce(empty_caps, parameters={"model": "nowhere.safetensors"})
    assert sorted(tmp_path.rglob("*")) == before
    assert (empty_caps / "dataset_description.json").read_text() == text


def test_a_device_that_is_not_there(empty_caps, weights, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(DeviceError, match="cuda"):
        make(empty_caps, weights, parameters={"device": "cuda"})


def test_a_full_caps(empty_caps, weights, monkeypatch):
    monkeypatch.setattr(module.description, "MB_PER_IMAGE", 10**12)
    with pytest.raises(OutputError, match="free space"):
        make(empty_caps, weights)


def test_weights_are_checked(empty_caps, tmp_path):
    path = save_weights(tmp_path / "w")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match="SHA-256"):
        make(empty_caps, str(path))


def test_weights_are_found_from_any_folder(empty_caps, weights, monkeypatch):
    monkeypatch.chdir(Path(weights).parent)
    assert make(empty_caps, "tiny.safetensors").parameters["model"] == weights


def test_unknown_parameters_are_refused(empty_caps, weights):
    with pytest.raises(SelectionError, match="colour"):
        make(empty_caps, weights, parameters={"colour": "red"})


@pytest.mark.parametrize(("device", "expected"), [("cpu", (2, 4)), ("cuda", (1, 8))])
def test_on_a_gpu_one_process(empty_caps, weights, monkeypatch, device, expected):
    monkeypatch.setattr(resumable, "memory_gb", lambda: 100.0)
    pipeline = make(empty_caps, weights)
    pipeline.device = device
    assert pipeline.plan(8) == expected


@pytest.mark.parametrize(("n_procs", "n_batches"), [(2, 3), (5, 5)])
def test_on_a_cluster_jobs_of_at_most_twenty_images(
    tmp_path, weights, monkeypatch, n_procs, n_batches
):
    visits = {(f"sub-{n:02}", "ses-1"): "ce-gd" for n in range(45)}
    pipeline = make(make_caps(tmp_path / "caps", visits, images=False), weights)
    rounds = []

    def build(items, how):
        rounds.append((len(items), how.n_batches, how.n_threads))
        raise RuntimeError("enough")

    monkeypatch.setattr(pipeline, "build_round", build)
    with pytest.raises(RuntimeError, match="enough"):
        pipeline.work(tmp_path, "SLURM", {"n_procs": n_procs})
    assert rounds == [(45, n_batches, None)]


def test_graph_as_clinica_builds_it(empty_caps, weights):
    pipeline = make(empty_caps, weights)
    pipeline.build()
    batch = pipeline.get_node("synthesis.batch_0")
    assert batch.inputs.model == weights
    assert batch.inputs.dataset_root == str(empty_caps)
    assert batch.inputs.continue_on_error is True
    assert pipeline.input_node.inputs.selected_by == [("metadata", "ce entity")] * 2
    assert batch.inputs.output_spaces == ["mni-crop"]
    assert batch.inputs.keep_existing is True
    assert [Path(path).parent.name for path in pipeline.input_node.inputs.out_files] == [
        "model-tiny"
    ] * 2
    assert [str(visit) for visit in pipeline.visits] == ["sub-01 ses-1", "sub-02 ses-1"]


def test_run_skip_outdate_and_overwrite(tmp_path, weights):
    caps = make_caps(tmp_path / "caps", TWO)
    second = caps / "subjects" / "sub-02" / "ses-1"
    crop = next((second / "t1_linear").glob("*Crop*"))
    whole = crop.read_bytes()
    crop.write_bytes(whole[:1000])

    pipeline = make(caps, weights, base_dir=tmp_path / "work")
    pipeline.run(plugin="Linear", quiet=True)
    assert [item.status for item in pipeline.outcomes] == ["done", "failed"]
    assert "truncated" in pipeline.outcomes[1].reason
    assert not (second / "t1_synth_nce").exists()

    crop.write_bytes(whole)
    pipeline = make(caps, weights, base_dir=tmp_path / "work")
    assert [str(visit) for visit in pipeline.get_processed_visits()] == ["sub-01 ses-1"]
    assert pipeline.remade == {}
    pipeline.run(plugin="Linear", quiet=True)
    assert [item.status for item in pipeline.outcomes] == ["skipped", "done"]
    rows = (caps / "t1_synth_nce.tsv").read_text().splitlines()
    assert len(rows) == 3
    assert all("\tdone\t" in row for row in rows[1:])

    write_crop(crop, head(9))
    (second / "t1_synth_nce").mkdir(exist_ok=True)
    image = next(caps.glob("subjects/sub-01/*/t1_synth_nce/*/*.nii.gz"))
    image.write_bytes(b"")
    pipeline = make(caps, weights, base_dir=tmp_path / "work")
    assert pipeline.remade == {"damaged": 1, "source-changed": 1}
    pipeline.run(plugin="Linear", quiet=True)
    assert [item.status for item in pipeline.outcomes] == ["done", "done"]
    assert make(caps, weights).n_to_do == 0

    for image in caps.glob("subjects/*/*/t1_synth_nce/*/*.nii.gz"):
        content = sidecar.read(image)
        sidecar.write(image, content | {"Model": content["Model"] | {"SHA256": "other"}})
    pipeline = make(caps, weights)
    assert (pipeline.n_to_do, pipeline.remade) == (2, {"other-weights": 2})

    images = sorted(caps.glob("subjects/*/*/t1_synth_nce/*/*.nii.gz"))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in images}
    pipeline = make(caps, weights, overwrite_caps=True)
    base_dir = Path(pipeline.base_dir)
    pipeline.run(plugin="Linear", quiet=True)
    assert not base_dir.exists()
    assert [item.status for item in pipeline.outcomes] == ["done", "done"]
    assert all(path.stat().st_mtime_ns > when for path, (when, _) in before.items())
    assert all(path.read_bytes() == content for path, (_, content) in before.items())


def test_pages_and_their_index(tmp_path, weights):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"})
    pipeline = make(caps, weights, parameters={"report": False})
    pipeline.run(plugin="Linear", quiet=True)
    assert (pipeline.report, pipeline.report_failures) == (None, [])
    folder = caps / "t1_synth_nce_report"
    assert not folder.exists()

    pipeline = make(caps, weights)
    pipeline.run(quiet=True)
    assert [item.status for item in pipeline.outcomes] == ["skipped"]
    assert pipeline.report == folder / "report.html"
    (page,) = (folder / "pages").glob("*.html")
    content = page.read_bytes()
    assert b"sub-01 ses-1" in content

    page.unlink()
    pipeline = make(caps, weights, overwrite_caps=True)
    pipeline.run(plugin="Linear", quiet=True)
    assert page.read_bytes() == content


def test_reports_only_translates_nothing(tmp_path, weights, monkeypatch):
    caps = make_caps(tmp_path / "caps", TWO)
    make(caps, weights, parameters={"report": False}).run(plugin="Linear", quiet=True)
    gone = next(caps.glob("subjects/sub-02/*/t1_synth_nce/*/*.nii.gz"))
    gone.unlink()
    monkeypatch.setattr(synthesizer.Synthesizer, "__call__", None)
    pages = []
    for _ in range(2):
        pipeline = make(caps, weights, parameters={"reports_only": True})
        assert (pipeline.n_selected, pipeline.n_to_do) == (1, 0)
        pipeline.run(quiet=True)
        assert [item.status for item in pipeline.outcomes] == ["skipped"]
        (page,) = (caps / "t1_synth_nce_report" / "pages").glob("*.html")
        pages.append((page.stat().st_ino, page.read_bytes()))
        assert pipeline.report_failures == ["1 of 2 images are not there yet, and have no page"]
    assert pages[0][0] != pages[1][0]
    assert pages[0][1] == pages[1][1]
    assert not gone.exists()
    with pytest.raises(SelectionError, match="give one of them"):
        make(caps, weights, parameters={"reports_only": True}, overwrite_caps=True)


@pytest.mark.parametrize("whole", [True, False])
def test_a_report_that_fails_costs_no_image(tmp_path, weights, monkeypatch, whole):
    from clinica_t1nce.report import synthetic_pages

    def fail(*arguments, **keywords):
        raise RuntimeError("a mistake\nof ours")

    monkeypatch.setattr(synthetic_pages, "complete" if whole else "write_page", fail)
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"})
    pipeline = make(caps, weights)
    pipeline.run(plugin="Linear", quiet=True)
    assert [item.status for item in pipeline.outcomes] == ["done"]
    assert pipeline.output_path(pipeline.outcomes[0].item).is_file()
    (failure,) = pipeline.report_failures
    assert failure.endswith("a mistake of ours")
    assert "\n" not in failure


def test_when_everything_is_there_nothing_runs(tmp_path, weights):
    caps = make_caps(tmp_path / "caps", TWO)
    make(caps, weights).run(plugin="Linear", quiet=True)
    pipeline = make(caps, weights)
    graph = pipeline.run(plugin="no such plug-in")
    assert len(graph) == 0
    assert [item.status for item in pipeline.outcomes] == ["skipped", "skipped"]


def test_a_grid_that_is_asked_for_later_is_made_and_the_other_kept(tmp_path, weights):
    visit = make_visit(tmp_path, kind="oblique")
    caps = make_caps(visit.caps, {})
    make(caps, weights, base_dir=tmp_path / "work").run(plugin="Linear", quiet=True)
    (crop,) = caps.glob("subjects/*/*/t1_synth_nce/*/*.nii.gz")
    before = crop.stat().st_mtime_ns
    parameters = {"output_spaces": ["mni-crop", "native"], "bids_directory": str(visit.bids)}
    pipeline = make(caps, weights, parameters=parameters, base_dir=tmp_path / "work")
    assert pipeline.n_to_do == 1
    pipeline.run(plugin="Linear", quiet=True)
    assert [item.status for item in pipeline.outcomes] == ["done"]
    assert crop.stat().st_mtime_ns == before
    (native,) = caps.glob("subjects/*/*/t1_synth_nce/*/*_space-orig_desc-SynthNce_T1w.nii.gz")
    header, raw = nib.load(native).header, nib.load(visit.raw).header
    assert header.binaryblock == raw.binaryblock
    assert "\tmni-crop,native\t" in (caps / "t1_synth_nce.tsv").read_text()
    assert make(caps, weights, parameters=parameters).n_to_do == 0
