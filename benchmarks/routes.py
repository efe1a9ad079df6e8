"""What a CAPS and a single file lose: see benchmarks/README.md.

``python benchmarks/routes.py CAPS BIDS [PARTICIPANT...]`` translates each T1ce on its own grid
twice, by its crop (``clinica run t1-synth-nce --output-space native``) and without a CAPS
(``clinica-t1nce translate``), and prints the correlation of what is removed, over the whole grid.
"""

import argparse
from pathlib import Path

import numpy as np

from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.caps import names, query
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.synthesis import Synthesizer
from clinica_t1nce.translation import single, spaces
from clinica_t1nce.translation.jobs import Job
from clinica_t1nce.translation.options import Options


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("caps", "bids"):
        parser.add_argument(name, type=Path)
    parser.add_argument("participants", nargs="*")
    args = parser.parse_args()
    synthesizer = Synthesizer.load()
    options = Options(output_spaces=(names.NATIVE,), bids_directory=args.bids)
    print("| image | crop follows its affine | correlation |\n|---|---|---:|")
    for visit, path in query.find_crops(args.caps):
        wanted = not args.participants or visit.subject in args.participants
        if not wanted or not has_contrast(path.name):
            continue
        job = Job(path, names.output_path(path, "any"), args.caps, SelectedBy("tsv"), options)
        inputs = spaces.read_inputs(spaces.read_crop(path), (names.NATIVE,), job)
        (product,) = spaces.make_products(inputs, synthesizer)
        raw = product.inputs.raw
        assert raw is not None
        found = single.synthesise_volume(raw.image.data, raw.image.affine, synthesizer).synthesis
        agreement = np.corrcoef(product.change.ravel(), found.change.ravel())[0, 1]
        follows = "yes" if raw.follows_affine else "no"
        print(f"| {visit} | {follows} | {agreement:.4f} |", flush=True)


if __name__ == "__main__":
    main()
