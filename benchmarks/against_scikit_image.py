"""Do the similarity figures of an evaluation agree with scikit-image? See docs/evaluation.md.

    python benchmarks/against_scikit_image.py OUTPUT_DIR

Computes every row of OUTPUT_DIR/similarity.tsv anew, from the images and the masks of the pairs
(the CAPS must still be there) and without a line of this package: PSNR and SSIM's map by
scikit-image, MAE, the linear fit of the matched figures and the one SSIM of the authors' code
(which scikit-image does not have) by NumPy, their resampling by PyTorch. Prints the largest
difference of each column; exit code 1 if one exceeds 1e-6.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

TOLERANCE = 1e-6

MARGIN = 8
"""Voxels around the mask that SSIM is given; its window reaches 5."""

AUTHORS_GRID = (128, 128, 128)


def load(path: Path) -> np.ndarray:
    volume = np.asarray(nib.load(path).dataobj).astype(np.float32)
    return np.nan_to_num(volume, nan=0, posinf=0, neginf=0)


def unit(volume: np.ndarray, like: np.ndarray) -> np.ndarray:
    low, high = float(like.min()), float(like.max())
    return (volume.astype(np.float64) - low) / (high - low)


def resized(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    found = torch.nn.functional.interpolate(
        torch.from_numpy(volume.astype(np.float32))[None, None], shape, mode="trilinear"
    )
    return found[0, 0].numpy()


def in_mask(y: np.ndarray, x: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    box = tuple(slice(max(i.min() - MARGIN, 0), i.max() + MARGIN + 1) for i in np.nonzero(mask))
    y, x, mask = y[box], x[box], mask[box]
    _, ssim = structural_similarity(
        *(y, x), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
        data_range=1,
    )  # fmt: skip
    with np.errstate(divide="ignore"):
        psnr = peak_signal_noise_ratio(y[mask], x[mask], data_range=1)
    return {"mae": 100 * np.abs(y - x)[mask].mean(), "psnr": psnr, "ssim": ssim[mask].mean()}


def as_authors(
    t1nce: np.ndarray, t1ce: np.ndarray, image: np.ndarray, mask: np.ndarray
) -> dict[str, float]:
    nce, ce, small = (resized(volume, AUTHORS_GRID) for volume in (t1nce, t1ce, image))
    y, x = (
        np.where(mask, resized(volume, mask.shape), 0).astype(np.float64)
        for volume in (unit(nce, nce), unit(small, ce))
    )
    covariance = np.cov(y.ravel(), x.ravel(), bias=True)[0, 1]
    ssim = (2 * y.mean() * x.mean() + 0.01) * (2 * covariance + 0.03)
    ssim /= (y.mean() ** 2 + x.mean() ** 2 + 0.01) * (y.var(ddof=1) + x.var(ddof=1) + 0.03)
    with np.errstate(divide="ignore"):
        psnr = peak_signal_noise_ratio(y, x, data_range=1)
    return {"mae": 100 * np.abs(y - x).mean(), "psnr": psnr, "ssim": ssim}


def anew(
    t1nce: np.ndarray, t1ce: np.ndarray, image: np.ndarray, mask: np.ndarray, *, authors: bool
) -> dict[str, float]:
    """Compute the columns of one row."""
    y, x = unit(t1nce, t1nce), unit(image, t1ce)
    found = in_mask(y, x, mask)
    slope, shift = np.linalg.lstsq(np.stack([x[mask], np.ones(mask.sum())], 1), y[mask])[0]
    matched = in_mask(y, slope * x + shift, mask)
    found |= {f"{name}_matched": value for name, value in matched.items()}
    if authors:
        theirs = as_authors(t1nce, t1ce, image, mask)
        found |= {f"{name}_authors": value for name, value in theirs.items()}
    return found


def differences(out: Path) -> Iterator[tuple[Mapping[str, str], dict[str, float]]]:
    """Give each row of the table, and how far its figures are from those computed anew."""
    with (out / "similarity.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    pairs: dict[Path, dict[str, np.ndarray]] = {}
    for row in rows:
        folder = out / row["participant_id"] / row["session_id_t1ce"]
        if folder not in pairs:
            pairs = {folder: {}}  # one pair in memory
        loaded = pairs[folder]
        (path,) = folder.glob("*_desc-evaluation_measures.json")
        record = json.loads(path.read_text(encoding="utf-8"))
        files = {name: folder / path for name, path in record["files"].items()}
        sources = {name: Path(path) for name, path in record["sources"].items()}
        t1nce, mask = files["T1nce"], files["mask"]
        if row["alignment"] == "none" and "mask unaligned" in files:
            t1nce, mask = sources["T1nce"], files["mask unaligned"]
        t1ce, image = sources["T1ce"], sources[row["image"]]
        for each in (t1nce, mask, t1ce, image):
            loaded.setdefault(str(each), load(each))
        found = anew(
            *(loaded[str(each)] for each in (t1nce, t1ce, image)),
            loaded[str(mask)] > 0,
            authors="mae_authors" in row,
        )
        yield (
            row,
            {
                name: 0.0 if float(row[name]) == value else abs(float(row[name]) - value)
                for name, value in found.items()
            },
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output_dir", type=Path)
    largest: dict[str, float] = {}
    n_rows = n_wrong = 0
    for row, found in differences(parser.parse_args(arguments).output_dir):
        n_rows += 1
        which = " ".join([row["participant_id"], row["alignment"], row["image"]])
        print(f"{which}: {len(found)} figures, at most {max(found.values()):.1e} off", flush=True)
        for name, value in found.items():
            largest[name] = max(largest.get(name, 0.0), value)
            if not value <= TOLERANCE:
                n_wrong += 1
                print(f"{which} {name}: {row[name]} is off by {value:.3g}")
    print(f"{n_rows} rows; largest difference to what scikit-image and NumPy find:")
    print("\n".join(f"  {name:14} {value:.1e}" for name, value in largest.items()))
    return int(n_wrong > 0 or n_rows == 0)


if __name__ == "__main__":
    sys.exit(main())
