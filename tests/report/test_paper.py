import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.report import Example, draw_examples, draw_tissue_maps
from clinica_t1nce.volumes.grids import from_ras
from tests.data import volumes


@pytest.fixture(scope="module")
def images():
    t1nce = volumes.brain()
    return {"T1ce": volumes.enhance(t1nce), "T1nce": 0.5 * t1nce, "mine": t1nce - 20 * (t1nce > 0)}


@pytest.fixture
def example(images):
    return Example("sub-01", images, np.eye(4))


def pictures(figure):
    return [ax.images[0] for ax in figure.axes if ax.images]


def words(figure):
    return [text.get_text() for text in figure.texts]


def test_examples_show_images_and_what_differs(example):
    figure = draw_examples([example, Example("sub-02", example.images, np.eye(4), index=9)])
    assert words(figure) == ["sub-01", "sub-02", "T1ce", "T1nce", "mine"]
    drawn = pictures(figure)
    # Of each participant: two differences, three images.
    assert len(drawn) == 2 * 5
    grays = [picture for picture in drawn if picture.get_clim()[0] == 0]
    changes = [picture for picture in drawn if picture.get_clim()[0] < 0]
    assert (len(grays), len(changes)) == (6, 4)
    assert len({picture.get_clim() for picture in changes}) == 1
    assert changes[0].get_clim()[0] == -changes[0].get_clim()[1]
    # T1ce, which is brighter; mine, which is darker: signed, in % of the T1nce's range.
    t1ce, mine = (np.asarray(picture.get_array()) for picture in changes[:2])
    assert t1ce.max() > 50
    assert np.median(mine[mine != 0]) == pytest.approx(-20 / 270 * 100, rel=0.25)
    # The T1nce has half the gain, and is shown on the T1ce's scale.
    t1nce = np.asarray(grays[1].get_array())
    assert t1nce.max() == pytest.approx(2 * example.images["T1nce"].max(), rel=0.1)


def test_one_slice_of_the_plane_asked_for(example):
    shapes = {
        plane: pictures(draw_examples([example], plane))[0].get_array().shape
        for plane in ("axial", "coronal", "sagittal")
    }
    assert shapes["axial"][1] == shapes["coronal"][1]
    assert shapes["coronal"][0] == shapes["sagittal"][0]
    assert shapes["axial"][0] == shapes["sagittal"][1]


def test_orientation_of_the_file_does_not_count(images):
    affine = volumes.affine("pir")
    stored = {name: from_ras(volume, affine) for name, volume in images.items()}
    straight = pictures(draw_examples([Example("a", images, np.eye(4))]))
    turned = pictures(draw_examples([Example("a", stored, affine)]))
    for one, other in zip(straight, turned, strict=True):
        np.testing.assert_allclose(one.get_array(), other.get_array(), atol=1e-9)


def test_tissue_maps_keep_their_scale(images):
    maps = {name: (volume > 200).astype(float) for name, volume in images.items()}
    maps["T1nce"][:12] *= 0.5
    brain = images["T1nce"] > 0
    figure = draw_tissue_maps([Example("sub-01", maps, np.eye(4), brain)])
    drawn = pictures(figure)
    assert {picture.get_clim() for picture in drawn} >= {(0.0, 1.0)}
    changes = [picture for picture in drawn if picture.get_clim()[0] < 0]
    assert all(picture.get_clim()[0] >= -1 for picture in changes)
    values = np.unique(np.asarray(changes[0].get_array()))
    assert set(values) <= {-1.0, -0.5, 0.0, 0.5, 1.0}
    assert any("probability" in ax.get_ylabel() for ax in figure.axes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda i: [], "no example"),
        (lambda i: [Example("x", {"T1ce": i["T1ce"]}, np.eye(4))], "x: no image named T1nce"),
        (lambda i: [Example("x", {**i, "T1ce": i["T1ce"][1:]}, np.eye(4))], "x: bring the images"),
        (lambda i: [Example("x", i, np.eye(4), 0 * i["T1ce"])], "x: the brain mask is empty"),
        (
            lambda i: [
                Example("x", i, np.eye(4)),
                Example("y", {k: i[k] for k in ("T1ce", "T1nce")}, np.eye(4)),
            ],
            "not the same images",
        ),
    ],
)
@pytest.mark.parametrize("draw", [draw_examples, draw_tissue_maps])
def test_bad_examples(images, draw, spoil, message):
    with pytest.raises(ImageError, match=message):
        draw(spoil(images))
