import shutil
from pathlib import Path

import pytest
from nipype.pipeline.engine import Node

from clinica_t1nce.datasets import outputs, separation
from clinica_t1nce.errors import OutputError, SelectionError
from clinica_t1nce.interfaces import HomogeniseBids
from tests.data.bids import make_bids, make_caps_of


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "folder with space"
    source = make_bids(folder / "bids")
    outputs.make_files(folder / "view", separation.plan_view(source).files)
    caps = make_caps_of(folder / "view", folder / "caps")
    crops = sorted(caps.glob("subjects/*/*/t1_linear/*Crop*"))
    return {
        "acquired_files": [str(crop) for crop in crops if "_ce-" not in crop.name],
        "synthetic_files": [str(path) for path in caps.rglob("*desc-SynthNce_res*.nii.gz")],
        "bids_directory": str(folder / "view"),
        "out_directory": str(folder / "out"),
    }


def test_names_and_mandatory_flags_of_the_inputs():
    traits = HomogeniseBids.input_spec().traits(transient=None)
    assert {name for name, trait in traits.items() if trait.mandatory} == {"out_directory"}
    assert set(traits) == {
        "acquired_files",
        "synthetic_files",
        "out_directory",
        "bids_directory",
        "choices_file",
        "agent_words_file",
        "copy",
        "overwrite",
    }
    assert all(trait.desc for trait in traits.values())


def test_words_for_agents_are_taken_from_a_table(inputs, tmp_path):
    words = tmp_path / "words.tsv"
    words.write_text("word\tmeaning\nmystery\tperhaps\n")
    with pytest.raises(SelectionError, match="perhaps"):
        HomogeniseBids(**inputs, agent_words_file=str(words)).run()
    words.write_text("word\tmeaning\nmystery\tgiven\n")
    assert HomogeniseBids(**inputs, agent_words_file=str(words)).run().outputs.out_files


def test_one_image_a_session(inputs):
    outputs = HomogeniseBids(**inputs).run().outputs
    out = Path(inputs["out_directory"])
    assert outputs.out_files == [str(path) for path in sorted(out.rglob("*_T1w.nii.gz"))]
    assert len(outputs.out_files) == 4
    assert outputs.out_table == str(out / "t1nce.tsv")
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_every_option_reaches_the_code(inputs, tmp_path):
    synthetic = next(path for path in inputs["synthetic_files"] if "sub-01_" in path)
    choices = tmp_path / "c.tsv"
    choices.write_text(
        f"participant_id\tsession_id\tfilename\nsub-01\tses-M000\t{Path(synthetic).name}\n"
    )
    first = Path(HomogeniseBids(**inputs).run().outputs.out_files[0])
    HomogeniseBids(**inputs, choices_file=str(choices), copy=False).run()
    assert not first.is_symlink()
    HomogeniseBids(**inputs, choices_file=str(choices), copy=False, overwrite=True).run()
    assert first.readlink() == Path(synthetic)


def test_acquired_images_alone(inputs):
    del inputs["synthetic_files"], inputs["bids_directory"]
    outputs = HomogeniseBids(**inputs).run().outputs
    assert len(outputs.out_files) == len(inputs["acquired_files"]) == 3


def test_a_broken_image_ends_it(inputs):
    Path(inputs["acquired_files"][0]).write_bytes(b"")
    with pytest.raises(OutputError, match=r"sub-01 ses-M000: .*not a readable NIfTI"):
        HomogeniseBids(**inputs).run()


def test_a_node_is_never_taken_for_done(inputs, tmp_path):
    node = Node(HomogeniseBids(**inputs), name="h", base_dir=str(tmp_path / "work"))
    node.run()
    shutil.rmtree(inputs["out_directory"])
    assert len(node.run().outputs.out_files) == 4
