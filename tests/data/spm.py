"""A stand-in for SPM standalone: it keeps the scripts that it is given, and writes what SPM would.

Clinica's and Nipype's own code around SPM runs for real: finding it, its version, job scripts,
names of outputs. The tissue maps are not those of SPM.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

VERSION = "25.01.02"


def make_spm(folder: Path) -> dict[str, str]:
    """Make the stand-in; give the environment in which Clinica finds it."""
    home, runtime = folder / "spm", folder / "mcr"
    (home / "tpm").mkdir(parents=True)
    (home / "jobs").mkdir()
    runtime.mkdir()
    tissues = np.full((4, 4, 4, 6), 1 / 6, np.float32)
    nib.save(nib.Nifti1Image(tissues, np.eye(4)), home / "tpm" / "TPM.nii")
    script = home / "run_spm25.sh"
    script.write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        # Asked many times: too often for a Python each.
        f'if grep -q "NIPYPE path" "$last"; then\n'
        f'  echo "NIPYPE path:{home}|name:SPM25|release:{VERSION}"\n'
        f'else exec "{sys.executable}" "{__file__}" "{home}" "$last"\nfi\n'
    )
    script.chmod(0o755)
    return {**os.environ, "SPMSTANDALONE_HOME": str(home), "MCR_HOME": str(runtime)}


def jobs(folder: Path) -> list[str]:
    """Give the job scripts that the stand-in was given."""
    return [path.read_text() for path in (folder / "spm" / "jobs").iterdir()]


def main(home: Path, script: Path) -> None:
    text = script.read_text()
    shutil.copyfile(script, home / "jobs" / f"{os.getpid()}.m")
    if re.search(r"\.preproc8?\.channel", text):
        _segment(*_strings(text, r"channel\S*\.vols"))
    elif "defs" in text:
        for path in map(Path, _strings(text, r"pull\.fnames")):
            shutil.copyfile(path, Path(script).parent / f"w{path.name}")
    else:
        raise SystemExit(f"no such job:\n{text}")


def _strings(text: str, field: str) -> list[str]:
    found = re.search(field + r"\s*=\s*\{(.*?)\};", text, re.DOTALL)
    assert found, text
    return [quoted.split(",")[0] for quoted in re.findall(r"'(.*?)'", found[1])]


def _segment(path: str) -> None:
    image = Path(path)
    nifti = nib.load(image)
    data = nifti.get_fdata()
    steps = np.quantile(data[data > 0], [0, 0.2, 0.6, 1])
    for number, low, high in ((3, *steps[:2]), (1, *steps[1:3]), (2, *steps[2:])):
        tissue = ((data > low) & (data <= high)).astype(np.float32)
        for prefix in ("c", "rc", "wc"):
            target = image.with_name(f"{prefix}{number}{image.name}")
            nib.save(nib.Nifti1Image(tissue, nifti.affine), target)
    field = nib.Nifti1Image(np.zeros((2, 2, 2, 1, 3), np.float32), nifti.affine)
    for prefix in ("y_", "iy_"):
        nib.save(field, image.with_name(f"{prefix}{image.name}"))
    image.with_name(f"{image.stem}_seg8.mat").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
