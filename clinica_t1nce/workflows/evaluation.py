"""Graph that evaluates the synthetic T1nce of one real pair."""

from collections.abc import Sequence
from typing import Any, Literal

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import MapNode, Node, Workflow

from clinica_t1nce.evaluation.agreement import FLOOR
from clinica_t1nce.evaluation.structures import ATROPOS, MAPS, OWN, VolumeMethod, structures_of
from clinica_t1nce.interfaces import (
    AlignPair,
    BrainMask,
    Disturb,
    GatherVolumes,
    ImageSimilarity,
    SegmentTissues,
    TissueOverlap,
    TissueVolumes,
    UnionMask,
)

INPUTS = ("t1nce", "t1ce", "synthetic", "t1nce_mask", "t1ce_mask", "prior_files")
OUTPUTS = (
    "aligned",
    "transform",
    "mask",
    "mask_unaligned",
    "mask_sources",
    "mask_overlap",
    "similarity",
    "similarity_unaligned",
    "segmentations",
)

BrainMethod = Literal["deepbet", "hd-bet", "template"]
Align = Literal["rigid", "affine", "none"]
Protocol = Literal["standard", "authors"]

BOTH_MASKS = (
    VolumeMethod(ATROPOS, ATROPOS, structures_of(ATROPOS)),
    VolumeMethod(OWN, OWN, structures_of(ATROPOS)),
)
"""Atropos in the brain of both images together, and in the brain of each image."""


def init_evaluation_wf(
    *,
    brain_mask: BrainMethod = "deepbet",
    align: Align = "rigid",
    protocol: Protocol = "standard",
    segmentations: Sequence[VolumeMethod] = BOTH_MASKS,
    noise_floor: bool = False,
    n_synthetic: int = 1,
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
    segmentations
        Ways to get volumes, each with a name of its own; none for no volumes.
    noise_floor
        Whether the aligned T1nce is segmented twice more, after small changes
        (:func:`clinica_t1nce.evaluation.agreement.disturb`); only with Atropos in the shared mask.
    n_synthetic
        Number of synthetic images that the graph will be given; another number is refused when the
        graph runs, where it segments images itself.
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
        List of `n_synthetic` synthetic T1nce on the T1ce's grid.
    t1nce_mask, t1ce_mask
        Brain masks on the grids of the two; optional.
    prior_files
        GM, WM and CSF on the T1ce's grid, for Atropos; optional.
    files_<name>
        For each of `segmentations` that takes files: of the T1nce, the T1ce and each of
        `synthetic` the label map, or a list of its maps of GM, WM and CSF; each on the grid of
        its image.

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
    segmentations
        What each segmentation says: a mapping of ``name``, ``names`` (its structures), ``tiv``
        (cm3, of the T1nce), and for the T1nce, the T1ce and each of `synthetic` ``label_files``,
        ``gm_files`` and ``volumes``; for the T1ce and each of `synthetic` ``dice`` and
        ``dice_unaligned``; with `noise_floor` ``floor_volumes`` and ``floor_dice`` for each change
        of the T1nce.

    Raises
    ------
    ValueError
        If two segmentations have one name, or none can give a noise floor.
    traits.api.TraitError
        If another option is.
    """
    names = [method.name for method in segmentations]
    if len(set(names)) < len(names):
        raise ValueError(f"segmentations {names}: give each a name of its own")
    if noise_floor and ATROPOS not in [method.kind for method in segmentations]:
        raise ValueError(f"a noise floor needs the segmentation {ATROPOS}, not {names}")
    workflow = Workflow(name=name)
    files = [f"files_{method.name}" for method in segmentations if not method.computed]
    inputnode = Node(IdentityInterface([*INPUTS, *files], mandatory_inputs=False), name="inputnode")
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
    if segmentations:
        every = Node(Merge(len(segmentations)), name="segmentations", run_without_submitting=True)
        workflow.connect(every, "out", outputnode, "segmentations")
    for number, method in enumerate(segmentations, start=1):
        gathered = _connect_volumes(workflow, aligned, union, align, method, n_synthetic)
        workflow.connect(gathered, "out", every, f"in{number}")
        if noise_floor and method.kind == ATROPOS:
            _connect_noise_floor(workflow, aligned, union, gathered)
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
    method: VolumeMethod,
    n_synthetic: int,
) -> Node:
    """Measure volumes and overlap by one method; return the node that gathers them."""
    structures = {name: list(labels) for name, labels in method.structures.items()}
    label = _label(method)
    volumes = Node(TissueVolumes(names=structures), name=f"volumes_{label}", mem_gb=3)
    gathered = Node(GatherVolumes(name=method.name, names=structures), name=f"gathered_{label}")
    inputnode = workflow.get_node("inputnode")
    if method.computed:
        others = "others", ("out", _counted, 1 + n_synthetic)
        images = _merge(workflow, f"images_{label}", (aligned, "out_file"), others)
        masks = _own_masks(workflow, aligned) if method.kind == OWN else union
        maps = _segment(workflow, label, (images, "out"), 2 + n_synthetic, masks)
        workflow.connect(maps, "out", volumes, "probability_files")
    else:
        field = "probability_files" if method.kind == MAPS else "label_files"
        workflow.connect(inputnode, f"files_{method.name}", volumes, field)
    workflow.connect(
        [
            (
                volumes,
                gathered,
                [("out_files", "label_files"), ("gm_files", "gm_files"), ("volumes", "volumes")],
            )
        ]
    )
    for field, wanted_aligned in (("dice", True), ("dice_unaligned", False)):
        if align == "none" and not wanted_aligned:
            continue
        overlap = Node(TissueOverlap(names=structures), name=f"{field}_{label}", mem_gb=1)
        workflow.connect(
            [
                (volumes, overlap, [(("out_files", _item, 0), "reference_file")]),
                (volumes, overlap, [(("out_files", _rest), "in_files")]),
                (overlap, gathered, [("dice", field)]),
            ]
        )
        # What is computed here sees the aligned T1nce; others have segmented it where it was.
        if align != "none" and wanted_aligned != method.computed:
            overlap.inputs.invert = method.computed
            workflow.connect(aligned, "transform_file", overlap, "transform_file")
    return gathered


def _segment(
    workflow: Workflow, label: str, images: tuple[Node, str], number: int, masks: Node
) -> Node:
    """Segment images, each in a node of its own: what has changed is segmented anew, no more."""
    every = Node(Merge(number, no_flatten=True), name=f"maps_{label}", run_without_submitting=True)
    node, field = images
    for each in range(number):
        segmented = Node(SegmentTissues(), name=f"segment_{label}_{each}", mem_gb=3)
        own = isinstance(masks.interface, Merge)
        workflow.connect(
            [
                (node, segmented, [((field, _item, each), "in_file")]),
                (
                    masks,
                    segmented,
                    [(("out", _item, each) if own else "out_file", "mask_file")],
                ),
                (workflow.get_node("inputnode"), segmented, [("prior_files", "prior_files")]),
                (segmented, every, [("out_files", f"in{each + 1}")]),
            ]
        )
    return every


def _own_masks(workflow: Workflow, aligned: Node) -> Node:
    """Find the brain of each image by itself; those of the pair are known."""
    method = workflow.get_node("t1ce_brain").inputs.method
    # In a row: a second process would take the memory of a second deepbet.
    brains = MapNode(
        BrainMask(method=method), ["in_file"], name="synthetic_brains", serial=True, mem_gb=2
    )
    inputnode = workflow.get_node("inputnode")
    workflow.connect([(inputnode, brains, [("synthetic", "in_file"), ("t1ce_mask", "mask_file")])])
    return _merge(
        *(workflow, "own_masks", (aligned, "out_mask"), ("t1ce_brain", "out_file")),
        (brains, "out_file"),
    )


def _merge(workflow: Workflow, name: str, *sources: tuple[Node | str, Any]) -> Node:
    merged = Node(Merge(len(sources)), name=name, run_without_submitting=True)
    for number, (node, field) in enumerate(sources, start=1):
        source = workflow.get_node(node) if isinstance(node, str) else node
        workflow.connect(source, field, merged, f"in{number}")
    return merged


def _connect_noise_floor(workflow: Workflow, aligned: Node, union: Node, gathered: Node) -> None:
    reference = workflow.get_node(gathered.name.replace("gathered", "volumes"))
    disturbed = Node(Disturb(), name="disturbed", mem_gb=1)
    maps = _segment(workflow, "floor", (disturbed, "out_files"), len(FLOOR), union)
    volumes = Node(TissueVolumes(), name="floor_volumes", mem_gb=3)
    overlap = Node(TissueOverlap(), name="floor_dice", mem_gb=1)
    workflow.connect(
        [
            (aligned, disturbed, [("out_file", "in_file")]),
            (maps, volumes, [("out", "probability_files")]),
            (reference, overlap, [(("out_files", _item, 0), "reference_file")]),
            (volumes, overlap, [("out_files", "in_files")]),
            (volumes, gathered, [("volumes", "floor_volumes")]),
            (overlap, gathered, [("dice", "floor_dice")]),
        ]
    )


def _label(method: VolumeMethod) -> str:
    # Nipype allows letters, digits and underscores.
    return "".join(c if c.isalnum() else "_" for c in method.name)


def _counted(items: list[str], number: int) -> list[str]:
    if len(items) != number:
        raise ValueError(
            f"{len(items) - 1} synthetic images for a graph of {number - 1}; "
            f"build it with n_synthetic={len(items) - 1}"
        )
    return items


def _item(items: list[str], number: int) -> str:
    return items[number]


def _rest(items: list[str]) -> list[str]:
    return items[1:]
