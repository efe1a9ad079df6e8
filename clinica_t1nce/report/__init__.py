"""Pictures and pages of what was done to images: figures, a page a participant, group reports."""

from clinica_t1nce.report.group import PageEntry, write_group_report
from clinica_t1nce.report.page import write_participant_page

__all__ = ["PageEntry", "write_group_report", "write_participant_page"]
