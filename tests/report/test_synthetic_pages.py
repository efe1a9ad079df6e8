import os
import shutil

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.caps import names, sidecar, table
from clinica_t1nce.errors import ImageError
from clinica_t1nce.files import nifti
from clinica_t1nce.models.cards import Card
from clinica_t1nce.report import synthetic_pages as module
from clinica_t1nce.report.synthetic_pages import (
    FOLDER,
    Shown,
    complete,
    has_current_page,
    page_path,
    writing_pages,
)
from clinica_t1nce.report.thumbnails import path_of
from clinica_t1nce.synthesis import Flag
from tests.data.caps import MIXED, crop_path, make_caps
from tests.report.pages import Page

CARD = Card(
    name="tiny",
    architecture="change-unet",
    hyperparameters={},
    input={"grid": None, "scaling": {"method": "percentile", "percentile": 99.0}},
    output="change",
)


def synthesise(caps, crop, confidence=0.5, *, gadolinium=None, n_nonfinite=0, flags=()):
    """Make a T1nce as the pipeline does, without a network."""
    output = names.output_path(crop, "tiny")
    image = nib.load(crop)
    data = np.asarray(image.dataobj, np.float32)
    content = sidecar.describe_image(
        output,
        sidecar.SourceImage(crop, caps, n_nonfinite=n_nonfinite),
        sidecar.Prediction(CARD, confidence, gadolinium),
        change={"MeanRelativeToSource": 0.0123},
        flags=flags,
        seconds=1.0,
    )
    sidecar.write(output, content)
    nib.save(nib.Nifti1Image(0.8 * data, image.affine), output)
    return Shown(output, output)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    caps = make_caps(tmp_path_factory.mktemp("made") / "caps")
    crops = [crop_path(caps, *visit, entities) for visit, entities in MIXED.items() if entities]
    shown = [
        synthesise(
            caps,
            crop,
            confidence,
            n_nonfinite=n,
            gadolinium=0.875,
            flags=[Flag("odd", "odd (7)")] * (n > 0),
        )
        for crop, confidence, n in zip(crops, (0.75, 0.25), (0, 7), strict=True)
    ]
    table.rewrite(caps)
    return caps, shown


@pytest.fixture
def caps(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "caps")
    return tmp_path / "caps"


@pytest.fixture
def shown(made, caps):
    return [Shown(*(caps / path.relative_to(made[0]) for path in item)) for item in made[1]]


def pages(caps):
    return sorted((caps / FOLDER / "pages").glob("*.html"))


def test_a_page_each_and_an_index_least_confident_first(caps, shown):
    index, failures = complete(caps / FOLDER, caps, shown)
    assert failures == []
    assert pages(caps) == sorted(page_path(caps / FOLDER, item.output) for item in shown)
    data = Page(index).data
    assert data["names"] == ["Confidence", "Gadolinium", "Change, % of T1ce", "Model"]
    assert [row[0] for row in data["rows"]] == [
        "sub-02 ses-M000ce acq-mprage run-02",
        "sub-01 ses-M000ce",
    ]
    assert [row[3:] for row in data["rows"]] == [
        [0.25, 0.875, 1.23, "tiny"],
        [0.75, 0.875, 1.23, "tiny"],
    ]
    assert data["flags"] == ["non finite", "odd"]
    assert [row[2] for row in data["rows"]] == [[1, 0], []]
    assert all((index.parent / row[1]).is_file() for row in data["rows"])
    assert data["visits"] == [["sub-02", "ses-M000ce"], ["sub-01", "ses-M000ce"]]
    assert data["thumbnails"] == [1, 1]
    assert all(path_of(index.parent / row[1]).is_file() for row in data["rows"])

    page = Page(page_path(index.parent, shown[1].output))
    assert "sub-02 ses-M000ce acq-mprage run-02" in page.texts
    assert {"0.25", "0.875", "1.23", "odd (7)", "7 NaN or infinite voxels were set to 0"} <= set(
        page.texts
    )
    assert page.data["base"]["name"] == "T1ce"
    assert [other["name"] for other in page.data["others"]] == ["Synthetic T1nce (tiny)"]
    outline = page.volume(page.data["masks"][""]["source"]) > 0
    assert 1.2e6 < outline.sum() < 2.2e6, "a brain of the template, in mm3"


def test_a_second_run_makes_only_what_is_missing_or_old(caps, shown):
    complete(caps / FOLDER, caps, shown)
    first = {path: (path.stat().st_ino, path.read_bytes()) for path in pages(caps)}
    complete(caps / FOLDER, caps, shown, n_threads=2)
    assert all(path.stat().st_ino == inode for path, (inode, _) in first.items())

    path_of(pages(caps)[0]).unlink()
    assert sorted(has_current_page(caps / FOLDER, item) for item in shown) == [False, True]
    missing, old = pages(caps)
    missing.unlink()
    os.utime(old, ns=(0, 0))
    assert not any(has_current_page(caps / FOLDER, item) for item in shown)
    complete(caps / FOLDER, caps, shown, n_threads=2)
    assert all(has_current_page(caps / FOLDER, item) for item in shown)
    second = {path: (path.stat().st_ino, path.read_bytes()) for path in pages(caps)}
    assert {path: content for path, (_, content) in second.items()} == {
        path: content for path, (_, content) in first.items()
    }
    complete(caps / FOLDER, caps, shown, again=True)
    assert all(path.stat().st_ino != inode for path, (inode, _) in second.items())


def test_what_fails_costs_one_page(caps, shown):
    shown[0].image.write_bytes(b"")
    names.sidecar_path(shown[1].image).write_text("{}")
    index, failures = complete(caps / FOLDER, caps, shown)
    assert [image for image, _ in failures] == [item.image for item in shown]
    assert "an empty file" in failures[0][1]
    assert "no sidecar that names its T1ce" in failures[1][1]
    assert pages(caps) == []
    assert [row[1] for row in Page(index).data["rows"]] == [None, None]


def test_failed_images_come_before_all_others(caps, shown):
    row = table.failed_row("sub-03", "ses-1", "bids::subjects/x/sub-03.nii.gz", "tiny", "tsv", "so")
    table.rewrite(caps, [row])
    index, _ = complete(caps / FOLDER, caps, shown)
    data = Page(index).data
    assert data["rows"][0][0].startswith("sub-03")
    assert data["rows"][0][1] is None
    assert dict(zip(data["names"], data["rows"][0][3:], strict=True)) == {
        "Confidence": None,
        "Gadolinium": None,
        "Change, % of T1ce": None,
        "Model": "tiny",
        "Failure": "so",
    }
    # Columns come as the first row names them, with a value or without.
    assert data["names"] == ["Confidence", "Gadolinium", "Change, % of T1ce", "Model", "Failure"]
    assert data["rows"][0][2] == [data["flags"].index("failed")]


def test_other_grids_are_named_and_share_the_page(caps, shown):
    item = shown[0]
    native = names.in_space(item.output, names.NATIVE)
    shutil.copy(item.image, native)
    sidecar.write(native, {**sidecar.read(item.image), "Space": names.NATIVE})
    table.rewrite(caps)
    index, _ = complete(caps / FOLDER, caps, [Shown(native, item.output), shown[1]])
    assert len(pages(caps)) == 2
    data = Page(index).data
    assert data["names"][-1] == "Grids"
    assert [row[-1] for row in data["rows"]] == [None, "mni-crop,native"]
    assert all(row[1] for row in data["rows"])


def test_an_image_on_another_grid_than_its_t1ce(caps, shown):
    content = sidecar.read(shown[0].image)
    full = next((shown[0].image.parents[2] / "t1_linear").glob("*M000ce*gadolinium*res-1x1x1_T1w*"))
    nib.save(nib.Nifti1Image(np.arange(8.0).reshape(2, 2, 2), np.eye(4)), full)
    sidecar.write(shown[0].image, {**content, "SpatialReference": names.uri(full, caps, caps)})
    with pytest.raises(ImageError, match="shape"):
        module.write_page(caps / FOLDER, shown[0], caps)


def test_images_in_native_space_have_no_template_outline(caps, shown):
    content = sidecar.read(shown[0].image)
    sidecar.write(shown[0].image, {**content, "Space": "native"})
    page = Page(module.write_page(caps / FOLDER, shown[0], caps))
    assert page.data["masks"] == {}


def test_pages_in_the_background(caps, shown):
    broken = Shown(caps / "gone.nii.gz", caps / "gone.nii.gz")
    with writing_pages(caps / FOLDER, caps) as add:
        for item in (broken, *shown):
            add(item)
    from_files = [path.read_bytes() for path in pages(caps)]
    assert len(from_files) == 2
    for item in shown:
        source = names.resolve(sidecar.read(item.image)["SpatialReference"], caps, caps)
        volumes = nifti.load(source), nifti.load(item.image).data
        source.unlink()
        with writing_pages(caps / FOLDER, caps) as add:
            add(item, volumes)
    assert [path.read_bytes() for path in pages(caps)] == from_files
    assert sorted(path.name for path in caps.iterdir() if path.is_dir()) == ["subjects", FOLDER]


def test_no_table_no_rows(tmp_path):
    index, failures = complete(tmp_path / "report", tmp_path, [])
    assert (failures, Page(index).data["rows"]) == ([], [])
