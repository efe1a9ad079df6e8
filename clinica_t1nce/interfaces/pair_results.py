"""Nipype interface that brings what was measured of a pair to its place."""

import os
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Bunch,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from clinica_t1nce.evaluation.structures import TIV
from clinica_t1nce.interfaces.base import given


class _SavePairInputSpec(BaseInterfaceInputSpec):
    record_path = traits.Str(mandatory=True, desc="where the record belongs, written last")
    record = traits.Dict(mandatory=True, desc="what the record begins with")
    images = traits.List(traits.Str, mandatory=True, desc="T1nce, T1ce and models, by name")
    t1ce = File(exists=True, mandatory=True, desc="the T1ce")
    synthetic = InputMultiObject(File(exists=True), mandatory=True, desc="of each model")
    align = traits.Str(mandatory=True, desc="how the T1nce was aligned")
    page_path = traits.Str(desc="where the page belongs; no page if not given")
    aligned = File(exists=True, mandatory=True, desc="the T1nce on the T1ce's grid")
    transform = File(exists=True, mandatory=True, desc="its movement")
    mask = File(exists=True, mandatory=True, desc="the brain")
    mask_unaligned = File(exists=True, desc="the brain where the T1nce lay before")
    mask_sources = traits.List(traits.Str, desc="where the masks of the two come from")
    mask_overlap = traits.Float(desc="common part over union of the masks")
    similarity = traits.List(traits.Dict, mandatory=True, desc="of the T1ce and each model")
    similarity_unaligned = traits.List(traits.Dict, desc="the same without alignment")
    segmentations = traits.List(traits.Dict, desc="what each segmentation says: of GatherVolumes")


class _SavePairOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="the record")


class SavePair(SimpleInterface):
    """Write the images, the page and the record of one pair.

    Never skipped by Nipype's cache: what it writes lies outside its sight.

    Examples
    --------
    >>> sorted(SavePair().inputs.traits(mandatory=True))[:3]
    ['align', 'aligned', 'images']
    """

    input_spec = _SavePairInputSpec
    output_spec = _SavePairOutputSpec
    _always_run = True

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.files import atomic, nifti
        from clinica_t1nce.files.text import as_json

        record_path = Path(self.inputs.record_path)
        t1ce = nifti.load(self.inputs.t1ce)
        files = {
            name: str(path.relative_to(record_path.parent))
            for name, path in self._save_images(record_path, t1ce).items()
        }
        record = {
            **self.inputs.record,
            "images": self.inputs.images[1:],
            "mask_sources": self.inputs.mask_sources,
            "mask_overlap": self.inputs.mask_overlap,
            "flags": self._flags(),
            "similarity": self._by_alignment(
                self.inputs.similarity, given(self.inputs.similarity_unaligned)
            ),
            "segmentations": {found["name"]: self._record(found) for found in self._segmented},
            "files": files,
        }
        if isdefined(self.inputs.page_path):
            self._write_page(record, t1ce)
            files["page"] = os.path.relpath(self.inputs.page_path, record_path.parent)
        with atomic.temporary(record_path) as part:
            part.write_text(as_json(_plain_json(record)), encoding="utf-8")
        self._results["out_file"] = str(record_path)
        return runtime

    def _save_images(self, record_path: Path, t1ce: Any) -> dict[str, Path]:
        import numpy as np

        from clinica_t1nce.files import nifti

        stem = record_path.name.partition("_desc-")[0]
        kind: Any
        wanted: dict[str, tuple[str, str, Any]] = {
            "T1nce": (self.inputs.aligned, "space-T1ce_desc-aligned_T1w", np.float32),
            "mask": (self.inputs.mask, "space-T1ce_desc-brain_mask", np.uint8),
        }
        if isdefined(self.inputs.mask_unaligned):
            wanted["mask unaligned"] = (
                self.inputs.mask_unaligned,
                "space-T1ce_desc-brainUnaligned_mask",
                np.uint8,
            )
        for found in self._segmented:
            for field, suffix, kind in (
                ("label_files", "dseg", None),
                ("gm_files", "label-GM_probseg", np.float32),
            ):
                for name, path in zip(self.inputs.images, found[field], strict=True):
                    method, label = ("".join(filter(str.isalnum, n)) for n in (found["name"], name))
                    wanted[f"{found['name']} {name} {suffix}"] = (
                        *(path, f"seg-{method}_desc-{label}_{suffix}", kind),
                    )
        saved = {}
        for name, (path, suffix, kind) in wanted.items():
            image = nifti.load(path, constant=True)
            kind = kind or (np.uint8 if image.data.max() < 256 else np.int32)
            saved[name] = record_path.parent / f"{stem}_{suffix}.nii.gz"
            nifti.save(saved[name], image.data, image, dtype=kind)
        return saved

    @property
    def _segmented(self) -> list[dict[str, Any]]:
        return list(given(self.inputs.segmentations) or [])

    def _record(self, found: dict[str, Any]) -> dict[str, Any]:
        """Give what the record holds of a segmentation."""
        from clinica_t1nce.evaluation.agreement import FLOOR

        record = {
            "volumes": found["volumes"],
            "tiv": found["tiv"],
            "dice": self._by_alignment(found["dice"], found.get("dice_unaligned")),
        }
        if "floor_dice" in found:
            record["noise_floor"] = {
                "images": list(FLOOR),
                "volumes": found["floor_volumes"],
                "dice": found["floor_dice"],
            }
        return record

    def _by_alignment(self, aligned: Any, unaligned: Any) -> dict[str, Any]:
        found = {self.inputs.align: aligned}
        if self.inputs.align != "none" and unaligned is not None:
            found["none"] = unaligned
        return found

    def _flags(self) -> list[str]:
        import numpy as np

        from clinica_t1nce.evaluation.measures import find_pair_flags

        return find_pair_flags(
            self.inputs.mask_overlap,
            np.loadtxt(self.inputs.transform),
            self.inputs.mask_sources,
            [row["share_smooth"] for row in self.inputs.similarity[1:]],
        )

    def _write_page(self, record: dict[str, Any], t1ce: Any) -> None:
        from clinica_t1nce.files import nifti
        from clinica_t1nce.report import write_participant_page

        paths = {
            "T1ce": self.inputs.t1ce,
            **dict(zip(self.inputs.images[2:], self.inputs.synthetic, strict=True)),
            "T1nce": self.inputs.aligned,
        }
        labels, label_names = self._shown_labels(t1ce.data.shape)
        write_participant_page(
            self.inputs.page_path,
            {name: nifti.load(path).data for name, path in paths.items()},
            t1ce.affine,
            mask=nifti.load(self.inputs.mask, constant=True).data > 0,
            labels=labels or None,
            label_names=label_names,
            measures=_pair_measures(record, self.inputs.align),
            flags=record["flags"],
            title=f"{record['participant_id']} {record['session_id_t1ce']}",
            thumbnail=True,
        )

    def _shown_labels(self, shape: tuple[int, ...]) -> tuple[dict[str, Any], dict[int, str]]:
        """Give the structures of the first segmentation, numbered in their order."""
        import numpy as np

        from clinica_t1nce.files import nifti

        labels: dict[str, Any] = {}
        for found in self._segmented[:1]:
            # A structure that is a part of another one comes later, and is seen.
            structures = {n: each for n, each in found["names"].items() if n != TIV}
            for name, path in zip(self.inputs.images, found["label_files"], strict=True):
                image = nifti.load(path, constant=True).data
                if image.shape == shape:
                    numbered = np.zeros(shape, int)
                    for number, each in enumerate(structures.values(), start=1):
                        numbered[np.isin(image, each)] = number
                    labels[name] = numbered
            return labels, dict(enumerate(structures, start=1))
        return labels, {}


_SHOWN = {
    "Share recovered": "share_smooth",
    "Error inside": "inside_smooth",
    "Error outside": "outside_smooth",
    "Bias": "bias",
    "MAE after a smooth fit, %": "mae_smooth",
    "PCC": "pcc",
    "NMI": "nmi",
    "Blur": "blur",
    "MAE, %": "mae",
    "PSNR, dB": "psnr",
    "SSIM": "ssim",
    "MAE matched, %": "mae_matched",
}
_MOST_STRUCTURES = 10


def _pair_measures(record: dict[str, Any], align: str) -> dict[str, dict[str, float]]:
    """Give what the page shows: a row a measure, for phones, with a value an image."""
    images = record["images"]

    def rows(names: dict[str, str], found: list[dict[str, float]], images: list[str]) -> Any:
        return {
            title: {image: each[name] for image, each in zip(images, found, strict=True)}
            for title, name in names.items()
        }

    shown = rows(_SHOWN, record["similarity"][align], images)
    for name, found in record["segmentations"].items():
        tissues = list(found["volumes"][0])[:_MOST_STRUCTURES]
        names = {f"{tissue}, cm3 ({name})": tissue for tissue in tissues}
        shown |= rows(names, [*found["volumes"][1:], found["volumes"][0]], [*images, "T1nce"])
        names = {f"Dice {tissue} ({name})": tissue for tissue in tissues}
        shown |= rows(names, found["dice"][align], images)
    return dict(shown)


def _plain_json(value: Any) -> Any:
    """Turn what JSON has no word for into what it has: traits' lists, infinite numbers stay."""
    if isinstance(value, dict):
        return {str(key): _plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_json(item) for item in value]
    return value if value is None or isinstance(value, str | int | bool) else float(value)
