"""Nipype graphs, without Clinica: doors are `inputnode` and `outputnode`."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from clinica_t1nce.workflows.evaluation import init_evaluation_wf
    from clinica_t1nce.workflows.synthesis import init_detection_wf, init_synthesis_wf

__all__ = ["init_detection_wf", "init_evaluation_wf", "init_synthesis_wf"]

# Each is imported where it is used: no synthesis waits for what evaluates.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["init_evaluation_wf"],
        "synthesis": ["init_detection_wf", "init_synthesis_wf"],
    },
)
