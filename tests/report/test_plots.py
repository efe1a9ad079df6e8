import numpy as np
import pandas as pd
import pytest

from clinica_t1nce.report import Example, draw_examples, draw_volume_differences, save_figure
from tests.data import volumes


@pytest.fixture
def differences():
    rng = np.random.default_rng(0)
    rows = [
        {"tissue": tissue, "image": image, "vd": rng.normal(), "quality": quality}
        for quality, n in (("good", 30), ("low", 3))
        for tissue in ("GM", "WM", "CSF")
        for image in ("T1ce", "mine")
        for _ in range(n)
    ]
    return pd.DataFrame([*rows, {"tissue": "GM", "image": "mine", "quality": "low"}])


def test_volume_differences_by_tissue_image_and_stratum(differences):
    figure = draw_volume_differences(differences, stratum="quality")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == [f"{t}, {q}" for q in ("good", "low") for t in ("GM", "WM", "CSF")]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["T1ce", "mine"]
    good, low = figure.axes[0], figure.axes[3]
    # Boxes of 30 values, and each value; of 3 values only these.
    assert (len(good.patches), len(low.patches)) == (2, 0)
    for ax, n in ((good, 30), (low, 3)):
        assert [len(points.get_offsets()) for points in ax.collections] == [n, n]
    chosen = differences.query("tissue == 'GM' and image == 'mine' and quality == 'good'")["vd"]
    points = np.sort(np.asarray(good.collections[1].get_offsets())[:, 1])
    assert points == pytest.approx(np.sort(chosen))
    medians = [line for line in good.lines if line.get_linewidth() == 1.6]
    assert medians[1].get_ydata()[0] == pytest.approx(np.median(chosen))


def test_many_pairs_are_boxes_without_points():
    frame = pd.DataFrame({"t": "GM", "i": "T1ce", "v": np.linspace(-1, 1, 1000)})
    (ax,) = draw_volume_differences(frame, value="v", tissue="t", image="i").axes
    assert len(ax.patches) == 1
    assert len(ax.collections) == 0
    assert ax.get_title() == "GM"


def test_bad_volumes(differences):
    with pytest.raises(ValueError, match="no column kind"):
        draw_volume_differences(differences, image="kind")
    with pytest.raises(ValueError, match="no row"):
        draw_volume_differences(differences.assign(vd=np.nan))


def test_figures_are_saved_twice_and_the_same_again(differences, tmp_path):
    t1nce = volumes.brain()
    example = Example("sub-01", {"T1ce": volumes.enhance(t1nce), "T1nce": t1nce}, np.eye(4))
    for name, draw in (
        ("figure_3", lambda: draw_examples([example])),
        ("figure_5", lambda: draw_volume_differences(differences)),
    ):
        first = save_figure(draw(), tmp_path / "new" / name)
        second = save_figure(draw(), tmp_path / f"again_{name}")
        assert [path.name for path in first] == [f"{name}.png", f"{name}.svg"]
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes()
        assert first[0].read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in first[1].read_bytes()[:1000]
