"""Weights as a MONAI bundle, which is a Hugging Face repository as well."""

from pathlib import Path
from typing import Any

import clinica_t1nce
from clinica_t1nce.errors import OutputError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.text import as_json, write_text
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_generator

MODEL = "models/model.ts"

INFERENCE: dict[str, Any] = {
    "imports": ["$import glob", "$import torch"],
    "bundle_root": ".",
    "dataset_dir": "images",
    "output_dir": "t1nce",
    "files": "$sorted(glob.glob(@dataset_dir + '/*.nii*'))",
    "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "network_def": f"$torch.jit.load(@bundle_root + '/{MODEL}', map_location=@device)",
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {
                "_target_": "LoadImage",
                "reader": "NibabelReader",
                "image_only": True,
                "ensure_channel_first": True,
            },
            {"_target_": "Orientation", "axcodes": "RAS", "labels": None},
            {"_target_": "Spacing", "pixdim": [1.0, 1.0, 1.0], "mode": "bilinear"},
        ],
    },
    "save": {
        "_target_": "SaveImage",
        "output_dir": "@output_dir",
        "output_postfix": "desc-synthnce",
        "separate_folder": False,
        "resample": False,
    },
    "translate": "$lambda x: type(x)(@network_def(x[None].as_tensor().to(@device))[0].cpu(), "
    "meta=x.meta)",
    "evaluate": "$[@save(@translate(@preprocessing(file))) for file in @files]",
    "run": ["$@evaluate"],
}


def export(model: str, out: Path) -> list[Path]:
    """Write weights as a bundle.

    Parameters
    ----------
    model
        Name or file of weights.
    out
        Folder to make.

    Returns
    -------
    list of pathlib.Path
        Files that were written.

    Raises
    ------
    WeightsError
        If the weights cannot be exported.
    OutputError
        If the folder holds files already, or cannot be written.
    """
    from clinica_t1nce.synthesis.scripted import script

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is there already; give a new folder")
    module, card = load_generator(model)
    scripted = script(module, card)
    with atomic.temporary(out / MODEL) as part:
        scripted.save(str(part))
    texts = {
        "configs/metadata.json": as_json(_metadata(card)),
        "configs/inference.json": as_json(INFERENCE),
        "docs/README.md": _readme(card),
        "README.md": _front_matter(card) + _readme(card),
        "LICENSE": f"{card.licence or 'not stated'}\n",
    }
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / MODEL, *(out / name for name in texts)]


def _metadata(card: Card) -> dict[str, Any]:
    import torch

    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": 1,
        "spatial_shape": ["*", "*", "*"],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
    }
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_20240725.json",
        "version": clinica_t1nce.__version__,
        "changelog": {clinica_t1nce.__version__: f"exported from {card.name}"},
        "monai_version": "1.4.0",
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": "2.0.0",
        "required_packages_version": {"nibabel": "5.0.0"},
        "name": card.name,
        "task": "Contrast-enhanced to non-contrast T1w brain MRI",
        "description": "Removes the enhancement of gadolinium from T1w brain MRI.",
        "authors": "clinica-t1nce contributors",
        "copyright": card.licence,
        "intended_use": "Research on groups; not for diagnosis.",
        "references": ["doi:10.1186/s12880-024-01242-3"],
        "weights_sha256": card.sha256,
        "network_data_format": {
            "inputs": {"image": {**image, "channel_def": {"0": "T1ce"}}},
            "outputs": {"pred": {**image, "channel_def": {"0": "T1nce"}}},
        },
    }


def _front_matter(card: Card) -> str:
    licence = card.licence.lower() or "other"
    return (
        f"---\nlicense: {licence}\nlibrary_name: monai\npipeline_tag: image-to-image\n"
        "tags:\n- medical\n- mri\n- brain\n- gadolinium\n---\n\n"
    )


def _readme(card: Card) -> str:
    return f"""# {card.name}

Contrast-enhanced T1-weighted brain MRI (T1ce) in, synthetic image without contrast (T1nce) out.
Exported by clinica-t1nce {clinica_t1nce.__version__}; SHA-256 of the weights {card.sha256}.

**For research on groups, not for diagnosis**: the enhancement that it removes is what radiologists
look for.

## Use

Put images into the folder `images`, best the crops of Clinica's `t1-linear` (bias-corrected, in MNI
space, 1 mm), background 0, then

    pip install "monai[fire,nibabel]" torch
    python -m monai.bundle run --config_file configs/inference.json --bundle_root .

or, in Python, on a tensor 1 x 1 x D x H x W of voxels of 1 mm whose axes run right, anterior,
superior:

    t1nce = torch.jit.load("{MODEL}")(t1ce)

The package itself (`clinica-t1nce translate`) also corrects the bias field, registers, takes any
voxel size, and says whether gadolinium was given and how sure it is. Its documentation has the
figures on real pairs, and where the weights fail.

## Training data

{card.training.get("data", "not stated")}.
"""
