import pytest
from nipype.interfaces.base import TraitError

from clinica_t1nce.workflows import init_evaluation_wf
from clinica_t1nce.workflows.evaluation import INPUTS, OUTPUTS


def edges(workflow, source, target):
    found = workflow._graph.get_edge_data(workflow.get_node(source), workflow.get_node(target))
    return found["connect"] if found else []


def test_doors():
    workflow = init_evaluation_wf(name="any")
    assert workflow.name == "any"
    assert set(workflow.inputs.inputnode.copyable_trait_names()) == set(INPUTS)
    assert set(workflow.outputs.outputnode.copyable_trait_names()) == set(OUTPUTS)


def test_options_reach_the_nodes():
    workflow = init_evaluation_wf(
        brain_mask="template",
        align="affine",
        protocol="authors",
        segmentation="labels",
        structures={"thalamus": 10},
    )
    assert workflow.get_node("t1nce_brain").inputs.method == "template"
    assert workflow.get_node("align").inputs.method == "affine"
    for name in ("similarity", "similarity_unaligned"):
        assert workflow.get_node(name).inputs.protocol == "authors"
    for name in ("volumes", "dice", "dice_unaligned"):
        assert workflow.get_node(name).inputs.names == {"thalamus": 10}


@pytest.mark.parametrize(
    ("segmentation", "moved", "invert"),
    [("atropos", "dice_unaligned", True), ("maps", "dice", False)],
)
def test_the_reference_is_moved_where_it_was_segmented_elsewhere(segmentation, moved, invert):
    workflow = init_evaluation_wf(segmentation=segmentation)
    for name in ("dice", "dice_unaligned"):
        expected = [("transform_file", "transform_file")] if name == moved else []
        assert edges(workflow, "align", name) == expected
    assert workflow.get_node(moved).inputs.invert is invert


def test_without_alignment_or_segmentation_there_is_less():
    names = init_evaluation_wf(align="none", segmentation="none").list_node_names()
    assert not {"similarity_unaligned", "volumes", "dice", "dice_unaligned"} & set(names)
    assert {"similarity", "align", "t1ce_brain"} <= set(names)


@pytest.mark.parametrize(
    ("option", "error"),
    [({"segmentation": "spm"}, ValueError), ({"brain_mask": "spm"}, TraitError)],
)
def test_unknown_options_are_refused_at_once(option, error):
    with pytest.raises(error, match="spm"):
        init_evaluation_wf(**option)


def test_noise_floor_segments_the_t1nce_again():
    workflow = init_evaluation_wf(noise_floor=True)
    assert edges(workflow, "align", "disturbed") == [("out_file", "in_file")]
    assert edges(workflow, "disturbed", "floor_volumes") == [("out_files", "in_files")]
    assert edges(workflow, "floor_volumes", "outputnode") == [("volumes", "floor_volumes")]
    assert "disturbed" not in init_evaluation_wf().list_node_names()
    with pytest.raises(ValueError, match="noise floor"):
        init_evaluation_wf(noise_floor=True, segmentation="labels")
