"""What the four networks of the paper have in common: they are those of the authors' code."""

import pytest
import torch

from clinica_t1nce.errors import ImageError
from clinica_t1nce.models.att_unet import AttUNet
from clinica_t1nce.models.patch_discriminator import PatchDiscriminator
from clinica_t1nce.models.res_unet import ResUNet
from clinica_t1nce.models.trans_unet import TransUNet
from tests.data import recipe, reference

ATT = [8, 16, 32, 64, 128]
RES = (8, 16, 32, 64, 64)
TRANS = {"widths": (8, 16, 32, 64), "embedding": 256, "hidden": 512, "grid": (32, 32, 32)}
NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0, "first_dropout": 0.0}
UNUSED = {
    *("linear_encoding.weight", "linear_encoding.bias"),
    *("pre_head_ln.weight", "pre_head_ln.bias"),
}
"""Tensors of the authors' transformer that have no effect."""

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("make", "side", "voxels", "mean", "deviation"),
    [
        (
            lambda: AttUNet(ATT),
            32,
            {(0, 0, 0): -0.333487, (5, 17, 30): 0.518700, (16, 16, 16): 1.752960}
            | {(31, 31, 31): -0.065413},
            0.897127,
            0.881016,
        ),
        (
            lambda: ResUNet(RES),
            64,
            {(0, 0, 0): -0.033072, (5, 17, 30): 0.680362, (16, 16, 16): 0.536606}
            | {(63, 63, 63): 0.160319},
            0.439374,
            0.187487,
        ),
        (
            lambda: TransUNet(**TRANS),
            32,
            {(0, 0, 0): 10.716201, (5, 17, 30): 23.367302, (16, 16, 16): 22.949883}
            | {(31, 31, 31): 6.810726},
            13.513375,
            19.670034,
        ),
    ],
)
def test_output_of_the_hashed_weights(make, side, voxels, mean, deviation):
    # Computed once by this network, when it agreed with the reference implementation.
    out = reference.run(recipe.fill(make()), reference.volumes(side, 0))[0, 0]
    found = [out[voxel].item() for voxel in voxels] + [out.mean(), out.std(correction=0)]
    assert found == pytest.approx([*voxels.values(), mean, deviation], rel=1e-4, abs=1e-4)


@pytest.mark.real
@pytest.mark.parametrize(
    ("make", "name", "side", "every"),
    [
        (lambda: AttUNet(ATT), "att_w8", 32, 1),
        pytest.param(AttUNet, "att_w64", 32, 1, marks=slow),
        (lambda: ResUNet(RES), "res_w8", 64, 2),
        pytest.param(ResUNet, "res_w128", 64, 2, marks=slow),
        (lambda: TransUNet(**TRANS), "bts_w8", 32, 1),
        (lambda: TransUNet(grid=(32, 32, 32)), "bts_w16_s32", 32, 1),
        pytest.param(TransUNet, "bts_w16_s128", 128, 4, marks=slow),
    ],
)
def test_agrees_with_the_reference(make, name, side, every):
    reference.assert_golden(make(), name, side, every)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "name", "filled_as", "side"),
    [
        (lambda: AttUNet(ATT), "att_w8", "att_w8", 32),
        (lambda: ResUNet(RES), "res_w8", "res_w8", 64),
        (lambda: TransUNet(**TRANS, **NO_DROPOUT), "bts_w8_nodrop", "bts_w8", 32),
    ],
)
def test_three_steps_of_training_agree_with_the_reference(make, name, filled_as, side):
    reference.assert_golden_training(make(), name, filled_as, side=side)


@pytest.mark.real
@pytest.mark.parametrize(
    ("make", "name", "unused"),
    [
        (lambda: AttUNet(ATT), "att_w8", set()),
        (AttUNet, "att_w64", set()),
        (lambda: ResUNet(RES), "res_w8", set()),
        (ResUNet, "res_w128", set()),
        (lambda: TransUNet(**TRANS), "bts_w8", UNUSED),
        (TransUNet, "bts_w16_s128", UNUSED),
        (lambda: PatchDiscriminator((8, 16, 32)), "disc_w8", set()),
        (PatchDiscriminator, "disc_w32", set()),
    ],
)
def test_the_authors_checkpoints_fit(make, name, unused):
    with torch.device("meta"):
        network = make()
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    expected = reference.shapes(name)
    assert found == {key: shape for key, shape in expected.items() if key not in unused}
    assert expected.keys() - found.keys() == unused
    if not unused:
        count = sum(parameter.numel() for parameter in network.parameters())
        assert count == reference.keys(name)["parameter_count"]


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (AttUNet, 103_887_981),
        (ResUNet, 312_250_369),
        (TransUNet, 32_722_561),
        (PatchDiscriminator, 286_625),
    ],
)
def test_size_of_the_papers_network(kind, size):
    with torch.device("meta"):
        network = kind()
    assert sum(parameter.numel() for parameter in network.parameters()) == size


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: AttUNet([2, 4, 8, 16, 32]), (16, 24, 16), "16 x 24 x 16: .* a multiple of 16"),
        *(
            (
                lambda: ResUNet((2, 2, 2, 2, 2)),
                (64, side, 64),
                rf"64 x {side} x 64: .* of at least 64 voxels, each a multiple of 32",
            )
            for side in (32, 80)
        ),
        (lambda: TransUNet(**TRANS), (8, 9, 8), "8 x 9 x 8: .* a multiple of 8"),
        (
            lambda: lambda x: PatchDiscriminator()(x, x),
            (64, 24, 64),
            "64 x 24 x 64: .* of at least 32 voxels, each a multiple of 8",
        ),
    ],
)
def test_sides_that_do_not_fit_are_one_line(make, shape, message):
    with pytest.raises(ImageError, match=rf"grid {message}; pad or"):
        make()(torch.rand(1, 1, *shape))
