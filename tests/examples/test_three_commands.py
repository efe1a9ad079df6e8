"""The script, with the real commands but for t1-linear and SPM, which take long or are not here."""

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import pytest

from tests.data.bids import make_bids, make_caps_of, tree
from tests.data.caps import head, write_crop
from tests.data.spm import make_spm

BIN = Path(sys.executable).parent

CLINICA = f"""#!{sys.executable}
import os, sys
from pathlib import Path
sys.path.insert(0, os.environ["REPOSITORY"])
if sys.argv[1:3] == ["run", "t1-linear"]:
    from tests.examples.test_three_commands import stand_in_for_t1_linear
    stand_in_for_t1_linear(*map(Path, sys.argv[3:5]))
else:
    os.execv("{BIN / "clinica"}", ["clinica", *sys.argv[1:]])
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BIN / "clinica").exists(), reason="no clinica beside this Python"),
]


def stand_in_for_t1_linear(bids: Path, caps: Path) -> None:
    """Make crops of real size; like t1-linear, not twice."""
    if caps.exists():
        return
    make_caps_of(bids, caps, model=None)
    for number, crop in enumerate(sorted(caps.rglob("*desc-Crop*.nii.gz"))):
        write_crop(crop, head(number))


def test_from_a_mixed_bids_to_volumes(repository, tmp_path):
    bids = make_bids(
        tmp_path / "bids",
        {
            "sub-01_ses-M000_T1w": {},
            "sub-01_ses-M000_ce-gd_T1w": {},
            "sub-02_ses-M000_ce-gd_T1w": {},
            "sub-02_ses-M006_T2w": {},
        },
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "clinica").write_text(CLINICA)
    (tmp_path / "bin" / "clinica").chmod(0o755)
    environment = make_spm(tmp_path) | {
        "PATH": os.pathsep.join([str(tmp_path / "bin"), str(BIN), os.environ["PATH"]]),
        "REPOSITORY": str(repository),
    }
    out = tmp_path / "out"

    def run():
        return subprocess.run(
            [repository / "examples" / "three_commands.sh", bids, out, "--save-enhancement"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    images = sorted((out / "homogenised").rglob("*_T1w.nii.gz"))
    assert [image.name for image in images] == [
        "sub-01_ses-M000_T1w.nii.gz",
        "sub-02_ses-M000_T1w.nii.gz",
    ]
    assert nib.load(images[1]).shape == (169, 208, 179)
    assert "2 sessions with one T1nce" in done.stdout
    assert "1 acquired, 1 synthetic; 2 new" in done.stdout
    assert len(list((out / "caps").rglob("*_desc-Vessels_*_mask.json"))) == 2
    maps = list((out / "volumes").glob("subjects/*/*/t1/spm/segmentation/native_space/*gray*"))
    assert len(maps) == 2

    made = [out / name for name in ("separated", "homogenised", "volumes/subjects")]
    before = [tree(folder) for folder in made]
    again = run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert [tree(folder) for folder in made] == before
