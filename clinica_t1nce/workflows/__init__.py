"""Nipype graphs, without Clinica: doors are `inputnode` and `outputnode`."""

from clinica_t1nce.workflows.evaluation import init_evaluation_wf
from clinica_t1nce.workflows.synthesis import init_detection_wf, init_synthesis_wf

__all__ = [
    "init_detection_wf",
    "init_evaluation_wf",
    "init_synthesis_wf",
]
