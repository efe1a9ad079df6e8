"""Nipype interfaces to the evaluation of synthetic T1nce on real pairs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Bunch,
    File,
    InputMultiObject,
    OutputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from nipype.utils.filemanip import fname_presuffix

from clinica_t1nce.errors import ImageError, T1nceError

if TYPE_CHECKING:
    import numpy as np

    from clinica_t1nce.images import Image


class _BrainMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="T1w in MNI space, such as t1-linear's crop")
    method = traits.Enum(
        "deepbet", "hd-bet", "template", usedefault=True, desc="what finds the brain"
    )
    mask_file = File(exists=True, desc="a mask of one's own, on the image's grid: taken instead")


class _BrainMaskOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="uint8, 1 in the brain")
    source = traits.Str(desc="where the mask comes from")


class BrainMask(SimpleInterface):
    """Find the brain; an image that is skull-stripped already is its own mask."""

    input_spec = _BrainMaskInputSpec
    output_spec = _BrainMaskOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce import images
        from clinica_t1nce.evaluation.brains import brain_mask

        image = images.load(self.inputs.in_file)
        if isdefined(self.inputs.mask_file):
            mask, source = _load_mask(self.inputs.mask_file, image), self.inputs.mask_file
        else:
            with _named(image.path):
                mask, source = brain_mask(image.data, image.affine, self.inputs.method)
        self._results["source"] = str(source)
        self._results["out_file"] = _save(mask, image, image.path, "_brainmask", runtime)
        return runtime


class _AlignPairInputSpec(BaseInterfaceInputSpec):
    t1nce_file = File(exists=True, mandatory=True, desc="what is moved")
    t1ce_file = File(exists=True, mandatory=True, desc="onto whose grid")
    t1nce_mask = File(exists=True, mandatory=True, desc="brain of the T1nce; moves with it")
    t1ce_mask = File(exists=True, mandatory=True, desc="where the two are compared")
    method = traits.Enum("rigid", "affine", "none", usedefault=True, desc="kind of movement")


class _AlignPairOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="the T1nce on the T1ce's grid")
    out_mask = File(exists=True, desc="its brain there")
    transform_file = File(
        exists=True, desc="4 x 4, text: takes mm of the T1ce to mm of the T1nce (RAS+)"
    )


class AlignPair(SimpleInterface):
    """Bring the T1nce of a pair to its T1ce, in one resampling."""

    input_spec = _AlignPairInputSpec
    output_spec = _AlignPairOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        import numpy as np

        from clinica_t1nce import images
        from clinica_t1nce.evaluation import alignment

        t1nce, t1ce = (images.load(p) for p in (self.inputs.t1nce_file, self.inputs.t1ce_file))
        mask, fixed_mask = (
            _load_mask(path, image)
            for path, image in ((self.inputs.t1nce_mask, t1nce), (self.inputs.t1ce_mask, t1ce))
        )
        if self.inputs.method == "none":
            _check_grid(t1nce, t1ce, "align the pair (--align rigid)")
            aligned, moved_mask, transform = t1nce.data, mask, np.eye(4)
        else:
            with _named(t1nce.path):
                found = alignment.align_images(
                    *(t1nce.data, t1nce.affine, t1ce.data, t1ce.affine),
                    mask=fixed_mask,
                    kind=self.inputs.method,
                )
            aligned, transform = found.image, found.transform
            moved_mask = alignment.resample(
                mask.astype(np.float32), t1nce.affine, t1ce.data.shape, t1ce.affine, transform
            )
        transform_file = Path(runtime.cwd, "transform.txt")
        np.savetxt(transform_file, transform, fmt="%.17g")
        self._results["transform_file"] = str(transform_file)
        self._results["out_file"] = _save(aligned, t1ce, t1nce.path, "_aligned", runtime)
        self._results["out_mask"] = _save(
            moved_mask > 0.5, t1ce, t1nce.path, "_alignedmask", runtime
        )
        return runtime


class _UnionMaskInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc="masks on one grid, at least two"
    )


class _UnionMaskOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="in any of the masks")
    common_file = File(exists=True, desc="in all of them")
    overlap = traits.Float(desc="size of the common part over that of the union, 0 to 1")


class UnionMask(SimpleInterface):
    """Join brain masks, and tell how far they agree."""

    input_spec = _UnionMaskInputSpec
    output_spec = _UnionMaskOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        import numpy as np

        from clinica_t1nce import images
        from clinica_t1nce.evaluation.masks import union_mask

        first = images.load(self.inputs.in_files[0], constant=True)
        masks = [_load_mask(path, first) for path in self.inputs.in_files]
        with _named(first.path):
            union = union_mask(*masks)
            common = np.all(masks, axis=0)
            if not common.any():
                raise ImageError("the brain masks have no voxel in common; check both images")
        self._results["overlap"] = float(common.sum() / union.sum())
        self._results["out_file"] = _save(union, first, first.path, "_union", runtime)
        self._results["common_file"] = _save(common, first, first.path, "_common", runtime)
        return runtime


class _ImageSimilarityInputSpec(BaseInterfaceInputSpec):
    reference_file = File(exists=True, mandatory=True, desc="the T1nce, on the T1ce's grid")
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc="the T1ce, then synthetic images made from it"
    )
    mask_file = File(exists=True, mandatory=True, desc="where similarity is measured: the union")
    common_mask_file = File(
        exists=True,
        mandatory=True,
        desc="brain of both images: where it is measured how much enhancement is gone",
    )
    protocol = traits.Enum(
        "standard", "authors", usedefault=True, desc="authors: their definitions as well"
    )


class _ImageSimilarityOutputSpec(TraitedSpec):
    measures = traits.List(traits.Dict, desc="name to value, one for each of in_files")


class ImageSimilarity(SimpleInterface):
    """Measure how near a T1ce and synthetic images are to the real T1nce."""

    input_spec = _ImageSimilarityInputSpec
    output_spec = _ImageSimilarityOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce import images
        from clinica_t1nce.evaluation.measures import measure_images

        reference = images.load(self.inputs.reference_file)
        others = [images.load(path) for path in self.inputs.in_files]
        mend = "bring the images of a pair to one grid"
        _check_grid(others[0], reference, mend)
        for image in others[1:]:
            _check_grid(image, others[0], mend)
        mask, common = (
            _load_mask(path, reference)
            for path in (self.inputs.mask_file, self.inputs.common_mask_file)
        )
        with _named(reference.path):
            self._results["measures"] = measure_images(
                reference.data,
                [image.data for image in others],
                mask,
                common,
                as_authors=self.inputs.protocol == "authors",
            )
        return runtime


class _TissueVolumesInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), desc="T1w on one grid in MNI space, segmented by N4 and Atropos"
    )
    mask_file = File(exists=True, desc="the brain, for in_files")
    prior_files = InputMultiObject(
        File(exists=True), desc="GM, WM and CSF on the grid of in_files (MNI152 if not given)"
    )
    probability_files = traits.List(
        traits.List(File(exists=True)),
        xor=["in_files", "label_files"],
        desc="for each image its maps of GM, WM and CSF, such as SPM's",
    )
    label_files = InputMultiObject(
        File(exists=True), xor=["in_files", "probability_files"], desc="a label map of each image"
    )
    names = traits.Dict(
        traits.Str,
        traits.Int,
        desc="structure to label, for label_files (GM 1, WM 2, CSF 3 if not given)",
    )


class _TissueVolumesOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(File(exists=True), desc="label map of each image")
    gm_files = OutputMultiObject(
        File(exists=True), desc="probability of gray matter in each image, of label maps a copy"
    )
    volumes = traits.List(traits.Dict, desc="structure to cm3, one for each image")


class TissueVolumes(SimpleInterface):
    """Measure tissues: segment images, or take probability or label maps that are there."""

    input_spec = _TissueVolumesInputSpec
    output_spec = _TissueVolumesOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        import numpy as np

        from clinica_t1nce.evaluation.volumes import TISSUES, measure_volumes

        names = self.inputs.names if isdefined(self.inputs.names) else TISSUES
        results: dict[str, list[Any]] = {"out_files": [], "gm_files": [], "volumes": []}
        for number, (image, labels, gray) in enumerate(self._segmented()):
            with _named(image.path):
                results["volumes"].append(measure_volumes(labels, image.affine, names))
            data_type = np.uint8 if labels.max() < 256 else np.int32
            for field, data, suffix, kind in (
                ("out_files", labels, f"_{number}_dseg", data_type),
                ("gm_files", gray, f"_{number}_probseg", np.float32),
            ):
                results[field].append(_save(data, image, image.path, suffix, runtime, kind))
        self._results.update(results)
        return runtime

    def _segmented(self) -> "Any":
        if isdefined(self.inputs.in_files):
            return self._by_atropos()
        if isdefined(self.inputs.probability_files):
            return map(_from_maps, self.inputs.probability_files)
        if isdefined(self.inputs.label_files):
            return map(_from_labels, self.inputs.label_files)
        raise ValueError("give in_files, probability_files or label_files")

    def _by_atropos(self) -> "Any":
        import numpy as np

        from clinica_t1nce import images
        from clinica_t1nce.evaluation.segmentation import segment, template_priors

        if not isdefined(self.inputs.mask_file):
            raise ValueError("in_files need a mask_file")
        loaded = [images.load(path) for path in self.inputs.in_files]
        first = loaded[0]
        if isdefined(self.inputs.prior_files):
            maps = [images.load(path) for path in self.inputs.prior_files]
            for image in maps:
                _check_grid(image, first, "resample the priors to t1-linear's crop")
            priors = np.stack([image.data for image in maps])
        else:
            priors = template_priors(first.data.shape, first.affine)
        for image in loaded:
            mask = _load_mask(self.inputs.mask_file, image)
            with _named(image.path):
                found = segment(image.data, image.affine, mask, priors)
            yield image, found.labels, found.probabilities[0]


class _TissueOverlapInputSpec(BaseInterfaceInputSpec):
    reference_file = File(exists=True, mandatory=True, desc="label map of the T1nce")
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc="label maps on the T1ce's grid"
    )
    names = traits.Dict(
        traits.Str, traits.Int, desc="structure to label (GM 1, WM 2, CSF 3 if not given)"
    )
    transform_file = File(
        exists=True, desc="of AlignPair: moves the reference, before it is compared"
    )
    invert = traits.Bool(
        False, usedefault=True, desc="move it back to where the T1nce lay before the alignment"
    )


class _TissueOverlapOutputSpec(TraitedSpec):
    dice = traits.List(traits.Dict, desc="structure to Dice, one for each of in_files")


class TissueOverlap(SimpleInterface):
    """Compare label maps with that of the real T1nce."""

    input_spec = _TissueOverlapInputSpec
    output_spec = _TissueOverlapOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        import numpy as np

        from clinica_t1nce import images
        from clinica_t1nce.evaluation.alignment import move_labels
        from clinica_t1nce.evaluation.volumes import TISSUES, dice

        names = self.inputs.names if isdefined(self.inputs.names) else TISSUES
        reference = images.load(self.inputs.reference_file)
        others = [images.load(path) for path in self.inputs.in_files]
        labels: Any = reference.data
        affine: Any = reference.affine
        if isdefined(self.inputs.transform_file):
            transform: Any = np.loadtxt(self.inputs.transform_file)
            if self.inputs.invert:
                transform = np.linalg.inv(transform)
            target = others[0]
            labels = move_labels(labels, affine, target.data.shape, target.affine, transform)
            affine = target.affine
        self._results["dice"] = []
        for image in others:
            if labels.shape != image.data.shape or not np.allclose(affine, image.affine, atol=1e-3):
                raise ImageError(
                    f"{image.path}: on another grid than {reference.path}; segment the images of a "
                    "pair on one grid"
                )
            self._results["dice"].append(dice(labels, image.data, names))
        return runtime


def _from_maps(paths: "Any") -> "tuple[Image, np.ndarray, np.ndarray]":
    from clinica_t1nce import images
    from clinica_t1nce.evaluation.volumes import most_probable

    first, *others = (images.load(path, constant=True) for path in paths)
    for image in others:
        _check_grid(image, first, "take the maps of one segmentation")
    with _named(first.path):
        return first, most_probable([first.data, *(image.data for image in others)]), first.data


def _from_labels(path: str) -> "tuple[Image, np.ndarray, np.ndarray]":
    import numpy as np

    from clinica_t1nce import images

    image = images.load(path, constant=True)
    labels = np.rint(image.data).astype(np.int32)
    return image, labels, (labels == 1).astype(np.float32)


def _load_mask(path: str, image: "Image") -> "np.ndarray":
    from clinica_t1nce import images

    mask = images.load(path, constant=True)
    _check_grid(mask, image, "make the mask on the image's grid")
    inside: np.ndarray = mask.data > 0
    if not inside.any():
        raise ImageError(f"{mask.path}: the mask is empty; give another one")
    return inside


def _check_grid(image: "Image", other: "Image", mend: str) -> None:
    import numpy as np

    if image.data.shape != other.data.shape or not np.allclose(
        image.affine, other.affine, rtol=0, atol=1e-3
    ):
        raise ImageError(f"{image.path}: on another grid than {other.path}; {mend}")


def _save(
    data: "np.ndarray",
    like: "Image",
    source: Path,
    suffix: str,
    runtime: Bunch,
    dtype: Any = None,
) -> str:
    import numpy as np

    from clinica_t1nce import images

    kind = dtype or (np.uint8 if data.dtype == bool else np.float32)
    path = fname_presuffix(str(source), suffix=suffix, newpath=runtime.cwd)
    return str(images.save(path, data, like, dtype=kind))


class _named:
    """Put the file's name before messages of functions that know arrays only."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Raise the same error with the name."""
        if isinstance(error, T1nceError) and str(self._path) not in str(error):
            raise type(error)(f"{self._path}: {error}") from error
