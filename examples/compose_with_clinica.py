"""t1-linear, synthesis and t1-volume-tissue-segmentation in one Nipype graph, in memory.

``python examples/compose_with_clinica.py BIDS CAPS T1CE_TSV`` takes the T1ce of a BIDS from raw
image to tissue maps. BIDS has one T1w a session (``clinica-t1nce separate``), T1CE_TSV lists the
sessions of the T1ce (participant_id, session_id), CAPS is new. Needs SPM, as Clinica does; with
``--graph PICTURE.svg`` the graph is drawn instead (needs Graphviz, no SPM).

Between Clinica's two pipelines stands :func:`clinica_t1nce.workflows.init_synthesis_wf`; no file
is looked for by its name, and no image waits for those of other patients.

t1-linear is told to use ANTsPy, which needs no installation of ANTs but, in Clinica 0.12, warps the
images (docs/spaces.md): for an analysis of volumes, install ANTs and set ``use_antspy`` to False.
"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clinica.pipelines.t1_linear.anat_linear_pipeline import AnatLinear
from clinica.pipelines.t1_volume_tissue_segmentation.t1_volume_tissue_segmentation_pipeline import (
    T1VolumeTissueSegmentation,
)
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.workflows import init_synthesis_wf


def init_composed_wf(
    bids: Path, caps: Path, tsv: Path, work: Path, *, model: str = "default", **options: Any
) -> Workflow:
    """Connect the three; `options` are those of Clinica's segmentation."""
    data = {
        "bids_directory": str(bids),
        "caps_directory": str(caps),
        "tsv_file": str(tsv),
        "base_dir": str(work),
        "caps_name": "composed",
    }
    linear = AnatLinear(**data, name="t1-linear", use_antspy=True).build()
    segmentation = T1VolumeTissueSegmentation(
        **data, name="t1-volume-tissue-segmentation", **options
    )
    # As build() does, but for the node that looks for images in the BIDS: ours come from the graph.
    segmentation._check_dependencies()
    segmentation._check_pipeline_parameters()
    segmentation._build_core_nodes()
    synthesis = init_synthesis_wf(model=model, name="t1-synth-nce")
    place = Node(Function(["anat", "caps"], ["t1nce"], t1nce_path), name="place")
    place.inputs.caps = str(caps)
    workflow = Workflow(name="composed", base_dir=str(work))
    workflow.connect(
        [
            (linear, place, [("Input.anat", "anat")]),
            (linear, synthesis, [("cropnifti.output_img", "inputnode.in_files")]),
            (place, synthesis, [("t1nce", "inputnode.out_files")]),
            (synthesis, segmentation, [(("outputnode.out_files", only), "Input.t1w")]),
        ]
    )
    return workflow


def t1nce_path(anat, caps):
    """Say where the T1nce of a raw T1ce belongs. Nipype runs it from its text: it stands alone."""
    from pathlib import Path

    anat = Path(anat)
    entities = anat.name.split(".")[0].removesuffix("_T1w").split("_")
    stem = "_".join(entity for entity in entities if not entity.startswith("ce-"))
    visit = Path(caps, "subjects", *anat.parts[-4:-2])
    return str(visit / "t1_synth_nce" / f"{stem}_desc-SynthNce_T1w.nii.gz")


def only(files):
    """Take the one file of a list: the graph has one branch an image."""
    return files[0] if isinstance(files, list) else files


def draw(workflow: Workflow, picture: Path) -> None:
    """Draw a graph; Graphviz' own files do not stay."""
    with TemporaryDirectory() as folder:
        drawn = workflow.write_graph(
            f"{folder}/graph.dot", graph2use="flat", format=picture.suffix.removeprefix(".")
        )
        shutil.copyfile(drawn, picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bids", type=Path)
    parser.add_argument("caps", type=Path)
    parser.add_argument("tsv", type=Path)
    parser.add_argument("--work", type=Path, default=Path("composed_work"))
    parser.add_argument("--model", default="default")
    parser.add_argument("--graph", type=Path, help="draw the graph, and run nothing")
    arguments = parser.parse_args()
    data = {name: getattr(arguments, name).absolute() for name in ("bids", "caps", "tsv", "work")}
    if arguments.graph is None:
        init_composed_wf(**data, model=arguments.model).run()
    else:
        with TemporaryDirectory() as folder:
            tissues = Path(folder, "TPM.nii")
            tissues.touch()
            without_spm = {
                "ignore_dependencies": ["spm standalone"],
                "parameters": {"tissue_probability_maps": str(tissues)},
            }
            draw(init_composed_wf(**data, **without_spm), arguments.graph)
