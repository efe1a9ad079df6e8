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

from clinica_t1nce.errors import ImageError, naming
from clinica_t1nce.interfaces.base import check_grid, load_mask, save_in_node

if TYPE_CHECKING:
    import numpy as np

    from clinica_t1nce.files.nifti import Image

_NAMES = "label or labels of each structure (GM 1, WM 2, CSF 3 if not given)"


class _SegmentTissuesInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="T1w in MNI space")
    mask_file = File(exists=True, mandatory=True, desc="its brain")
    prior_files = InputMultiObject(
        File(exists=True), desc="GM, WM and CSF on the grid of in_file (MNI152 if not given)"
    )


class _SegmentTissuesOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(File(exists=True), desc="probabilities of GM, WM and CSF")


class SegmentTissues(SimpleInterface):
    """Segment one image by N4 and Atropos."""

    input_spec = _SegmentTissuesInputSpec
    output_spec = _SegmentTissuesOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        import numpy as np

        from clinica_t1nce.evaluation.segmentation import segment
        from clinica_t1nce.evaluation.volumes import TISSUES
        from clinica_t1nce.files import nifti

        image = nifti.load(self.inputs.in_file)
        priors = None
        if isdefined(self.inputs.prior_files):
            maps = [nifti.load(path) for path in self.inputs.prior_files]
            for each in maps:
                check_grid(each, image, "resample the priors to t1-linear's crop")
            priors = np.stack([each.data for each in maps])
        mask = load_mask(self.inputs.mask_file, image)
        with naming(image.path):
            found = segment(image.data, image.affine, mask, priors)
        self._results["out_files"] = [
            save_in_node(values, image, image.path, f"_{tissue}", runtime, np.float32)
            for tissue, values in zip(TISSUES, found.probabilities, strict=True)
        ]
        return runtime


class _TissueVolumesInputSpec(BaseInterfaceInputSpec):
    probability_files = traits.List(
        traits.List(File(exists=True)),
        xor=["label_files"],
        desc="for each image its maps of GM, WM and CSF, such as SegmentTissues' or SPM's",
    )
    label_files = InputMultiObject(
        File(exists=True), xor=["probability_files"], desc="a label map of each image"
    )
    names = traits.Dict(traits.Str, traits.Any, desc=_NAMES)


class _TissueVolumesOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(File(exists=True), desc="label map of each image")
    gm_files = OutputMultiObject(
        File(exists=True), desc="probability of gray matter in each image, of label maps a copy"
    )
    volumes = traits.List(traits.Dict, desc="structure to cm3, one for each image")


class TissueVolumes(SimpleInterface):
    """Measure tissues, by their probability maps or by label maps."""

    input_spec = _TissueVolumesInputSpec
    output_spec = _TissueVolumesOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        import numpy as np

        from clinica_t1nce.evaluation.volumes import TISSUES, measure_volumes

        names = self.inputs.names if isdefined(self.inputs.names) else TISSUES
        plain = names in (TISSUES, {name: [label] for name, label in TISSUES.items()})
        results: dict[str, list[Any]] = {"out_files": [], "gm_files": [], "volumes": []}
        for number, (image, labels, gray) in enumerate(self._segmented()):
            with naming(image.path):
                if plain and labels.max() > max(TISSUES.values()):
                    raise ImageError(
                        f"holds the label {labels.max()}, not GM 1, WM 2 and CSF 3 only; say what "
                        "its labels mean (--structures)"
                    )
                results["volumes"].append(measure_volumes(labels, image.affine, names))
            if gray is None:
                gray = np.isin(labels, names.get("GM", TISSUES["GM"])).astype(np.float32)
            data_type = np.uint8 if labels.max() < 256 else np.int32
            for field, data, suffix, kind in (
                ("out_files", labels, f"_{number}_dseg", data_type),
                ("gm_files", gray, f"_{number}_probseg", np.float32),
            ):
                results[field].append(save_in_node(data, image, image.path, suffix, runtime, kind))
        self._results.update(results)
        return runtime

    def _segmented(self) -> "Any":
        if isdefined(self.inputs.probability_files):
            return map(_from_maps, self.inputs.probability_files)
        if isdefined(self.inputs.label_files):
            return map(_from_labels, self.inputs.label_files)
        raise ValueError("give probability_files or label_files")


class _TissueOverlapInputSpec(BaseInterfaceInputSpec):
    reference_file = File(exists=True, mandatory=True, desc="label map of the T1nce")
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc="label maps on the T1ce's grid"
    )
    names = traits.Dict(traits.Str, traits.Any, desc=_NAMES)
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


class _GatherVolumesInputSpec(BaseInterfaceInputSpec):
    name = traits.Str(mandatory=True, desc="name of the segmentation")
    names = traits.Dict(traits.Str, traits.Any, desc=_NAMES)
    label_files = InputMultiObject(File(exists=True), mandatory=True, desc="of TissueVolumes")
    gm_files = InputMultiObject(File(exists=True), mandatory=True, desc="of TissueVolumes")
    volumes = traits.List(traits.Dict, mandatory=True, desc="of TissueVolumes")
    dice = traits.List(traits.Dict, mandatory=True, desc="of TissueOverlap, T1nce aligned")
    dice_unaligned = traits.List(traits.Dict, desc="of TissueOverlap, T1nce as it lay")
    floor_volumes = traits.List(traits.Dict, desc="of the T1nce segmented again")
    floor_dice = traits.List(traits.Dict, desc="of the T1nce segmented again")


class _GatherVolumesOutputSpec(TraitedSpec):
    out = traits.Dict(desc="the inputs that are given, and the total volume of the T1nce (tiv)")


class GatherVolumes(SimpleInterface):
    """Gather what one segmentation says of a pair."""

    input_spec = _GatherVolumesInputSpec
    output_spec = _GatherVolumesOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.evaluation.structures import TIV
        from clinica_t1nce.evaluation.volumes import TISSUES, labelled_volume
        from clinica_t1nce.files import nifti

        found: dict[str, Any] = {"names": dict(TISSUES)}
        given = self.inputs.get_traitsfree()
        found |= {name: value for name, value in given.items() if isdefined(value)}
        found["tiv"] = self.inputs.volumes[0].get(TIV)
        if found["tiv"] is None:
            image = nifti.load(self.inputs.label_files[0], constant=True)
            found["tiv"] = labelled_volume(image.data, image.affine)
        self._results["out"] = found
        return runtime


def _from_maps(paths: "Any") -> "tuple[Image, np.ndarray, np.ndarray]":
    from clinica_t1nce.evaluation.volumes import most_probable
    from clinica_t1nce.files import nifti

    first, *others = (nifti.load(path, constant=True) for path in paths)
    for image in others:
        check_grid(image, first, "take the maps of one segmentation")
    with naming(first.path):
        return first, most_probable([first.data, *(image.data for image in others)]), first.data


def _from_labels(path: str) -> "tuple[Image, np.ndarray, None]":
    import numpy as np

    from clinica_t1nce.files import nifti

    image = nifti.load_labels(path)
    return image, np.rint(image.data).astype(np.int32), None
