"""Graphs around the generator: T1ce to T1nce, and whether images show gadolinium."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.interfaces import DetectGadolinium, SynthesizeT1nce
from clinica_t1nce.interfaces.base import trait_values
from clinica_t1nce.translation.options import Device, Options

OUTPUTS = (
    "out_files",
    "sidecars",
    "confidences",
    "full_files",
    "native_files",
    "enhancement_files",
    "vessel_files",
    "failures",
)


def init_synthesis_wf(
    *,
    options: Options | None = None,
    n_batches: int = 1,
    memory_gb: float = 2.0,
    continue_on_error: bool = False,
    dataset_root: str | Path | None = None,
    journal_dir: str | Path | None = None,
    report_dir: str | Path | None = None,
    name: str = "synthesis_wf",
    **changes: Any,
) -> Workflow:
    """Build a graph that turns T1ce crops of t1-linear into synthetic T1nce.

    The images are dealt out to batches of one node each, so that the model is loaded once a
    batch; batches run side by side as the execution plug-in allows.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from clinica_t1nce.workflows import init_synthesis_wf
            wf = init_synthesis_wf(n_batches=2)

        ::

                          +-> batch_0 -+
            inputnode ----+-> batch_1 -+-> merge_* ---> outputnode
                          +-> ...     -+

    Parameters
    ----------
    options
        Choices of the user; the defaults if not given.
    n_batches
        Nodes that share the images; at most as many as there will be images.
    memory_gb
        Memory that one batch needs, for plug-ins that heed it.
    continue_on_error
        Whether images that fail are listed in `failures`, and the others go on.
    dataset_root
        Root of the data set that holds the files, for BIDS URIs in the sidecars.
    journal_dir
        Folder in which each batch tells what it has started, done and failed.
    report_dir
        Folder for an HTML page an image; None for no pages.
    name
        Name of the workflow.
    **changes
        Fields of :class:`clinica_t1nce.translation.options.Options` that differ from `options`:
        ``init_synthesis_wf(model="default", device="cuda")``.

    Returns
    -------
    Workflow

    Inputs
    ------
    in_files
        T1ce crops of t1-linear (169 x 208 x 179 voxels of 1 mm).
    out_files
        Paths of the T1nce, one for each of `in_files`, written directly and atomically; in the
        nodes' folders if not connected.
    selected_by
        Why the images were taken for T1ce, once or one an image; for the sidecars. None of an
        image that is to tell itself (``select="image"``).
    classification_files
        Paths of the JSON files that say whether an image shows gadolinium, with ``select="image"``.

    Outputs
    -------
    out_files
        The synthetic T1nce, in the order of `in_files`, on the first of `output_spaces`; failed
        ones left out.
    sidecars
        The JSON beside each of them.
    confidences
        Confidence, 0 to 1, for each of `out_files`, None if unknown.
    full_files, native_files
        The T1nce on the other grids, if asked for.
    enhancement_files, vessel_files
        Maps of what was removed, and the masks of vessels, beside each of `out_files`.
    failures
        Pairs of file and reason.
    """
    options = replace(options or Options(), **changes)
    return _init_batches_wf(
        name,
        SynthesizeT1nce,
        {
            **trait_values(options),
            "use_gpu": options.device == "cuda",
            "continue_on_error": continue_on_error,
            "dataset_root": dataset_root,
            "journal_dir": journal_dir,
            "report_dir": report_dir,
        },
        dealt=("in_files", "out_files", "selected_by", "classification_files"),
        for_all=("selected_by",),
        outputs=OUTPUTS,
        n_batches=n_batches,
        memory_gb=memory_gb,
    )


def init_detection_wf(
    *,
    model: str | Path = "default",
    device: Device = "auto",
    n_batches: int = 1,
    n_threads: int | None = None,
    memory_gb: float = 2.0,
    continue_on_error: bool = False,
    dataset_root: str | Path | None = None,
    journal_dir: str | Path | None = None,
    name: str = "detection_wf",
) -> Workflow:
    """Build a graph that says of T1w crops of t1-linear whether they show gadolinium.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from clinica_t1nce.workflows import init_detection_wf
            wf = init_detection_wf(n_batches=2)

    Parameters
    ----------
    model
        Name of shipped weights, or a ``.safetensors`` file; its card needs a detector.
    device
        Device of the network: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    n_batches
        Nodes that share the images; at most as many as there will be images.
    n_threads
        Threads of PyTorch in each batch; None for all cores.
    memory_gb
        Memory that one batch needs, for plug-ins that heed it.
    continue_on_error
        Whether images that fail are listed in `failures`, and the others go on.
    dataset_root
        Root of the data set that holds the files, for BIDS URIs.
    journal_dir
        Folder in which each batch tells what it has started, done and failed.
    name
        Name of the workflow.

    Returns
    -------
    Workflow

    Inputs
    ------
    in_files
        Crops of t1-linear (169 x 208 x 179 voxels of 1 mm), T1ce or T1nce.
    out_files
        Paths of the JSON files, one for each of `in_files`; in the nodes' folders if not connected.

    Outputs
    -------
    probabilities
        Probabilities, 0 to 1, that gadolinium was given, in the order of `in_files`; failed ones
        left out.
    out_files
        What was found, as JSON.
    failures
        Pairs of file and reason.
    """
    settings: dict[str, Any] = {
        "model": model,
        "device": device,
        "n_threads": n_threads,
        "use_gpu": device == "cuda",
        "continue_on_error": continue_on_error,
        "dataset_root": dataset_root,
        "journal_dir": journal_dir,
    }
    return _init_batches_wf(
        name,
        DetectGadolinium,
        settings,
        dealt=("in_files", "out_files"),
        outputs=("probabilities", "out_files", "failures"),
        n_batches=n_batches,
        memory_gb=memory_gb,
    )


def _init_batches_wf(
    name: str,
    make: Callable[..., Any],
    settings: Mapping[str, Any],
    *,
    dealt: Sequence[str],
    outputs: Sequence[str],
    n_batches: int,
    memory_gb: float,
    for_all: Sequence[str] = (),
) -> Workflow:
    """Deal the lists of an input node out to equal nodes, and merge what they give.

    The inputs in `settings` are the same in all nodes, None: not given; of a list in `for_all`, a
    single item is for every node. The nodes are ``inputnode``, ``batch_*``, ``merge_*`` and
    ``outputnode``.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(dealt), mandatory_inputs=False), name="inputnode")
    outputnode = Node(IdentityInterface(list(outputs)), name="outputnode")
    given = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in settings.items()
        if value is not None
    }
    merges = {
        field: Node(Merge(n_batches), name=f"merge_{field}", run_without_submitting=True)
        for field in outputs
    }
    # Of a node that needs a GPU, Nipype's MultiProc takes it for the number of GPUs.
    n_procs = 1 if settings.get("use_gpu") else settings.get("n_threads") or 1
    for index in range(n_batches):
        batch = Node(make(**given), name=f"batch_{index}", n_procs=n_procs, mem_gb=memory_gb)
        for field in dealt:
            share = (field, deal, index, n_batches, field in for_all)
            workflow.connect(inputnode, share, batch, field)
        for field, merge in merges.items():
            workflow.connect(batch, field, merge, f"in{index + 1}")
    for field, merge in merges.items():
        workflow.connect(merge, "out", outputnode, field)
    return workflow


def deal(items, index, n_batches, for_all=False):  # type: ignore[no-untyped-def]
    """Give one batch its share of a list; kept in order, sizes as equal as they can be.

    With `for_all`, a single item is everyone's. Nipype runs this from its source text: it stands
    alone.

    Parameters
    ----------
    items
        List, one item, or Nipype's Undefined.
    index, n_batches
        Place of the batch, and number of batches.
    for_all
        Whether a single item is for every batch.

    Returns
    -------
    list
        The share; Undefined of Undefined.

    Raises
    ------
    ValueError
        If there are fewer items than batches.
    """
    from nipype.interfaces.base import Undefined, isdefined

    if not isdefined(items):
        return Undefined
    items = [items] if isinstance(items, str) else list(items)
    if for_all and len(items) == 1:
        return items
    if len(items) < n_batches:
        raise ValueError(f"{len(items)} images for {n_batches} batches; build fewer batches")
    start, end = (len(items) * i // n_batches for i in (index, index + 1))
    return items[start:end]
