from itertools import product

import numpy as np
import pytest
import torch

from clinica_t1nce.models.patch_discriminator import PatchDiscriminator, extract_patches
from tests.data import recipe, reference


def test_scores_of_the_hashed_weights():
    # Those of the reference implementation; the second has the inputs exchanged.
    network = recipe.fill(PatchDiscriminator((8, 16, 32)))
    t1nce, t1ce = reference.volumes(64, 1), reference.volumes(64, 0)
    assert reference.run(network, t1nce, t1ce).item() == pytest.approx(0.291005, abs=1e-5)
    assert reference.run(network, t1ce, t1nce).item() == pytest.approx(0.286788, abs=1e-5)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "widths"), [("disc_w8", (8, 16, 32)), ("disc_w32", (32, 64, 128))]
)
def test_agrees_with_the_reference(name, widths):
    network = reference.fill(PatchDiscriminator(widths), name)
    t1nce, t1ce = reference.volumes(64, 1), reference.volumes(64, 0)
    for pair, expected in (((t1nce, t1ce), "out"), ((t1ce, t1nce), "swapped")):
        score = reference.run(network, *pair)
        np.testing.assert_allclose(
            score.flatten(), reference.golden(f"{name}/{expected}").flatten(), rtol=1e-4
        )


@pytest.mark.real
def test_scores_of_patches_agree_with_the_reference():
    network = reference.fill(PatchDiscriminator(), "disc_w32").eval()
    x, y = ((v - v.min()) / (v.max() - v.min()) for v in map(_cube, (6, 7)))
    with torch.inference_mode():
        fake, real = network.scores(0.9 * x + 0.03, x), network.scores(y, x)
    np.testing.assert_allclose(
        fake.flatten(), reference.golden("gan/pred_fake").flatten(), rtol=1e-4
    )
    np.testing.assert_allclose(
        real.flatten(), reference.golden("gan/pred_real").flatten(), rtol=1e-4
    )


def _cube(number):
    return reference.volumes(128, number)


@pytest.mark.parametrize(
    ("shape", "settings", "starts"),
    [
        ((128, 128, 128), {}, [(0, 50)] * 3),
        ((128, 128, 128), {"stride": 64}, [(0, 64)] * 3),
        ((9, 8, 7), {"patch": 4, "stride": 3}, [(0, 3), (0, 3), (0, 3)]),
    ],
)
def test_patches_are_cut_where_they_start(shape, settings, starts):
    volume = torch.rand(2, 3, *shape)
    patches, side = extract_patches(volume, **settings), settings.get("patch", 64)
    expected = [
        volume[:, :, d : d + side, h : h + side, w : w + side] for d, h, w in product(*starts)
    ]
    assert torch.equal(patches, torch.stack(expected, dim=1))


def test_scores_are_those_of_the_patches():
    torch.manual_seed(0)
    network = PatchDiscriminator((2, 3), patch=16, stride=8)
    t1nce, t1ce = torch.rand(2, 2, 1, 24, 16, 24)
    scores = network.scores(t1nce, t1ce)
    assert scores.shape == (2, 4)
    one = network(t1nce[1:, :, 8:24, :, 0:16], t1ce[1:, :, 8:24, :, 0:16])
    assert one.shape == (1, 1, 1, 1, 1)
    torch.testing.assert_close(scores[1, 2], one.squeeze())


def test_a_volume_without_a_patch_is_refused():
    with pytest.raises(ValueError, match=r"\(64, 63, 64\) voxels holds no patch of 64³"):
        PatchDiscriminator().scores(*torch.rand(2, 1, 1, 64, 63, 64))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patch": 16}, "patch 16 is not a multiple of 8 from 4 times on"),
        ({"patch": 36}, "patch 36"),
        ({"stride": 0}, "stride 0"),
    ],
)
def test_settings_that_do_not_fit(wrong, message):
    with pytest.raises(ValueError, match=message):
        PatchDiscriminator(**wrong)
