"""Images of one visit on the grids that are asked for."""

from clinica_t1nce.caps import names
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.translation.jobs import Job
from clinica_t1nce.translation.options import Options
from clinica_t1nce.translation.runner import translate


def job(visit, folder, options):
    output = folder / names.output_path(visit.crop, "cheap").name
    return Job(visit.crop, output, visit.caps, SelectedBy("tsv"), options)


def run(visit, folder, generator, *wanted, **options):
    task = job(visit, folder, Options(output_spaces=wanted, bids_directory=visit.bids, **options))
    translate(task, generator)
    return [task.images[space].image for space in wanted]
