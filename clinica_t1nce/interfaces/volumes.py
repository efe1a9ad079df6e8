"""Nipype interfaces to the volumes of tissues and structures, and to their overlap."""

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

from clinica_t1nce.errors import ImageError
from clinica_t1nce.interfaces.base import check_grid, load_mask, named, save

if TYPE_CHECKING:
    import numpy as np

    from clinica_t1nce.files.nifti import Image


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

        named_ones = isdefined(self.inputs.names)
        names = self.inputs.names if named_ones else TISSUES
        results: dict[str, list[Any]] = {"out_files": [], "gm_files": [], "volumes": []}
        for number, (image, labels, gray) in enumerate(self._segmented()):
            with named(image.path):
                if not named_ones and labels.max() > max(TISSUES.values()):
                    raise ImageError(
                        f"holds the label {labels.max()}, not GM 1, WM 2 and CSF 3 only; say what "
                        "its labels mean (--structures)"
                    )
                results["volumes"].append(measure_volumes(labels, image.affine, names))
            data_type = np.uint8 if labels.max() < 256 else np.int32
            for field, data, suffix, kind in (
                ("out_files", labels, f"_{number}_dseg", data_type),
                ("gm_files", gray, f"_{number}_probseg", np.float32),
            ):
                results[field].append(save(data, image, image.path, suffix, runtime, kind))
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

        from clinica_t1nce.evaluation.segmentation import segment, template_priors
        from clinica_t1nce.files import nifti

        if not isdefined(self.inputs.mask_file):
            raise ValueError("in_files need a mask_file")
        loaded = [nifti.load(path) for path in self.inputs.in_files]
        first = loaded[0]
        if isdefined(self.inputs.prior_files):
            maps = [nifti.load(path) for path in self.inputs.prior_files]
            for image in maps:
                check_grid(image, first, "resample the priors to t1-linear's crop")
            priors = np.stack([image.data for image in maps])
        else:
            priors = template_priors(first.data.shape, first.affine)
        for image in loaded:
            mask = load_mask(self.inputs.mask_file, image)
            with named(image.path):
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

        from clinica_t1nce.evaluation.registration import move_labels
        from clinica_t1nce.evaluation.volumes import TISSUES, dice
        from clinica_t1nce.files import nifti

        names = self.inputs.names if isdefined(self.inputs.names) else TISSUES
        reference = nifti.load(self.inputs.reference_file)
        others = [nifti.load(path) for path in self.inputs.in_files]
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
    from clinica_t1nce.evaluation.volumes import most_probable
    from clinica_t1nce.files import nifti

    first, *others = (nifti.load(path, constant=True) for path in paths)
    for image in others:
        check_grid(image, first, "take the maps of one segmentation")
    with named(first.path):
        return first, most_probable([first.data, *(image.data for image in others)]), first.data


def _from_labels(path: str) -> "tuple[Image, np.ndarray, np.ndarray]":
    import numpy as np

    from clinica_t1nce.files import nifti

    image = nifti.load(path, constant=True)
    labels = np.rint(image.data).astype(np.int32)
    return image, labels, (labels == 1).astype(np.float32)
