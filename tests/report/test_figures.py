import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.report import figures, scales
from clinica_t1nce.volumes.grids import from_ras
from tests.data import volumes


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t1nce = volumes.brain()
    return volumes.enhance(t1nce), t1nce, (0.5 * t1nce).astype(np.float32)


def shown(figure) -> list[np.ndarray]:
    """Give the pixels of every section: three planes of each column in turn."""
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def words(figure) -> list[str]:
    texts = [*figure.texts, *(text for ax in figure.axes for text in ax.texts)]
    return [text.get_text() for text in texts]


@pytest.mark.parametrize(("with_t1nce", "columns"), [(True, 4), (False, 3)])
def test_columns_and_words(images, with_t1nce, columns):
    figure = figures.draw_figure(*images[: 3 if with_t1nce else 2], title="sub-01 ses-M000")
    assert len(shown(figure)) == 3 * columns
    assert ("acquired" in words(figure)) is with_t1nce
    assert {"sub-01 ses-M000", "T1ce", "synthetic", figures.NOTE, "R", "L", "A", "P"} <= set(
        words(figure)
    )


def test_png_is_written_and_the_same_again(images, tmp_path):
    paths = [tmp_path / "new" / name for name in ("one.png", "other.png")]
    for path in paths:
        assert figures.draw_participant(path, *images) == path
    one, other = (path.read_bytes() for path in paths)
    assert one.startswith(b"\x89PNG")
    assert one == other
    assert b"matplotlib" not in one.lower()
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)


def test_radiological_convention():
    """A bright spot on the right, in front, on top is seen on the left, above."""
    volume = np.random.default_rng(0).uniform(90, 110, (20, 24, 22)).astype(np.float32)
    volume[17:, 21:, 19:] = 900
    point = (18, 22, 20)
    axial, coronal, sagittal = shown(figures.draw_figure(volume, volume, point=point))[:3]
    for section in (axial, coronal, sagittal):
        row, column = np.argwhere(section == 900).mean(axis=0)
        assert row < section.shape[0] / 4
        assert column < section.shape[1] / 4


@pytest.mark.parametrize("kind", ["las", "pir"])
def test_orientation_of_the_file_does_not_count(images, kind):
    affine = volumes.affine(kind)
    stored = [from_ras(volume, affine) for volume in images]
    point = (12, 10, 9)
    marker = np.zeros(images[0].shape, bool)
    marker[point] = True
    stored_point = tuple(int(i) for i in np.argwhere(from_ras(marker, affine))[0])
    straight = shown(figures.draw_figure(*images, point=point))
    turned = shown(figures.draw_figure(*stored, affine=affine, point=stored_point))
    for a, b in zip(straight, turned, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_one_gray_scale_for_all_images(images):
    figure = figures.draw_figure(*images)
    limits = [ax.images[0].get_clim() for ax in figure.axes if ax.images]
    assert len(set(limits[:9])) == 1
    # The acquired T1nce has half the gain of the others, and is shown on theirs.
    synthetic, acquired = shown(figure)[3:6], shown(figure)[6:9]
    for a, b in zip(synthetic, acquired, strict=True):
        np.testing.assert_allclose(a, b, atol=2)


def test_difference_is_in_percent_of_the_range():
    synthetic = np.linspace(0, 200, 1000).reshape(10, 10, 10)
    brain = np.ones(synthetic.shape, bool)
    change = figures.percent_change(synthetic + 20, synthetic, brain)
    assert change == pytest.approx(np.full(change.shape, 100 * 20 / (200 * 0.995)))


def test_colour_bar_has_two_sides_only_if_signal_was_added(images):
    t1ce, t1nce, _ = images
    ends = [
        figures.draw_figure(a, b).axes[-2].images[0].get_clim()
        for a, b in ((t1ce, t1nce), (t1nce, t1ce))
    ]
    assert ends[0][0] == 0
    assert ends[1][0] == -ends[1][1]


def test_no_change_is_black():
    assert scales.colour_map(0)(0.0) == (0, 0, 0, 1)
    assert max(scales.colour_map(-1)(0.5)[:3]) < 0.02
    for low in (0, -1):
        assert scales.colour_map(low)(1.0)[:3] == pytest.approx((1, 248 / 255, 224 / 255))


def test_slices_go_where_most_was_removed():
    brain = np.ones((30, 40, 50), bool)
    change = np.zeros(brain.shape)
    change[20:23, 9:12, 30:33] = 50
    assert figures.choose_slices(change, brain) == (21, 10, 31)


def test_slices_of_no_change_go_through_the_brain():
    brain = np.zeros((30, 40, 50), bool)
    brain[10:15, 20:30, 5:25] = True
    point = figures.choose_slices(np.zeros(brain.shape), brain)
    assert brain[point]


def test_a_t1nce_that_does_not_follow_is_shown_as_it_is(images, caplog):
    t1ce, synthetic, _ = images
    odd = (t1ce > 0) * (2000 - t1ce)
    figure = figures.draw_figure(t1ce, synthetic, odd, point=(12, 14, 10))
    assert "own scale" in caplog.text
    assert shown(figure)[6].max() == pytest.approx(odd[4:-4, 4:-4].max(), rel=0.3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x, s: (x, s[:-1]), "shapes"),
        (lambda x, s: (0 * x, s), "empty"),
        (lambda x, s: (x, np.ones_like(s)), "constant"),
    ],
)
def test_bad_input(images, tmp_path, spoil, message):
    with pytest.raises(ImageError, match=message):
        figures.draw_participant(tmp_path / "bad.png", *spoil(*images[:2]))
    assert list(tmp_path.iterdir()) == []
