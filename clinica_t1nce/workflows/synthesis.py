"""Graph that turns T1ce into synthetic T1nce."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from clinica_t1nce.engine.batches import batches_wf
from clinica_t1nce.interfaces import SynthesizeT1nce

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
    model: str | Path = "default",
    device: str = "auto",
    n_batches: int = 1,
    n_threads: int | None = None,
    memory_gb: float = 2.0,
    continue_on_error: bool = False,
    dataset_root: str | Path | None = None,
    journal_dir: str | Path | None = None,
    output_spaces: Sequence[str] = ("mni-crop",),
    bids_directory: str | Path | None = None,
    blend: str = "replace",
    save_enhancement: bool = False,
    keep_existing: bool = False,
    report_dir: str | Path | None = None,
    name: str = "synthesis_wf",
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
    model
        Name of shipped weights, or a ``.safetensors`` file.
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
        Root of the data set that holds the files, for BIDS URIs in the sidecars.
    journal_dir
        Folder in which each batch tells what it has started, done and failed.
    output_spaces
        Grids of the T1nce: ``"mni-crop"``, ``"mni"`` (t1-linear's whole image), ``"native"``
        (the raw image); the other images are found by their CAPS and BIDS names.
    bids_directory
        BIDS that t1-linear read, for the native space.
    blend
        Of models that predict whole images: ``"replace"`` takes the image, ``"change"`` only
        what changed.
    save_enhancement
        Write the map of what was removed, and the mask of vessels in it.
    keep_existing
        Leave images that are there already as they are.
    report_dir
        Folder for an HTML page an image; None for no pages.
    name
        Name of the workflow.

    Returns
    -------
    Workflow

    Inputs
    ------
    in_files
        T1ce crops of t1-linear (169 x 208 x 179 voxels of 1 mm).
    out_files
        Where the T1nce belong, one for each of `in_files`, written directly and atomically; in
        the nodes' folders if not connected.
    selected_by
        Why the images were taken for T1ce, one text or one an image; for the sidecars.

    Outputs
    -------
    out_files
        The synthetic T1nce, in the order of `in_files`, on the first of `output_spaces`; failed
        ones left out.
    sidecars
        The JSON beside each of them.
    confidences
        0 to 1 for each of `out_files`, None if unknown.
    full_files, native_files
        The T1nce on the other grids, if asked for.
    enhancement_files, vessel_files
        What was removed, and the masks of vessels, beside each of `out_files`.
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
        "output_spaces": list(output_spaces),
        "bids_directory": bids_directory,
        "blend": blend,
        "save_enhancement": save_enhancement,
        "keep_existing": keep_existing,
        "report_dir": report_dir,
    }
    return batches_wf(
        name,
        SynthesizeT1nce,
        settings,
        dealt=("in_files", "out_files", "selected_by"),
        for_all=("selected_by",),
        outputs=OUTPUTS,
        n_batches=n_batches,
        n_threads=n_threads,
        memory_gb=memory_gb,
    )
