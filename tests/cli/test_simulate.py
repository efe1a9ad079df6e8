import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from clinica_t1nce.cli.simulate import cli
from clinica_t1nce.errors import LabelMapError
from tests.data.heads import label_map


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    labels = label_map(32)
    labels[labels == 515] = 700
    nib.save(nib.Nifti1Image(labels.astype(np.int16), np.eye(4)), folder / "a_dseg.nii.gz")
    return folder


def test_every_option_reaches_the_simulator(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.tsv"
    table.write_text("label\tas\n700\tcompact_bone\n")
    out = tmp_path / "out"
    words = "--pairs 2 --seed 7 --preset low-quality --t1nce scan --head whole --in-place"
    words += f" --device cpu --threads 1 --labels {table}"
    result = CliRunner().invoke(cli, [str(folder), str(out), *words.split()])
    assert result.exit_code == 0, result.output
    assert json.loads((out / "dataset_description.json").read_text())["Simulation"] == {
        "seed": 7,
        "preset": "low-quality",
        "second_scan": True,
        "head": "whole",
        "in_place": True,
        "label_maps": ["a_dseg.nii.gz"],
    }
    assert len(list(out.glob("sub-*/ses-M000ce/anat/*_ce-gadolinium_T1w.nii.gz"))) == 2


def test_unusable_map_is_named_and_the_exit_code_tells(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, [str(folder), str(tmp_path / "out"), "--pairs", "1"])
    assert result.exit_code == 1
    assert "a_dseg.nii.gz: labels [700] have no tissue" in result.output


def test_folder_without_label_maps(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, [str(tmp_path), str(tmp_path / "out")])
    assert isinstance(result.exception, LabelMapError)
