"""What Clinica's t1-volume-tissue-segmentation makes of a homogenised data set."""

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.datasets import outputs, separation
from clinica_t1nce.datasets.homogenisation import homogenise
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
from tests.data.bids import make_bids, make_caps_of, tree
from tests.data.spm import jobs, make_spm

CLINICA = Path(sys.executable).with_name("clinica")

VISITS = [
    ("sub-01", "ses-M000"),
    ("sub-01", "ses-M012"),
    ("sub-02", "ses-M000"),
    ("sub-03", "ses-M000"),
]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:clinica")


@pytest.fixture(scope="module")
def homogenised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    source = make_bids(folder / "bids")
    outputs.make_files(folder / "view", separation.plan_view(source).files)
    caps = make_caps_of(folder / "view", folder / "caps")
    homogenise(HomogenisationRequest(caps, folder / "homogenised"))
    return folder / "homogenised"


def image_of(root, subject, session):
    return str(root / subject / session / "anat" / f"{subject}_{session}_T1w.nii.gz")


def segmentation(homogenised, caps, folder):
    from clinica.pipelines.t1_volume_tissue_segmentation.t1_volume_tissue_segmentation_pipeline import (  # noqa: E501
        T1VolumeTissueSegmentation,
    )

    tissues = folder / "TPM.nii"
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 6), np.float32), np.eye(4)), tissues)
    return T1VolumeTissueSegmentation(
        bids_directory=str(homogenised),
        caps_directory=str(caps),
        base_dir=str(folder / "work"),
        parameters={"tissue_probability_maps": str(tissues)},
        name="t1-volume-tissue-segmentation",
        ignore_dependencies=["spm standalone"],
        caps_name="volumes",
    )


def test_clinicas_readers_find_one_t1w_a_session(homogenised):
    from clinica.dataset import check_bids_dataset
    from clinica.utils.input_files import T1W_NII
    from clinica.utils.inputs import clinica_file_reader
    from clinica.utils.participant import get_subject_session_list

    check_bids_dataset(homogenised)
    subjects, sessions = get_subject_session_list(homogenised, tsv_dir=homogenised.parent)
    assert sorted(zip(subjects, sessions, strict=True)) == VISITS
    files, errors = clinica_file_reader(subjects, sessions, homogenised, T1W_NII)
    assert sorted(files) == [image_of(homogenised, *visit) for visit in VISITS]
    assert errors == []


def test_clinicas_check_of_the_centre_passes(homogenised):
    from clinica.iotools.data_handling import (
        are_images_centered_around_origin_of_world_coordinate_system,
    )

    paths = [Path(image_of(homogenised, *visit)) for visit in VISITS]
    assert are_images_centered_around_origin_of_world_coordinate_system(paths, homogenised)


def test_the_pipeline_is_built_on_our_images(homogenised, tmp_path):
    pipeline = segmentation(homogenised, tmp_path / "caps", tmp_path)
    pipeline.build()
    assert sorted(zip(pipeline.subjects, pipeline.sessions, strict=True)) == VISITS
    ((name, files),) = pipeline.get_node("ReadingFiles").iterables
    assert name == "t1w"
    assert sorted(files) == [image_of(homogenised, *visit) for visit in VISITS]


def test_spm_is_given_our_voxels(homogenised, tmp_path, monkeypatch):
    """Run the nodes in front of SPM's, of the expanded graph, and write SPM's job."""
    from nipype.pipeline.engine.utils import generate_expanded_graph

    monkeypatch.chdir(tmp_path)
    pipeline = segmentation(homogenised, tmp_path / "caps", tmp_path)
    pipeline.build()
    graph = generate_expanded_graph(pipeline._create_flat_graph())
    sources = []
    for spm in [node for node in graph.nodes() if node.name == "2-SpmSegmentation"]:
        (unzip,) = graph.predecessors(spm)
        (first,) = graph.predecessors(unzip)
        sources.append(first.inputs.t1w)
        unzip.inputs.in_file = first.run().outputs.t1w
        plain = unzip.run().outputs.out_file
        assert np.array_equal(nib.load(plain).dataobj, nib.load(sources[-1]).dataobj)
        spm.inputs.channel_files = plain
        script = spm.interface._make_matlab_command(spm.interface._parse_inputs())
        assert f"'{plain},1'" in script
        for tissue in range(1, 7):
            assert f"'{tmp_path / 'TPM.nii'},{tissue}'" in script
    assert sorted(sources) == [image_of(homogenised, *visit) for visit in VISITS]


@pytest.mark.slow
@pytest.mark.skipif(not CLINICA.exists(), reason="no script clinica beside this Python")
def test_the_command_runs_around_a_stand_in_for_spm(homogenised, tmp_path):
    from clinica.utils.input_files import t1_volume_native_tpm
    from clinica.utils.inputs import clinica_file_reader

    before = tree(homogenised)
    caps = tmp_path / "caps"
    two = [VISITS[0], VISITS[2]]
    (tmp_path / "two.tsv").write_text(
        "\n".join(["participant_id\tsession_id", *("\t".join(visit) for visit in two)])
    )
    command = [CLINICA, "run", "t1-volume-tissue-segmentation", homogenised, caps]
    command += ["-tsv", tmp_path / "two.tsv", "-np", 1]
    done = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        env=make_spm(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "encountered 0 problem(s)" in said
    assert "way out of the origin" not in said
    subjects, sessions = map(list, zip(*two, strict=True))
    for tissue in (1, 2, 3):
        maps, errors = clinica_file_reader(
            subjects, sessions, caps, t1_volume_native_tpm(tissue_number=tissue)
        )
        assert (len(maps), errors) == (2, [])
    segmentations = [text for text in jobs(tmp_path) if "preproc" in text]
    for subject, session in two:
        assert sum(f"{subject}_{session}_T1w.nii,1'" in text for text in segmentations) == 1
    assert tree(homogenised) == before
