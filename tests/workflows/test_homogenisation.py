from nipype.interfaces.utility import IdentityInterface

from clinica_t1nce.workflows import init_homogenisation_wf
from tests.data.bids import make_bids, make_caps_of


def test_doors_and_docstring():
    workflow = init_homogenisation_wf(out_directory="out")
    assert workflow.name == "homogenisation_wf"
    for door in ("inputnode", "outputnode"):
        assert isinstance(workflow.get_node(door).interface, IdentityInterface)
    for field in (
        *workflow.get_node("inputnode").inputs.copyable_trait_names(),
        *workflow.get_node("outputnode").outputs.copyable_trait_names(),
    ):
        assert f"    {field}\n" in init_homogenisation_wf.__doc__


def test_parameters_reach_the_interface(tmp_path):
    bids = make_bids(tmp_path / "b")
    workflow = init_homogenisation_wf(
        out_directory=tmp_path / "out", bids_directory=bids, copy=False, overwrite=True, name="x"
    )
    inputs = workflow.get_node("homogenise").inputs
    assert (inputs.out_directory, inputs.bids_directory) == (str(tmp_path / "out"), str(bids))
    assert (inputs.copy, inputs.overwrite, workflow.name) == (False, True, "x")


def test_run(tmp_path):
    caps = make_caps_of(make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": {}}), tmp_path / "c")
    (crop,) = caps.glob("subjects/*/*/t1_linear/*Crop*")
    workflow = init_homogenisation_wf(out_directory=tmp_path / "out")
    workflow.base_dir = str(tmp_path / "work")
    workflow.inputs.inputnode.acquired_files = [str(crop)]
    workflow.run()
    assert (tmp_path / "out/sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz").is_file()
