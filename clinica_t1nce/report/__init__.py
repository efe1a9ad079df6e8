"""Pictures and pages of what was done to images: figures, a page a participant, group reports."""

from clinica_t1nce.report.group_page import PageEntry, write_group_report
from clinica_t1nce.report.paper import Example, draw_examples, draw_tissue_maps
from clinica_t1nce.report.participant_page import write_participant_page
from clinica_t1nce.report.plots import draw_volume_differences, save_figure

__all__ = [
    "Example",
    "PageEntry",
    "draw_examples",
    "draw_tissue_maps",
    "draw_volume_differences",
    "save_figure",
    "write_group_report",
    "write_participant_page",
]
