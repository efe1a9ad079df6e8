"""Invariants of a synthesis, for any image that hypothesis draws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy import ndimage
from torch import nn

from clinica_t1nce.models.cards import Card
from clinica_t1nce.synthesis import Synthesizer
from clinica_t1nce.volumes import intensity
from tests.data import volumes

SHAPE = (20, 24, 18)

# The same examples in every run.
runs = settings(max_examples=25, derandomize=True)


class Network(nn.Module):
    """Finds what is brighter than its surroundings, and more of it to the right."""

    def forward(self, x):
        around = nn.functional.avg_pool3d(x, 5, 1, 2, count_include_pad=False)
        return (x - 0.7 * around - 0.2) * torch.linspace(0.5, 1, x.shape[2])[:, None, None]


@pytest.fixture(scope="module")
def synthesizer():
    card = Card(
        name="any",
        architecture="change-unet",
        hyperparameters={},
        input={"scaling": {"method": "percentile"}},
        output="change",
    )
    return Synthesizer(Network(), card)


@st.composite
def images(draw):
    """Draw a T1ce whose background is 0: cut out, interpolated, or a head amid noise."""
    image = volumes.enhance(volumes.brain(SHAPE, seed=draw(st.integers(0, 99))))
    kind = draw(st.sampled_from(["stripped", "faded", "head"]))
    if kind == "faded":
        image = ndimage.gaussian_filter(image, 0.8)
        image[image < 0.4] = 0
    if kind == "head":
        rng = np.random.default_rng(0)
        image = np.maximum(image, np.abs(rng.normal(scale=3, size=SHAPE)))
    image = image * draw(st.floats(1e-3, 1e4))
    return image.astype(np.float32)


def bright(image):
    return intensity.measure_percentile(image).factor


@runs
@given(image=images(), low=st.floats(-0.2, 0.0), quantised=st.booleans(), clipped=st.booleans())
def test_removal_is_bounded_and_finite(synthesizer, image, low, quantised, clipped):
    image = image / bright(image)
    image[2:5, 2:5, 2:5] = low
    if clipped:
        image = np.minimum(image, 1.2)
    if quantised:
        image = np.round(image * 50) / 50
    found = synthesizer(image.astype(np.float32))
    assert np.isfinite(found.image).all()
    assert (found.change >= 0).all()
    assert (found.change <= np.maximum(image, 0) + 1e-6).all()
    assert (found.image >= np.minimum(image, 0)).all()
    assert found.change.max() > 0.1


@runs
@given(image=images(), constant=st.floats(0.05, 50), sign=st.sampled_from([-1, 1]))
def test_a_constant_is_added_to_the_result(synthesizer, image, constant, sign):
    size = bright(image)
    raised = image + np.float32(sign * constant * size)
    plain, found = synthesizer(image), synthesizer(raised)
    assert np.abs(found.change - plain.change).max() < 0.01 * size
    np.testing.assert_allclose(found.image + found.change, raised, rtol=1e-5)


@runs
@given(
    image=images(),
    axes=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    zoom=st.sampled_from([1.0, 1.6]),
)
def test_any_order_of_axes_gives_the_same_image(synthesizer, image, axes, flips, zoom):
    affine = np.diag([zoom, 1, zoom, 1])
    orientation = np.array(list(zip(axes, flips, strict=True)))
    stored = np.ascontiguousarray(apply_orientation(image, orientation))
    stored_affine = affine @ inv_ornt_aff(orientation, image.shape)
    plain, found = synthesizer(image, affine), synthesizer(stored, stored_affine)
    turned = apply_orientation(plain.image, orientation)
    np.testing.assert_allclose(found.image, turned, atol=1e-5 * bright(image))


@runs
@given(
    image=images(),
    value=st.one_of(st.floats(15, 1e30), st.floats(-1e30, -0.5)),
    places=st.lists(st.tuples(*(st.integers(0, side - 1) for side in SHAPE)), max_size=4),
)
def test_outliers_change_nothing_elsewhere_and_stay(synthesizer, image, value, places):
    wild = image.copy()
    hit = np.zeros(SHAPE, bool)
    for place in places:
        wild[place], hit[place] = value * bright(image), True
    plain, found = synthesizer(image), synthesizer(wild)
    assert np.array_equal(found.image[hit], wild[hit])
    error = np.abs(found.change - plain.change)[~hit]
    assert error.sum() < 0.01 * max(len(set(places)), 1) * plain.change.sum()
    assert [flag.code for flag in found.flags] == ["outliers"] * bool(places)
