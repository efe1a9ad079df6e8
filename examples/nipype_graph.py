"""Synthesis as a part of a Nipype graph of your own.

``python examples/nipype_graph.py OUTPUT_FOLDER T1CE_CROP...`` sends crops of ``t1-linear`` through
:func:`clinica_t1nce.workflows.init_synthesis_wf` and collects the results in one folder. Replace
the sink by whatever measures your images.
"""

import sys
from pathlib import Path

from nipype.interfaces.io import DataSink
from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.workflows import init_synthesis_wf


def init_example_wf(crops: list[str], folder: Path) -> Workflow:
    """Connect the synthesis to a sink."""
    synthesis = init_synthesis_wf(model="default", device="cpu")
    synthesis.inputs.inputnode.in_files = crops
    sink = Node(DataSink(base_directory=str(folder), parameterization=False), name="sink")
    workflow = Workflow(name="example_wf", base_dir=str(folder / "work"))
    workflow.connect(
        [
            (
                synthesis,
                sink,
                [("outputnode.out_files", "t1nce.@image"), ("outputnode.sidecars", "t1nce.@json")],
            )
        ]
    )
    return workflow


if __name__ == "__main__":
    output, *inputs = sys.argv[1:]
    folder = Path(output).absolute()
    init_example_wf([str(Path(path).absolute()) for path in inputs], folder).run()
    for image in sorted((folder / "t1nce").iterdir()):
        print(image)
