"""Graph that says of images whether they show gadolinium."""

from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from clinica_t1nce.engine.batches import batches_wf
from clinica_t1nce.interfaces import DetectGadolinium

OUTPUTS = ("probabilities", "out_files", "failures")


def init_detection_wf(
    *,
    model: str | Path = "default",
    device: str = "auto",
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
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    n_batches
        Nodes that share the images; at most as many as there will be images.
    n_threads
        Threads of PyTorch in each batch; None for all cores.
    memory_gb
        What one batch needs, for plug-ins that heed it.
    continue_on_error
        List images that fail in `failures` and go on with the others.
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
        Where the judgements belong, one JSON for each of `in_files`; in the nodes' folders if not
        connected.

    Outputs
    -------
    probabilities
        0 to 1, that gadolinium was given, in the order of `in_files`; failed ones left out.
    out_files
        The judgements as JSON.
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
        outputs=OUTPUTS,
        n_batches=n_batches,
        n_threads=n_threads,
        memory_gb=memory_gb,
    )
