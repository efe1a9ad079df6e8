from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from clinica_t1nce.errors import LabelMapError
from clinica_t1nce.files import nifti
from clinica_t1nce.simulation import label_maps
from clinica_t1nce.simulation.anatomy import find_surfaces
from clinica_t1nce.simulation.tissues import LABELS, Tissue
from tests.data.heads import label_map


def write(path: Path, labels: np.ndarray, affine: np.ndarray | None = None) -> Path:
    affine = np.eye(4) if affine is None else affine
    nib.save(nib.Nifti1Image(labels.astype(np.int16), affine), path)
    return path


def centre_of(image, label: int) -> np.ndarray:
    """Return where a label lies in mm."""
    return apply_affine(image.affine, np.argwhere(image.data == label).mean(0))


@pytest.mark.parametrize("axes", ["RAS", "LIA", "PSR"])
def test_any_orientation_becomes_ras_and_stays_where_it_was(tmp_path: Path, axes: str) -> None:
    affine = np.array([[1, 0, 0, -20], [0, 1, 0, 7], [0, 0, 1, 3], [0, 0, 0, 1.0]])
    straight = nib.Nifti1Image(label_map().astype(np.int16), affine)
    turned = straight.as_reoriented(
        ornt_transform(io_orientation(straight.affine), axcodes2ornt(axes))
    )
    nib.save(turned, tmp_path / "map.nii.gz")
    read = label_maps.read_label_map(tmp_path / "map.nii.gz")
    assert np.array_equal(read.data, label_map())
    assert np.allclose(read.affine, affine)


@pytest.mark.parametrize("zooms", [(0.5, 0.5, 0.5), (2.0, 1.0, 0.8)])
def test_other_voxel_sizes_are_resampled(tmp_path: Path, zooms: tuple[float, ...]) -> None:
    labels = label_map()
    affine = np.diag([*zooms, 1.0])
    path = write(tmp_path / "map.nii.gz", labels, affine)
    read = label_maps.read_label_map(path)
    assert read.data.shape == tuple(round(n * z) for n, z in zip(labels.shape, zooms, strict=True))
    assert np.allclose(nib.affines.voxel_sizes(read.affine), 1)
    given = nifti.load(path)
    for label in (2, 502):
        assert np.allclose(centre_of(read, label), centre_of(given, label), atol=0.6)


def test_thick_voxels_are_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "thick.nii.gz", label_map(), np.diag([1.0, 1.0, 5.0, 1.0]))
    with pytest.raises(LabelMapError, match=r"thick\.nii\.gz: voxels of 1 x 1 x 5 mm"):
        label_maps.read_label_map(path)


def test_an_image_is_no_label_map(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "image.nii.gz")
    with pytest.raises(LabelMapError, match=r"image\.nii\.gz: values between whole numbers"):
        label_maps.read_label_map(tmp_path / "image.nii.gz")


def test_parcels_of_freesurfer_and_samseg_are_known(tmp_path: Path) -> None:
    labels = label_map()
    left, right = labels == 3, labels == 42
    labels[left], labels[right] = 1022, 12130
    labels[labels == 136] = 31
    labels[labels == 515] = 165
    read = label_maps.read_label_map(write(tmp_path / "map.nii.gz", labels))
    assert (read.data[left] == 3).all()
    assert (read.data[right] == 42).all()
    assert np.isin(515, read.data)
    assert np.isin(Tissue.CHOROID_PLEXUS, find_surfaces(read.data.astype(int)).tissue)


def test_unknown_labels_need_a_table(tmp_path: Path) -> None:
    labels = label_map()
    labels[labels == 515] = 700
    labels[labels == 511] = 701
    path = write(tmp_path / "map.nii.gz", labels)
    with pytest.raises(LabelMapError, match=r"map\.nii\.gz: labels \[700, 701\].*--labels"):
        label_maps.read_label_map(path)
    table = tmp_path / "table.tsv"
    table.write_text("label\tas\n700\tCompact bone\n701\t511\n")
    read = label_maps.read_label_map(path, label_maps.read_label_table(table))
    assert np.array_equal(read.data, label_map())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column label"),
        ("label,as\n1,2\n", "no column label"),
        ("label\tas\n1\tcortex\nx\t3\n", "line 3.*'x'"),
        ("label\tas\n1\tbrian\n", "line 2.*'brian'"),
        ("label\tas\n1\t4711\n", "line 2: 4711"),
    ],
)
def test_bad_tables_are_refused_by_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(content)
    with pytest.raises(LabelMapError, match=rf"table\.tsv: {message}"):
        label_maps.read_label_table(path)


def test_a_map_of_the_brain_alone_gets_fluid_around_it(tmp_path: Path) -> None:
    labels = label_map()
    labels[(labels >= 500) | (labels == 24)] = 0
    read = label_maps.read_label_map(write(tmp_path / "aseg.nii.gz", labels))
    (csf,) = LABELS[Tissue.CSF]
    added = read.data == csf
    assert not added[labels > 0].any()
    # Half way between the hemispheres, and just outside, but not far out.
    assert added[24, 24, 36]
    assert added[24, 24 + 16, 24]
    assert not added[24, 24 + 21, 24]


def test_a_map_of_one_hemisphere_has_no_falx() -> None:
    labels = label_map()
    labels[np.isin(labels, (41, 42, 43, 163))] = 24
    anatomy = find_surfaces(labels)
    assert (anatomy.distances[2] == anatomy.distances[2].max()).all()
