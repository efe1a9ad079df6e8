"""One image to translate or to classify, and all files that this takes."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.caps.names import Space
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.errors import OutputError
from clinica_t1nce.translation.options import Options


@dataclass(frozen=True)
class ImageFiles:
    """A synthetic image on one grid, and what lies beside it.

    Attributes
    ----------
    image
        Path of the image.
    enhancement, vessels
        Paths of the maps of what was removed and of the vessels in it; None: not asked for.
    """

    image: Path
    enhancement: Path | None = None
    vessels: Path | None = None

    @property
    def sidecar(self) -> Path:
        """Path of the JSON."""
        return names.sidecar_path(self.image)

    @property
    def maps(self) -> list[Path]:
        """Paths of the maps that are asked for."""
        return [path for path in (self.enhancement, self.vessels) if path is not None]

    @property
    def companions(self) -> list[Path]:
        """Paths of the maps and their sidecars."""
        return [*map(names.sidecar_path, self.maps), *self.maps]


@dataclass(frozen=True)
class Job:
    """One image to translate, to classify, or both.

    Attributes
    ----------
    source
        Path of a crop of t1-linear, 169 x 208 x 179 voxels of 1 mm.
    output
        Path of the T1nce on the crop's grid; its sidecar lies beside it, and images on other
        grids, named after it (:func:`clinica_t1nce.caps.names.in_space`). None: nothing is
        translated, whatever the options say.
    root
        Root of the data set that holds both, for the sidecar.
    selected_by
        Rule and reason for which the source was taken for a T1ce, for the sidecar. None with
        ``options.select == "image"``: the image itself decides whether it is translated.
    options
        Choices of the user.
    classification
        Path of the JSON that says whether the image shows gadolinium; None: none is written.
    """

    source: Path
    output: Path | None
    root: Path | None = None
    selected_by: SelectedBy | None = None
    options: Options = field(default_factory=Options)
    classification: Path | None = None

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Grids of the T1nce; none of a job that classifies only."""
        return () if self.output is None else self.options.output_spaces

    @property
    def is_open(self) -> bool:
        """Whether it takes the network to tell if the image is translated at all."""
        return self.selected_by is None and (self.options.decides_by_image or not self.spaces)

    @cached_property
    def images(self) -> Mapping[Space, ImageFiles]:
        """Files of each grid that is asked for."""
        found = {}
        for space in self.spaces:
            assert self.output is not None
            image = names.in_space(self.output, space)
            found[space] = ImageFiles(image)
            if self.options.save_enhancement:
                maps = names.enhancement_path(image), names.vessels_path(image)
                found[space] = ImageFiles(image, *maps)
        return found

    @cached_property
    def raw(self) -> Path | None:
        """Path of the raw image; None without a BIDS."""
        bids = self.options.bids_directory
        return None if bids is None else names.raw_path(self.source, bids)

    def sources(self, space: Space) -> tuple[Path, ...]:
        """List the files that the image on a grid is made from, the crop first."""
        if space == names.MNI:
            return self.source, names.full_path(self.source)
        if space == names.NATIVE and self.raw is not None:
            return self.source, self.raw, names.affine_path(self.source)
        return (self.source,)

    @property
    def jsons(self) -> list[Path]:
        """Paths of the JSON that may be written: of the T1ce, of images and of maps."""
        of_images = [
            names.sidecar_path(path)
            for files in self.images.values()
            for path in (files.image, *files.maps)
        ]
        return of_images if self.classification is None else [self.classification, *of_images]

    @property
    def first(self) -> ImageFiles:
        """Files of the first grid that is asked for."""
        return self.images[self.spaces[0]]

    def lacks(
        self, model: Mapping[str, Any], read: sidecar.Reader = sidecar.read
    ) -> dict[Space, sidecar.Lack]:
        """Say what is to be made, grid by grid, and why.

        Parameters
        ----------
        model
            Result of :func:`clinica_t1nce.caps.sidecar.describe_model` for the weights.
        read
            Function that reads sidecars of synthetic images.
        """
        found: dict[Space, sidecar.Lack] = {}
        for space, files in self.images.items():
            lack = sidecar.lack(files.image, self.sources(space), model, read)
            lacks = [lack, *map(sidecar.lack, files.maps)]
            if any(lacks):
                found[space] = next(filter(None, lacks))
        return found

    def check(self) -> None:
        """Refuse to write over what is read, links included, and names that are no image's.

        Raises
        ------
        OutputError
            Naming the path.
        """
        inputs = {self.source}.union(*map(self.sources, self.spaces))
        for files in self.images.values():
            check_output(files.image, inputs)
            check_output(files.sidecar, inputs, is_image=False)
        if self.classification is not None:
            check_output(self.classification, inputs, is_image=False)


def check_output(path: Path, inputs: Iterable[Path], *, is_image: bool = True) -> None:
    """Refuse to write over an input, links included, and an image by a name that is no image's.

    Parameters
    ----------
    path
        Path of the output.
    inputs
        Paths that are read.
    is_image
        Whether the output is a NIfTI image.

    Raises
    ------
    OutputError
        Naming the path.
    """
    if is_image and not path.name.endswith((".nii", ".nii.gz")):
        raise OutputError(f"{path}: not the name of a NIfTI image; end it in .nii.gz")
    if _is_one_of(path, inputs):
        raise OutputError(f"{path}: is the input itself; name another output")


def _is_one_of(path: Path, others: Iterable[Path]) -> bool:
    if not os.path.lexists(path):
        return False
    for other in others:
        try:
            if path.samefile(other):
                return True
        except OSError:
            # One of them is not there.
            continue
    return False
