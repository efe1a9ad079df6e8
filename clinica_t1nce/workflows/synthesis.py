"""Graphs around the generator: T1ce to T1nce, and whether images show gadolinium."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from clinica_t1nce.engine.batches import batches_wf
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
    return batches_wf(
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
        n_threads=options.n_threads,
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
        "use_gpu": device == "cuda",
        "continue_on_error": continue_on_error,
        "dataset_root": dataset_root,
        "journal_dir": journal_dir,
    }
    return batches_wf(
        name,
        DetectGadolinium,
        settings,
        dealt=("in_files", "out_files"),
        outputs=("probabilities", "out_files", "failures"),
        n_batches=n_batches,
        n_threads=n_threads,
        memory_gb=memory_gb,
    )
