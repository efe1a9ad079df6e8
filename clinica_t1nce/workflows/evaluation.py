"""Graph that evaluates the synthetic T1nce of one real pair."""

from collections.abc import Mapping
from typing import Literal, get_args

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.interfaces import (
    AlignPair,
    BrainMask,
    Disturb,
    ImageSimilarity,
    TissueOverlap,
    TissueVolumes,
    UnionMask,
)

INPUTS = (
    "t1nce",
    "t1ce",
    "synthetic",
    "t1nce_mask",
    "t1ce_mask",
    "probability_files",
    "label_files",
    "prior_files",
)
OUTPUTS = (
    "aligned",
    "transform",
    "mask",
    "mask_unaligned",
    "mask_sources",
    "mask_overlap",
    "similarity",
    "similarity_unaligned",
    "label_files",
    "gm_files",
    "volumes",
    "dice",
    "dice_unaligned",
    "floor_volumes",
    "floor_dice",
)

BrainMethod = Literal["deepbet", "hd-bet", "template"]
Align = Literal["rigid", "affine", "none"]
Protocol = Literal["standard", "authors"]
Segmentation = Literal["atropos", "maps", "labels", "none"]

ATROPOS, MAPS, LABELS, NONE = SEGMENTATIONS = get_args(Segmentation)


def init_evaluation_wf(
    *,
    brain_mask: BrainMethod = "deepbet",
    align: Align = "rigid",
    protocol: Protocol = "standard",
    segmentation: Segmentation = "atropos",
    structures: Mapping[str, int] | None = None,
    noise_floor: bool = False,
    name: str = "evaluation_wf",
) -> Workflow:
    """Build a graph that compares a T1ce and synthetic T1nce with the real T1nce of the visit.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from clinica_t1nce.workflows import init_evaluation_wf
            wf = init_evaluation_wf()

        ::

            inputnode -> t1nce_brain, t1ce_brain -> align -> union -> similarity -> outputnode
                                                               +----> volumes -> overlap -^

    Parameters
    ----------
    brain_mask
        Method that finds the brain: ``"deepbet"``, ``"hd-bet"`` or ``"template"``, for images
        without a mask of their own.
    align
        Movement that brings the T1nce to the T1ce: ``"rigid"``, ``"affine"`` or ``"none"``. Unless
        it is ``"none"``, what can be measured without alignment is measured as well.
    protocol
        Definition of the measures: ``"standard"``, or ``"authors"`` for the figures of the paper's
        code as well.
    segmentation
        Source of the tissues: ``"atropos"``, ``"maps"`` (`probability_files`), ``"labels"``
        (`label_files`) or ``"none"``.
    structures
        Structure to label, for label maps with others than GM 1, WM 2 and CSF 3.
    noise_floor
        Whether the aligned T1nce is segmented twice more, after small changes
        (:func:`clinica_t1nce.evaluation.agreement.disturb`); only with ``"atropos"``.
    name
        Name of the workflow.

    Returns
    -------
    Workflow

    Inputs
    ------
    t1nce, t1ce
        The crops of t1-linear of one visit.
    synthetic
        List of synthetic T1nce on the T1ce's grid.
    t1nce_mask, t1ce_mask
        Brain masks on the grids of the two; optional.
    probability_files
        Maps of GM, WM and CSF of the T1nce, the T1ce and each of `synthetic`; each on the grid of
        its image.
    label_files
        Label map of each, in the same order.
    prior_files
        GM, WM and CSF on the T1ce's grid, for Atropos; optional.

    Outputs
    -------
    aligned, transform
        The T1nce on the T1ce's grid, and the 4 x 4 matrix of the movement.
    mask
        Union of the two brains, on the T1ce's grid.
    mask_unaligned
        Union where the T1nce lay before the alignment, if it was aligned.
    mask_sources, mask_overlap
        Origins of the two masks, and their common part over union.
    similarity, similarity_unaligned
        A mapping of measures for the T1ce and each of `synthetic`
        (:func:`clinica_t1nce.evaluation.measures.measure_images`).
    label_files, gm_files, volumes
        Label maps, maps of gray matter, and volumes by structure of the T1nce, the T1ce and each of
        `synthetic`.
    dice, dice_unaligned
        A mapping of structure to Dice for the T1ce and each of `synthetic`.
    floor_volumes, floor_dice
        Volumes and Dice for each change of the T1nce, with `noise_floor`.

    Raises
    ------
    ValueError
        If `segmentation` is unknown, or cannot give a noise floor.
    traits.api.TraitError
        If another option is.
    """
    if segmentation not in SEGMENTATIONS:
        known = ", ".join(SEGMENTATIONS)
        raise ValueError(f"unknown segmentation {segmentation!r}; known: {known}")
    if noise_floor and segmentation != ATROPOS:
        raise ValueError(f"a noise floor needs the segmentation {ATROPOS}, not {segmentation}")
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(INPUTS), mandatory_inputs=False), name="inputnode")
    outputnode = Node(IdentityInterface(list(OUTPUTS), mandatory_inputs=False), name="outputnode")
    brains = {
        image: Node(BrainMask(method=brain_mask), name=f"{image}_brain", mem_gb=2)
        for image in ("t1nce", "t1ce")
    }
    sources = Node(Merge(2), name="mask_sources", run_without_submitting=True)
    aligned = Node(AlignPair(method=align), name="align", mem_gb=2)
    others = Node(Merge(2), name="others", run_without_submitting=True)
    workflow.connect(
        [
            (
                inputnode,
                brains["t1nce"],
                [("t1nce", "in_file"), ("t1nce_mask", "mask_file")],
            ),
            (inputnode, brains["t1ce"], [("t1ce", "in_file"), ("t1ce_mask", "mask_file")]),
            (brains["t1nce"], sources, [("source", "in1")]),
            (brains["t1ce"], sources, [("source", "in2")]),
            (inputnode, aligned, [("t1nce", "t1nce_file"), ("t1ce", "t1ce_file")]),
            (brains["t1nce"], aligned, [("out_file", "t1nce_mask")]),
            (brains["t1ce"], aligned, [("out_file", "t1ce_mask")]),
            (inputnode, others, [("t1ce", "in1"), ("synthetic", "in2")]),
            (sources, outputnode, [("out", "mask_sources")]),
            (aligned, outputnode, [("out_file", "aligned"), ("transform_file", "transform")]),
        ]
    )
    union = _connect_similarity(
        *(workflow, aligned, "out_file", aligned, "out_mask", "similarity", protocol)
    )
    workflow.connect([(union, outputnode, [("out_file", "mask"), ("overlap", "mask_overlap")])])
    if align != "none":
        unaligned = _connect_similarity(
            *(workflow, inputnode, "t1nce", brains["t1nce"], "out_file"),
            *("similarity_unaligned", protocol),
        )
        workflow.connect(unaligned, "out_file", outputnode, "mask_unaligned")
    if segmentation != NONE:
        _connect_volumes(workflow, aligned, union, align, segmentation, structures)
    if noise_floor:
        _connect_noise_floor(workflow, aligned, union)
    return workflow


def _connect_similarity(
    workflow: Workflow,
    image: Node,
    image_field: str,
    brain: Node,
    brain_field: str,
    name: str,
    protocol: Protocol,
) -> Node:
    """Compare the images with the T1nce as it lies in `image`; return the node of the mask."""
    masks = Node(Merge(2), name=f"{name}_masks", run_without_submitting=True)
    union = Node(UnionMask(), name=f"{name}_union", mem_gb=1)
    similarity = Node(ImageSimilarity(protocol=protocol), name=name, mem_gb=2)
    workflow.connect(
        [
            (brain, masks, [(brain_field, "in2")]),
            (workflow.get_node("t1ce_brain"), masks, [("out_file", "in1")]),
            (masks, union, [("out", "in_files")]),
            (image, similarity, [(image_field, "reference_file")]),
            (workflow.get_node("others"), similarity, [("out", "in_files")]),
            (
                union,
                similarity,
                [("out_file", "mask_file"), ("common_file", "common_mask_file")],
            ),
            (similarity, workflow.get_node("outputnode"), [("measures", name)]),
        ]
    )
    return union


def _connect_volumes(
    workflow: Workflow,
    aligned: Node,
    union: Node,
    align: Align,
    segmentation: Segmentation,
    structures: Mapping[str, int] | None,
) -> None:
    named = {} if structures is None else {"names": dict(structures)}
    volumes = Node(TissueVolumes(**named), name="volumes", mem_gb=3)
    inputnode, outputnode = (workflow.get_node(end) for end in ("inputnode", "outputnode"))
    if segmentation == ATROPOS:
        images = Node(Merge(2), name="images", run_without_submitting=True)
        workflow.connect(
            [
                (aligned, images, [("out_file", "in1")]),
                (workflow.get_node("others"), images, [("out", "in2")]),
                (images, volumes, [("out", "in_files")]),
                (union, volumes, [("out_file", "mask_file")]),
                (inputnode, volumes, [("prior_files", "prior_files")]),
            ]
        )
    else:
        field = "probability_files" if segmentation == MAPS else "label_files"
        workflow.connect(inputnode, field, volumes, field)
    workflow.connect(volumes, "out_files", outputnode, "label_files")
    workflow.connect([(volumes, outputnode, [("gm_files", "gm_files"), ("volumes", "volumes")])])
    # Atropos sees the aligned T1nce; others have segmented it where it was.
    segmented_aligned = segmentation == ATROPOS
    for name, wanted_aligned in (("dice", True), ("dice_unaligned", False)):
        if align == "none" and not wanted_aligned:
            continue
        overlap = Node(TissueOverlap(**named), name=name, mem_gb=1)
        workflow.connect(
            [
                (volumes, overlap, [(("out_files", _first), "reference_file")]),
                (volumes, overlap, [(("out_files", _rest), "in_files")]),
                (overlap, outputnode, [("dice", name)]),
            ]
        )
        if align != "none" and wanted_aligned != segmented_aligned:
            overlap.inputs.invert = segmented_aligned
            workflow.connect(aligned, "transform_file", overlap, "transform_file")


def _connect_noise_floor(workflow: Workflow, aligned: Node, union: Node) -> None:
    disturbed = Node(Disturb(), name="disturbed", mem_gb=1)
    volumes = Node(TissueVolumes(), name="floor_volumes", mem_gb=3)
    overlap = Node(TissueOverlap(), name="floor_dice", mem_gb=1)
    workflow.connect(
        [
            (aligned, disturbed, [("out_file", "in_file")]),
            (disturbed, volumes, [("out_files", "in_files")]),
            (union, volumes, [("out_file", "mask_file")]),
            (workflow.get_node("inputnode"), volumes, [("prior_files", "prior_files")]),
            (workflow.get_node("volumes"), overlap, [(("out_files", _first), "reference_file")]),
            (volumes, overlap, [("out_files", "in_files")]),
            (volumes, workflow.get_node("outputnode"), [("volumes", "floor_volumes")]),
            (overlap, workflow.get_node("outputnode"), [("dice", "floor_dice")]),
        ]
    )


def _first(items):  # type: ignore[no-untyped-def]
    return items[0]


def _rest(items):  # type: ignore[no-untyped-def]
    return items[1:]
