import pytest
from nipype.interfaces.base import TraitError
from nipype.utils.functions import create_function_from_source

from clinica_t1nce.evaluation.structures import VolumeMethod
from clinica_t1nce.workflows import init_evaluation_wf
from clinica_t1nce.workflows.evaluation import BOTH_MASKS, INPUTS, OUTPUTS

ATROPOS, OWN = BOTH_MASKS
MAPS = VolumeMethod("spm", "maps", ATROPOS.structures, "c{tissue}")
THALAMUS = VolumeMethod("tool", "labels", {"thalamus": [10, 49]}, "*")


def edges(workflow, source, target):
    found = workflow._graph.get_edge_data(workflow.get_node(source), workflow.get_node(target))
    return found["connect"] if found else []


def picked(field, items="abc"):
    """Name the field, and what is passed on of these items."""
    name, source, arguments = field
    return name, create_function_from_source(source)(items, *arguments)


def test_doors():
    workflow = init_evaluation_wf(name="any")
    assert workflow.name == "any"
    assert set(workflow.inputs.inputnode.copyable_trait_names()) == set(INPUTS)
    assert set(workflow.outputs.outputnode.copyable_trait_names()) == set(OUTPUTS)
    workflow = init_evaluation_wf(segmentations=[ATROPOS, MAPS, THALAMUS])
    names = set(workflow.inputs.inputnode.copyable_trait_names())
    assert names - set(INPUTS) == {"files_spm", "files_tool"}


def test_options_reach_the_nodes():
    workflow = init_evaluation_wf(
        brain_mask="template", align="affine", protocol="authors", segmentations=[THALAMUS, OWN]
    )
    assert workflow.get_node("t1nce_brain").inputs.method == "template"
    assert workflow.get_node("synthetic_brains").inputs.method == "template"
    assert workflow.get_node("align").inputs.method == "affine"
    for name in ("similarity", "similarity_unaligned"):
        assert workflow.get_node(name).inputs.protocol == "authors"
    for name in ("volumes_tool", "dice_tool", "dice_unaligned_tool", "gathered_tool"):
        assert workflow.get_node(name).inputs.names == {"thalamus": [10, 49]}
    assert edges(workflow, "inputnode", "volumes_tool") == [("files_tool", "label_files")]


@pytest.mark.parametrize(
    ("method", "moved", "invert"),
    [(ATROPOS, "dice_unaligned_atropos", True), (MAPS, "dice_spm", False)],
)
def test_the_reference_is_moved_where_it_was_segmented_elsewhere(method, moved, invert):
    workflow = init_evaluation_wf(segmentations=[method])
    for name in (f"dice_{method.name}", f"dice_unaligned_{method.name}"):
        expected = [("transform_file", "transform_file")] if name == moved else []
        assert edges(workflow, "align", name) == expected
    assert workflow.get_node(moved).inputs.invert is invert


def test_each_image_has_its_own_brain_beside_the_shared_one():
    workflow = init_evaluation_wf()
    for number in range(3):
        for name, node, field in (
            ("atropos", "similarity_union", "out_file"),
            ("atropos_own", "own_masks", ("out", "abc"[number])),
        ):
            segment = f"segment_{name}_{number}"
            ((mask, target),) = edges(workflow, node, segment)
            assert (mask if name == "atropos" else picked(mask), target) == (field, "mask_file")
            ((image, target),) = edges(workflow, f"images_{name}", segment)
            assert (picked(image), target) == (("out", "abc"[number]), "in_file")
            assert edges(workflow, segment, f"maps_{name}") == [("out_files", f"in{number + 1}")]
        assert (
            f"segment_atropos_{number + 2}" in init_evaluation_wf(n_synthetic=3).list_node_names()
        )
    masks = [("align", "out_mask"), ("t1ce_brain", "out_file"), ("synthetic_brains", "out_file")]
    for number, (node, field) in enumerate(masks, start=1):
        assert edges(workflow, node, "own_masks") == [(field, f"in{number}")]
    for number, name in enumerate(("gathered_atropos", "gathered_atropos_own"), start=1):
        assert edges(workflow, name, "segmentations") == [("out", f"in{number}")]


@pytest.mark.parametrize("number", [1, 3])
def test_another_number_of_synthetic_images_is_refused(number):
    workflow = init_evaluation_wf(n_synthetic=2)
    ((field, target),) = edges(workflow, "others", "images_atropos")
    assert (field[0], target) == ("out", "in2")
    _, source, arguments = field
    select = create_function_from_source(source)
    assert select(["t1ce", "a", "b"], *arguments) == ["t1ce", "a", "b"]
    with pytest.raises(ValueError, match=f"build it with n_synthetic={number}"):
        select(["t1ce", *"abc"[:number]], *arguments)


def test_without_alignment_or_segmentation_there_is_less():
    names = init_evaluation_wf(align="none", segmentations=[]).list_node_names()
    assert not [name for name in names if name.startswith(("volumes", "dice", "segmentations"))]
    assert "similarity_unaligned" not in names
    assert {"similarity", "align", "t1ce_brain"} <= set(names)


@pytest.mark.parametrize(
    ("option", "error"),
    [({"segmentations": [MAPS, MAPS]}, ValueError), ({"brain_mask": "spm"}, TraitError)],
)
def test_unknown_options_are_refused_at_once(option, error):
    with pytest.raises(error, match="spm"):
        init_evaluation_wf(**option)


def test_noise_floor_segments_the_t1nce_again():
    workflow = init_evaluation_wf(noise_floor=True)
    assert edges(workflow, "align", "disturbed") == [("out_file", "in_file")]
    for number in (0, 1):
        ((image, target),) = edges(workflow, "disturbed", f"segment_floor_{number}")
        assert (picked(image), target) == (("out_files", "abc"[number]), "in_file")
    assert edges(workflow, "maps_floor", "floor_volumes") == [("out", "probability_files")]
    assert edges(workflow, "floor_volumes", "gathered_atropos") == [("volumes", "floor_volumes")]
    assert "disturbed" not in init_evaluation_wf().list_node_names()
    with pytest.raises(ValueError, match="noise floor"):
        init_evaluation_wf(noise_floor=True, segmentations=[OWN])
