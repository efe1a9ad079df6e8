"""Graph that makes one data set of acquired and synthetic T1nce."""

from pathlib import Path

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.interfaces import HomogeniseBids


def init_homogenisation_wf(
    *,
    out_directory: str | Path,
    bids_directory: str | Path | None = None,
    copy: bool = True,
    overwrite: bool = False,
    name: str = "homogenisation_wf",
) -> Workflow:
    """Build a graph that makes a BIDS data set with exactly one T1nce a session.

    A session's image is its acquired T1nce if there is one, else the synthetic one; of several of
    one kind, that of the latest run.

    Workflow Graph
        .. workflow::
            :graph2use: orig
            :simple_form: yes

            from clinica_t1nce.workflows import init_homogenisation_wf
            wf = init_homogenisation_wf(out_directory="homogenised")

        ::

            inputnode ---> homogenise ---> outputnode

    Parameters
    ----------
    out_directory
        The data set to make, or to add to.
    bids_directory
        The BIDS that the images come from, for tables, metadata and, if it is a separated view,
        the visits.
    copy
        Copy the files rather than link them.
    overwrite
        Put images there again that are there already.
    name
        Name of the workflow.

    Returns
    -------
    Workflow

    Inputs
    ------
    acquired_files
        T1nce; their names start with ``sub-<label>_ses-<label>_``.
    synthetic_files
        Synthetic T1nce with their sidecars, as :func:`init_synthesis_wf` leaves them.
    choices_file
        TSV file with the columns ``participant_id``, ``session_id`` and ``filename``.

    Outputs
    -------
    out_files
        The image of each session.
    out_directory
        The data set.
    out_table
        ``t1nce.tsv``: which image is which.
    """
    workflow = Workflow(name=name)
    inputs = ["acquired_files", "synthetic_files", "choices_file"]
    outputs = ["out_files", "out_directory", "out_table"]
    inputnode = Node(IdentityInterface(inputs, mandatory_inputs=False), name="inputnode")
    outputnode = Node(IdentityInterface(outputs), name="outputnode")
    homogenise = Node(
        HomogeniseBids(
            out_directory=str(Path(out_directory).absolute()), copy=copy, overwrite=overwrite
        ),
        name="homogenise",
    )
    if bids_directory is not None:
        homogenise.inputs.bids_directory = str(Path(bids_directory).absolute())
    workflow.connect(
        [
            (inputnode, homogenise, [(field, field) for field in inputs]),
            (homogenise, outputnode, [(field, field) for field in outputs]),
        ]
    )
    return workflow
