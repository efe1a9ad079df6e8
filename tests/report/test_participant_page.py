import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.report import participant_page as module
from clinica_t1nce.report import scales, write_participant_page
from clinica_t1nce.volumes.grids import from_ras, to_ras
from tests.data import volumes
from tests.report.pages import Page

EVIL = '</script><script>alert("x")</script><img src=x onerror=alert(1)> & \'"'


@pytest.fixture(scope="module")
def images():
    t1nce = volumes.brain((40, 48, 44))
    t1ce = volumes.enhance(t1nce)
    synthetic = np.where(t1ce > t1nce, t1nce + 40, t1nce).astype(np.float32)
    return {"T1ce": t1ce, "mine": synthetic, "T1nce": (0.5 * t1nce).astype(np.float32)}


@pytest.fixture(scope="module")
def labels(images):
    return {
        name: np.digitize(v, [1, 170 if name == "T1nce" else 340]) for name, v in images.items()
    }


def write(path, images, **arguments):
    return Page(write_participant_page(path / "p.html", images, np.eye(4), **arguments))


def percent_of(page: Page, number: int) -> np.ndarray:
    """Add up the volume of a panel as the script does, in % of the range."""
    base = page.volume(page.data["base"]["source"]) * page.data["base"]["percent"]
    if number == 0:
        return base
    other = page.data["others"][number - 1]
    return base - np.array(other["table"])[page.volume(other["source"])]


def shown(page: Page, volume: np.ndarray) -> np.ndarray:
    box = tuple(
        slice(first, first + n)
        for first, n in zip(page.data["first"], page.data["shape"], strict=True)
    )
    return volume[box]


def test_images_come_back_from_the_page(images, tmp_path):
    page = write(tmp_path, images)
    assert page.data["base"]["name"] == "T1ce"
    assert [other["name"] for other in page.data["others"]] == ["mine", "T1nce"]
    brain = images["T1nce"] > 0
    # All in the T1ce's units, % of the range of the last one, whose gain is undone.
    last = 2 * images["T1nce"][brain]
    percent = 100 / (np.percentile(last, 99.5) - last.min())
    for number, volume in enumerate((images["T1ce"], images["mine"], 2 * images["T1nce"])):
        error = percent_of(page, number) - shown(page, volume * percent)
        assert np.sqrt(np.mean(error**2)) < 3
    # The noise of the base is not in a difference of two others.
    difference = percent_of(page, 1) - percent_of(page, 2)
    truth = shown(page, (images["mine"] - 2 * images["T1nce"]) * percent)
    assert np.sqrt(np.mean((difference - truth) ** 2)) < 1.5


def test_the_difference_shown_first(images, tmp_path):
    assert write(tmp_path, images).data["difference"] == [1, 2]
    without = {name: images[name] for name in ("T1ce", "mine")}
    assert write(tmp_path, without).data["difference"] == [0, 1]
    alone = write(tmp_path, {"T1ce": images["T1ce"]})
    assert alone.data["others"] == []
    assert alone.data["base"]["name"] == "T1ce"


def test_colours_run_from_added_over_black_to_removed(images, tmp_path):
    colours = write(tmp_path, images).data["colours"]
    assert len(colours) == 256
    rgb = [tuple((colour >> shift) & 255 for shift in (0, 8, 16)) for colour in colours]
    assert all(colour >> 24 == 255 for colour in colours)
    assert rgb[0] == tuple(bytes.fromhex(scales.ADDED[-1][1:]))
    assert rgb[-1] == tuple(bytes.fromhex(scales.REMOVED[-1][1:]))
    assert max(rgb[127] + rgb[128]) < 5


def test_masks_and_labels_are_exact(images, labels, tmp_path):
    mask = images["T1nce"] > 0
    page = write(tmp_path, images, mask=mask, labels=labels, label_names={1: "Gray & co"})
    layer = page.data["masks"][""]
    assert np.array_equal(page.volume(layer["source"]) == layer["step"], shown(page, mask))
    assert set(page.data["tissues"]) == set(images)
    for name, layer in page.data["tissues"].items():
        found = np.rint(page.volume(layer["source"]) / layer["step"])
        assert np.array_equal(found, shown(page, labels[name]))
    assert [name for name, _ in page.data["legend"]] == ["Gray & co", "Label 2"]


def test_one_label_map_for_all_panels_of_any_numbers(images, tmp_path):
    labels = np.where(images["T1ce"] > 0, 1007, 0)
    labels[20:, :, :] *= 2
    page = write(tmp_path, images, labels=labels)
    layer = page.data["tissues"][""]
    found = np.rint(page.volume(layer["source"]) / layer["step"]).astype(int)
    assert np.array_equal(np.array([0, 1007, 2014])[found], shown(page, labels))
    assert page.data["masks"] == {}


@pytest.mark.parametrize("kind", ["las", "pir"])
def test_orientation_of_the_file_does_not_count(images, labels, tmp_path, kind):
    affine = volumes.affine(kind)
    stored = {name: from_ras(v, affine) for name, v in images.items()}
    assert np.array_equal(to_ras(stored["T1ce"], affine), images["T1ce"])
    arguments = {"labels": labels["T1ce"], "mask": images["T1ce"] > 0}
    straight = write_participant_page(tmp_path / "a.html", images, np.eye(4), **arguments)
    turned = write_participant_page(
        tmp_path / "b.html",
        stored,
        affine,
        **{name: from_ras(v, affine) for name, v in arguments.items()},
    )
    assert straight.read_bytes() == turned.read_bytes()


def test_voxel_sizes_and_slice_numbers(images, tmp_path):
    padded = {name: np.pad(v, ((20, 0), (0, 9), (0, 30))) for name, v in images.items()}
    affine = np.diag([-0.5, 2, 1, 1])
    data = Page(write_participant_page(tmp_path / "p.html", padded, affine)).data
    assert data["zooms"] == [0.5, 2.0, 1.0]
    assert data["full"] == [60, 57, 74]
    # The first axis runs to the left: the margin of 20 voxels is at the far end.
    ends = np.add(data["first"], data["shape"])
    assert data["first"][0] < 10
    assert ends[0] < 50
    assert ends[2] < 50


def test_fine_grids_are_shown_coarser(images, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_VOXELS", 30_000)
    page = write(tmp_path, images, mask=images["T1ce"] > 0, labels=images["T1ce"] > 300)
    assert np.prod(page.data["shape"]) <= 30_000
    assert page.data["zooms"] != [1, 1, 1]
    assert "lower resolution" in page.text
    assert page.volume(page.data["masks"][""]["source"]).any()
    fine = write(tmp_path, {"T1ce": images["T1ce"][:20, :20, :20]})
    assert "lower resolution" not in fine.text


def test_many_images_are_compressed_harder(images, tmp_path, monkeypatch):
    whole = len(write(tmp_path, images).text)
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    assert len(write(tmp_path, images).text) < 0.8 * whole


def test_everything_is_escaped(images, tmp_path):
    page = write(
        tmp_path,
        {EVIL: images["T1ce"], "T1nce": images["T1nce"]},
        labels={EVIL: np.ones(images["T1ce"].shape, int)},
        label_names={1: EVIL},
        measures={EVIL: EVIL},
        flags=[EVIL],
        title=EVIL,
    )
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in page.tags]
    assert page.data["base"]["name"] == page.data["legend"][0][0] == EVIL
    assert page.texts.count(EVIL) == 5


def test_nothing_is_loaded_from_elsewhere(images, tmp_path):
    page = write(tmp_path, images, title="sub-01")
    assert set(page.addresses()) == {"data:,"}
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "http" not in page.text.replace("http-equiv", "")


def test_words_on_the_page(images, tmp_path):
    page = write(
        tmp_path,
        images,
        measures={"T1ce": {"MAE": 3.14159, "PSNR": float("inf")}, "mine": {"MAE": None}},
        flags=["motion"],
        title="sub-01 ses-M000",
    )
    assert {"sub-01 ses-M000", "motion", scales.NOTE, "MAE", "3.142", "inf", "n/a"} <= set(
        page.texts
    )


def test_the_same_again(images, labels, tmp_path):
    arguments = {"labels": labels, "mask": images["T1ce"] > 0, "measures": {"a": 1.0}}
    one, other = (
        write_participant_page(tmp_path / name, images, np.eye(4), **arguments).read_bytes()
        for name in ("one.html", "other.html")
    )
    assert one == other


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: {**a, "volumes": {}}, "no volume"),
        (lambda a: {**a, "volumes": {**a["volumes"], "x": np.ones((2, 2, 2))}}, "x: shape"),
        (lambda a: {**a, "mask": np.zeros((40, 48, 44))}, "mask is empty"),
        (lambda a: {**a, "mask": np.ones((4, 4, 4))}, "mask: shape"),
        (lambda a: {**a, "labels": {"nobody": np.ones((40, 48, 44), int)}}, "nobody"),
        (lambda a: {**a, "labels": np.full((40, 48, 44), -1)}, "label -1"),
        (lambda a: {**a, "labels": np.arange(40 * 48 * 44).reshape(40, 48, 44)}, "labels; at most"),
        (lambda a: {**a, "volumes": {"T1ce": np.zeros((40, 48, 44))}}, "exceeds 0"),
        (lambda a: {**a, "volumes": {"T1ce": np.ones((40, 48, 44))}}, "constant"),
    ],
)
def test_bad_input(images, tmp_path, spoil, message):
    arguments = spoil({"volumes": images})
    with pytest.raises(ImageError, match=message):
        write_participant_page(tmp_path / "p.html", affine=np.eye(4), **arguments)
    assert list(tmp_path.iterdir()) == []
