"""Nipype interfaces that transfer what was removed to another grid."""

from pathlib import Path
from typing import TYPE_CHECKING

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Bunch,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
)

from clinica_t1nce.interfaces.base import check_grid

if TYPE_CHECKING:
    from clinica_t1nce.files.nifti import Image


class _TransferInputSpec(BaseInterfaceInputSpec):
    t1ce_file = File(exists=True, mandatory=True, desc="T1ce that the network was given")
    t1nce_file = File(exists=True, mandatory=True, desc="synthetic T1nce, on the same grid")
    out_file = File(desc="where to write; in the node's folder, under a derived name, if not given")


class _TransferOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="the T1nce on the other grid")


class _BlendChangeInputSpec(_TransferInputSpec):
    in_file = File(
        exists=True, mandatory=True, desc="T1ce on another grid of the same space, any orientation"
    )


class BlendChange(SimpleInterface):
    """Transfer what was removed from a T1ce to another grid of the same space.

    Such as t1-linear's whole image: its voxels keep their value where nothing was removed.

    Examples
    --------
    >>> sorted(BlendChange().inputs.traits(mandatory=True))
    ['in_file', 't1ce_file', 't1nce_file']
    """

    input_spec = _BlendChangeInputSpec
    output_spec = _TransferOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.files import nifti
        from clinica_t1nce.synthesis import transfer

        t1ce, t1nce = _load_pair(self.inputs.t1ce_file, self.inputs.t1nce_file)
        image = nifti.load(self.inputs.in_file)
        change = t1ce.data - t1nce.data
        data = transfer.transfer(change, t1ce.affine, image.data, image.affine)
        out_file = _out_file(self.inputs.out_file, [image, t1ce, t1nce], runtime)
        self._results["out_file"] = str(nifti.save(out_file, data, image))
        return runtime


class _ToNativeSpaceInputSpec(_TransferInputSpec):
    raw_file = File(exists=True, mandatory=True, desc="raw image that t1-linear read")
    affine_file = File(
        exists=True,
        mandatory=True,
        desc="t1-linear's *_affine.mat (ITK, LPS): points of the crop's space to the raw image's",
    )


class ToNativeSpace(SimpleInterface):
    """Transfer what was removed from a crop of t1-linear to the raw image.

    Header and type of the raw image stay to the bit, and so do its voxels where nothing was
    removed. Refuses a crop that is not the raw image moved by the affine alone, as those are not
    that Clinica 0.12 makes with ``--use-antspy``: for them, give ``SynthesizeT1nce`` the output
    space ``native``, which lets the network see the raw image.

    Examples
    --------
    >>> sorted(ToNativeSpace().inputs.traits(mandatory=True))
    ['affine_file', 'raw_file', 't1ce_file', 't1nce_file']
    """

    input_spec = _ToNativeSpaceInputSpec
    output_spec = _TransferOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.errors import TransformError
        from clinica_t1nce.files import nifti_copy
        from clinica_t1nce.translation import spaces

        t1ce, t1nce = _load_pair(self.inputs.t1ce_file, self.inputs.t1nce_file)
        raw = spaces.read_raw(t1ce, Path(self.inputs.raw_file), Path(self.inputs.affine_file))
        if not raw.follows_affine:
            raise TransformError(
                f"{t1ce.path}: is not {raw.image.path.name} moved by the affine alone (they agree "
                f"to {raw.agreement:.2f}), as after t1-linear --use-antspy; synthesise with the "
                "output space native instead"
            )
        data = spaces.carry_to_raw(t1ce.data - t1nce.data, t1ce, raw)
        out_file = _out_file(self.inputs.out_file, [raw.image, t1ce, t1nce], runtime)
        self._results["out_file"] = str(nifti_copy.save_changed(out_file, data, raw.image))
        return runtime


def _load_pair(t1ce_file: str, t1nce_file: str) -> "tuple[Image, Image]":
    from clinica_t1nce.files import nifti

    t1ce, t1nce = nifti.load(t1ce_file), nifti.load(t1nce_file)
    check_grid(t1nce, t1ce, "give the T1ce that it was made from")
    return t1ce, t1nce


def _out_file(given: str, read: "list[Image]", runtime: Bunch) -> Path:
    """Say where the result belongs: named after the first image read, and over none of them."""
    from clinica_t1nce.caps import names
    from clinica_t1nce.translation.jobs import check_output

    if not isdefined(given):
        return Path(runtime.cwd) / names.derived_name(read[0].path.name)
    path = Path(given).absolute()
    check_output(path, [image.path for image in read])
    return path
