import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from clinica_t1nce.errors import OutputError
from clinica_t1nce.simulation.dataset import SimulatedFiles, SimulationSettings, write_dataset
from tests.data.heads import label_map

AFFINE = np.array([[-1, 0, 0, 20], [0, 1, 0, 7], [0, 0, 1, 3], [0, 0, 0, 1.0]])


@pytest.fixture
def label_maps(tmp_path: Path) -> list[Path]:
    found = []
    for name in ("a_dseg.nii.gz", "b_dseg.nii.gz"):
        image = nib.Nifti1Image(label_map(32).astype(np.int16), AFFINE)
        image.set_sform(AFFINE, 2)
        nib.save(image, tmp_path / name)
        found.append(tmp_path / name)
    return found


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_pairs_lie_on_the_map_in_both_forms(label_maps: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = SimulationSettings(head="whole", in_place=True)
    assert write_dataset(label_maps, out, 3, settings) == []
    labels = np.asarray(nib.load(label_maps[0]).dataobj)
    for number in range(3):
        files = SimulatedFiles.of(out, number)
        for path in (files.t1nce, files.t1ce):
            image = nib.load(path)
            assert image.get_data_dtype() == np.int16
            assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
            assert np.allclose(image.get_qform(), image.get_sform())
            assert int(image.header["sform_code"]) == 2
            # The same corner of the head is at the same place.
            brain = np.argwhere(image.get_fdata() > 500).mean(0)
            head = np.argwhere((labels > 0) & (labels < 500)).mean(0)
            assert np.allclose(
                apply_affine(image.affine, brain), apply_affine(AFFINE, head), atol=3
            )
    with_gadolinium, without = (nib.load(path).get_fdata() for path in (files.t1ce, files.t1nce))
    assert (with_gadolinium >= without - 1).all()
    assert (with_gadolinium - without).max() > 50
    sidecar = json.loads(files.t1ce.with_name(files.t1ce.name[:-7] + ".json").read_text())
    assert sidecar["ContrastBolusIngredient"] == "GADOLINIUM"
    placement = sidecar["Simulation"]["Recipe"]["placement"]
    assert (placement["bend"], placement["narrowing"]) == (0, [0, 0])
    rows = (out / "participants.tsv").read_text().splitlines()
    assert rows[1:] == [
        "sub-sim0001\ta_dseg.nii.gz",
        "sub-sim0002\tb_dseg.nii.gz",
        "sub-sim0003\ta_dseg.nii.gz",
    ]


def test_what_is_missing_is_made_and_the_same(label_maps: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_dataset(label_maps, out, 2, SimulationSettings())
    first = content(out)
    SimulatedFiles.of(out, 1).t1ce.unlink()
    kept = SimulatedFiles.of(out, 0).t1ce
    before = kept.stat().st_mtime_ns
    write_dataset(label_maps, out, 2, SimulationSettings())
    assert content(out) == first
    assert kept.stat().st_mtime_ns == before
    write_dataset(label_maps, out, 2, SimulationSettings(), overwrite=True)
    assert content(out) == first
    assert kept.stat().st_mtime_ns > before


@pytest.mark.parametrize("head", ["whole", "stripped"])
def test_head_is_as_asked_for(head: str, label_maps: list[Path], tmp_path: Path) -> None:
    settings = SimulationSettings(head=head, second_scan=True, preset="low-quality")
    write_dataset(label_maps[:1], tmp_path / "out", 3, settings)
    for number in range(3):
        for path in vars(SimulatedFiles.of(tmp_path / "out", number)).values():
            empty = float((nib.load(path).get_fdata() == 0).mean())
            assert (empty > 0.5) == (head == "stripped")


def test_a_bad_map_does_not_stop_the_others(label_maps: list[Path], tmp_path: Path) -> None:
    labels = np.full((8, 8, 8), 511, np.int16)
    labels[0] = 0
    nib.save(nib.Nifti1Image(labels, np.eye(4)), label_maps[0])
    (line,) = write_dataset(label_maps, tmp_path / "out", 2, SimulationSettings())
    assert line.startswith(f"{label_maps[0]}: no brain label")
    assert not SimulatedFiles.of(tmp_path / "out", 0).complete
    assert SimulatedFiles.of(tmp_path / "out", 1).complete


def test_other_settings_and_other_folders_are_refused(
    label_maps: list[Path], tmp_path: Path
) -> None:
    write_dataset(label_maps, tmp_path / "out", 1, SimulationSettings())
    with pytest.raises(OutputError, match="other settings"):
        write_dataset(label_maps, tmp_path / "out", 1, SimulationSettings(seed=1))
    with pytest.raises(OutputError, match="not empty"):
        write_dataset(label_maps, tmp_path, 1, SimulationSettings())
