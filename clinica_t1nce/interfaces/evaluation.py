"""Nipype interfaces to the evaluation of synthetic T1nce on real pairs."""

from pathlib import Path

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
        from clinica_t1nce.evaluation.brain_masks import brain_mask
        from clinica_t1nce.files import nifti

        image, given = nifti.load(self.inputs.in_file), self.inputs.mask_file
        if isdefined(given):
            mask, source = load_mask(given, image), str(given)
        else:
            with naming(image.path):
                mask, source = brain_mask(image.data, image.affine, self.inputs.method)
        self._results["out_file"] = save_in_node(mask, image, image.path, "_brainmask", runtime)
        self._results["source"] = source
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

        from clinica_t1nce.evaluation import registration
        from clinica_t1nce.files import nifti

        t1nce, t1ce = (nifti.load(p) for p in (self.inputs.t1nce_file, self.inputs.t1ce_file))
        mask, fixed_mask = (
            load_mask(path, image)
            for path, image in ((self.inputs.t1nce_mask, t1nce), (self.inputs.t1ce_mask, t1ce))
        )
        if self.inputs.method == "none":
            check_grid(t1nce, t1ce, "align the pair (--align rigid)")
            aligned, moved_mask, transform = t1nce.data, mask, np.eye(4)
        else:
            with naming(t1nce.path):
                found = registration.align_images(
                    *(t1nce.data, t1nce.affine, t1ce.data, t1ce.affine),
                    mask=fixed_mask,
                    kind=self.inputs.method,
                )
            aligned, transform = found.image, found.transform
            moved_mask = registration.resample_cubic(
                mask.astype(np.float32), t1nce.affine, t1ce.data.shape, t1ce.affine, transform
            )
        transform_file = Path(runtime.cwd, "transform.txt")
        np.savetxt(transform_file, transform, fmt="%.17g")
        self._results["transform_file"] = str(transform_file)
        self._results["out_file"] = save_in_node(aligned, t1ce, t1nce.path, "_aligned", runtime)
        self._results["out_mask"] = save_in_node(
            moved_mask > 0.5, t1ce, t1nce.path, "_alignedmask", runtime
        )
        return runtime


class _DisturbInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="the T1nce, on the T1ce's grid")


class _DisturbOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(
        File(exists=True), desc="the T1nce moved by half a millimetre, and with another gain"
    )


class Disturb(SimpleInterface):
    """Change a T1nce a little, to see how much its segmentation minds."""

    input_spec = _DisturbInputSpec
    output_spec = _DisturbOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.evaluation.agreement import disturb
        from clinica_t1nce.files import nifti

        image = nifti.load(self.inputs.in_file)
        self._results["out_files"] = [
            save_in_node(volume, image, image.path, f"_disturbed{number}", runtime)
            for number, volume in enumerate(disturb(image.data, image.affine))
        ]
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

        from clinica_t1nce.evaluation.brain_masks import union_mask
        from clinica_t1nce.files import nifti

        first = nifti.load(self.inputs.in_files[0], constant=True)
        masks = [load_mask(path, first) for path in self.inputs.in_files]
        with naming(first.path):
            union = union_mask(*masks)
            common = np.all(masks, axis=0)
            if not common.any():
                raise ImageError("the brain masks have no voxel in common; check both images")
        self._results["overlap"] = float(common.sum() / union.sum())
        self._results["out_file"] = save_in_node(union, first, first.path, "_union", runtime)
        self._results["common_file"] = save_in_node(common, first, first.path, "_common", runtime)
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
        from clinica_t1nce.evaluation.measures import measure_images
        from clinica_t1nce.files import nifti

        reference = nifti.load(self.inputs.reference_file)
        others = [nifti.load(path) for path in self.inputs.in_files]
        mend = "bring the images of a pair to one grid"
        check_grid(others[0], reference, mend)
        for image in others[1:]:
            check_grid(image, others[0], mend)
        mask, common = (
            load_mask(path, reference)
            for path in (self.inputs.mask_file, self.inputs.common_mask_file)
        )
        with naming(reference.path):
            self._results["measures"] = measure_images(
                reference.data,
                [image.data for image in others],
                mask,
                common,
                as_authors=self.inputs.protocol == "authors",
            )
        return runtime
