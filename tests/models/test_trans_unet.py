import pytest
import torch
from torch import nn

from clinica_t1nce.models.trans_unet import PositionTable, SelfAttention, TransUNet
from tests.data import reference

TINY = {
    "widths": (8, 16),
    "blocks": (1, 1),
    "embedding": 8,
    "heads": 2,
    "layers": 1,
    "hidden": 16,
    "grid": (8, 8, 8),
}
NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0, "first_dropout": 0.0}


def test_every_weight_is_used():
    network = TransUNet(**TINY)
    network(torch.rand(2, 1, 8, 8, 8)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_dropout_is_active_in_training_only():
    torch.manual_seed(0)
    network, x = TransUNet(**TINY), torch.rand(1, 1, 8, 8, 8)
    assert torch.equal(reference.run(network, x), reference.run(network, x))
    network.train()
    assert not torch.equal(network(x), network(x))


@pytest.mark.parametrize("name", sorted(NO_DROPOUT))
def test_each_dropout_acts(name):
    torch.manual_seed(0)
    network, x = TransUNet(**TINY, **{**NO_DROPOUT, name: 0.5}), torch.rand(1, 1, 8, 8, 8)
    assert not torch.equal(network(x), network(x))
    network = TransUNet(**TINY, **NO_DROPOUT)
    assert torch.equal(network(x), network(x))


def test_attention_is_the_textbooks():
    torch.manual_seed(0)
    attention, x = SelfAttention(6, 2, 0.0, 0.0), torch.rand(2, 5, 6)
    query, key, value = (attention.qkv(x)[..., 6 * i : 6 * i + 6] for i in range(3))
    heads = []
    for head in (slice(0, 3), slice(3, 6)):
        logits = query[..., head] @ key[..., head].transpose(1, 2) / 3**0.5
        heads.append(logits.softmax(-1) @ value[..., head])
    torch.testing.assert_close(attention(x), attention.proj(torch.cat(heads, -1)))


def test_the_position_table_is_added_in_the_order_of_the_voxels():
    table = PositionTable(2, (2, 3, 4))
    nn.init.normal_(table.position_embeddings)
    out = table(torch.zeros(1, 2, 2, 3, 4))
    for place in ((0, 0, 0), (1, 2, 3), (0, 1, 2)):
        token = place[0] * 12 + place[1] * 4 + place[2]
        assert torch.equal(out[0][(slice(None), *place)], table.position_embeddings[0, token])


def test_the_position_table_is_interpolated_to_other_grids():
    table = PositionTable(1, (4, 1, 1))
    table.position_embeddings.data[0, :, 0] = torch.tensor([0.0, 1, 2, 3])
    out = table(torch.zeros(1, 1, 8, 2, 1))[0, 0, :, :, 0]
    torch.testing.assert_close(
        out[:, 0].detach(), torch.tensor([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    )
    assert torch.equal(out[:, 0], out[:, 1])


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 6, 10), (2, 4, 2)])
def test_other_grids_keep_the_shape(shape):
    x = torch.rand(1, 1, *shape)
    assert reference.run(TransUNet(**TINY), x).shape == x.shape


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 3}, "embedding 8 is not a multiple of heads 3"),
        ({"grid": (8, 8, 9)}, r"grid \[8, 8, 9\] is not three multiples of 2"),
        ({"widths": (8, 12)}, "num_channels"),
        ({"blocks": (1,)}, "shorter"),
    ],
)
def test_settings_that_do_not_fit(wrong, message):
    with pytest.raises(ValueError, match=message):
        TransUNet(**{**TINY, **wrong})
