import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.interfaces.base import chosen_options
from clinica_t1nce.translation.options import Options
from clinica_t1nce.workflows import init_detection_wf, init_synthesis_wf
from clinica_t1nce.workflows.synthesis import OUTPUTS, deal
from tests.data.caps import head, save_weights, write_crop


def test_every_setting_reaches_every_batch(tmp_path):
    wf = init_synthesis_wf(
        model="m",
        device="cuda",
        n_batches=3,
        n_threads=2,
        memory_gb=5.0,
        continue_on_error=True,
        dataset_root=tmp_path,
        journal_dir=tmp_path,
        output_spaces=["mni", "native"],
        bids_directory=tmp_path,
        blend="change",
        save_enhancement=True,
        keep_existing=True,
        name="wf",
    )
    assert wf.name == "wf"
    for index in range(3):
        node = wf.get_node(f"batch_{index}")
        assert node.inputs.model == "m"
        assert node.inputs.device == "cuda"
        assert node.inputs.n_threads == 2
        assert node.inputs.continue_on_error is True
        assert node.inputs.dataset_root == node.inputs.journal_dir == str(tmp_path)
        assert node.inputs.output_spaces == ["mni", "native"]
        assert node.inputs.bids_directory == str(tmp_path)
        assert node.inputs.blend == "change"
        assert node.inputs.save_enhancement is node.inputs.keep_existing is True
        assert node.is_gpu_node()
        # One GPU each, which is what Nipype takes n_procs for.
        assert (node.n_procs, node.mem_gb) == (1, 5.0)
    assert wf.get_node("batch_3") is None


def test_options_are_passed_whole_and_may_be_changed(tmp_path):
    options = Options(model="m", save_enhancement=True)
    batch = init_synthesis_wf(options=options, blend="change").get_node("batch_0")
    assert chosen_options(batch.inputs) == replace(options, blend="change")
    with pytest.raises(SelectionError, match="unknown blend 'smear'; known: replace, change"):
        init_synthesis_wf(options=options, blend="smear")


def test_doors():
    wf = init_synthesis_wf()
    assert set(wf.get_node("outputnode").outputs.get()) == set(OUTPUTS)
    assert set(wf.get_node("inputnode").inputs.get()) == {
        "in_files",
        "out_files",
        "selected_by",
        "classification_files",
    }
    assert not wf.get_node("batch_0").is_gpu_node()


def test_settings_are_keywords_and_documented():
    parameters = inspect.signature(init_synthesis_wf).parameters
    kinds = {item.kind for item in parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    document = inspect.getdoc(init_synthesis_wf)
    sections = ["Workflow Graph", "Parameters", "Inputs", "Outputs"]
    places = [document.index(section) for section in sections]
    assert places == sorted(places)
    assert all(f"\n{name}\n" in document for name in parameters if name != "changes")
    assert all(name in document for name in OUTPUTS)


def test_the_graph_runs_in_a_strangers_hands(tmp_path):
    crops = [
        str(write_crop(tmp_path / f"{name}_T1w.nii.gz", head(seed)))
        for seed, name in enumerate("ab")
    ]
    wf = init_synthesis_wf(
        model=save_weights(tmp_path), device="cpu", n_batches=2, n_threads=1, name="wf"
    )
    wf.base_dir = str(tmp_path / "work")
    wf.inputs.inputnode.in_files = crops
    wf.inputs.inputnode.selected_by = "me"
    wf.config["execution"] = {"crashdump_dir": str(tmp_path)}
    graph = wf.run(plugin="Linear")
    merged = next(node for node in graph.nodes() if node.name == "merge_out_files").result.outputs
    assert [Path(path).name[0] for path in merged.out] == ["a", "b"]
    assert '"Reason": "me"' in Path(merged.out[0].replace(".nii.gz", ".json")).read_text()


def test_neither_clinica_nor_torch_is_imported_and_no_configuration_changed():
    code = (
        "import copy, sys, nipype\n"
        "before = copy.deepcopy(nipype.config._sections)\n"
        "from clinica_t1nce.workflows import init_synthesis_wf\n"
        "init_synthesis_wf(n_batches=2)\n"
        "assert nipype.config._sections == before\n"
        "assert not {'clinica', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_setting_of_the_detection_reaches_every_batch(tmp_path):
    wf = init_detection_wf(
        model="m",
        device="cuda",
        n_batches=2,
        n_threads=2,
        memory_gb=5.0,
        continue_on_error=True,
        dataset_root=tmp_path,
        journal_dir=tmp_path,
        name="wf",
    )
    for index in range(2):
        node = wf.get_node(f"batch_{index}")
        assert (node.inputs.model, node.inputs.device, node.inputs.n_threads) == ("m", "cuda", 2)
        assert node.inputs.continue_on_error is True
        assert node.inputs.dataset_root == node.inputs.journal_dir == str(tmp_path)
        assert node.is_gpu_node()
        # One GPU each, which is what Nipype takes n_procs for.
        assert (node.n_procs, node.mem_gb) == (1, 5.0)
    assert wf.get_node("batch_2") is None
    assert set(wf.get_node("outputnode").outputs.get()) == {
        "probabilities",
        "out_files",
        "failures",
    }


def test_settings_of_the_detection_are_keywords_and_documented():
    parameters = inspect.signature(init_detection_wf).parameters
    assert all(item.kind is inspect.Parameter.KEYWORD_ONLY for item in parameters.values())
    document = inspect.getdoc(init_detection_wf)
    assert all(f"\n{name}\n" in document for name in (*parameters, "probabilities", "in_files"))


@pytest.mark.parametrize("n_batches", [1, 2, 3, 7])
def test_images_are_dealt_out_whole_and_in_order(n_batches):
    items = list("abcdefg")
    shares = [deal(items, index, n_batches) for index in range(n_batches)]
    assert [item for share in shares for item in share] == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_text_is_for_all_batches():
    assert deal(["why"], 1, 3, True) == ["why"]
    assert deal(list("abc"), 1, 3, True) == ["b"]


def test_more_batches_than_images_is_told():
    with pytest.raises(ValueError, match="1 images for 2 batches"):
        deal(["a"], 0, 2)
