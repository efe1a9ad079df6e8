from dataclasses import replace

import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.anatomy import Anatomy, to_mm
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.tissues import Tissue

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.fixture
def straight(anatomy: Anatomy) -> Placement:
    centre = tuple(n // 2 for n in anatomy.tissue.shape)
    return Placement(centre, IDENTITY, bend=0.0, bend_spacing=10.0, seed=0)


def test_straight_placement_cuts_the_head_as_it_is(anatomy: Anatomy, straight: Placement) -> None:
    # With an odd side the patch's middle falls on a voxel.
    scene = straight.place(anatomy, (21, 21, 21))
    box = tuple(slice(c - 10, c + 11) for c in straight.centre)
    assert np.array_equal(scene.tissue.numpy(), anatomy.tissue[box])
    depth, outside = (to_mm(anatomy.distances[(i, *box)].astype(np.float32), i) for i in (0, 1))
    assert np.allclose(scene.outside_tissue.numpy(), outside, atol=1e-3)
    # On every second voxel, interpolated between.
    assert np.allclose(scene.depth.numpy(), depth, atol=0.8)
    assert np.allclose(scene.depth.numpy()[::2, ::2, ::2], depth[::2, ::2, ::2], atol=1e-3)


def test_flip_turns_the_patch_round(anatomy: Anatomy, straight: Placement) -> None:
    flipped = replace(straight, matrix=((-1.0, 0.0, 0.0), *IDENTITY[1:]))
    shape = (21, 21, 21)
    assert torch.equal(
        flipped.place(anatomy, shape).tissue, straight.place(anatomy, shape).tissue.flip(0)
    )


def test_outside_of_the_head_is_background(anatomy: Anatomy, straight: Placement) -> None:
    corner = replace(straight, centre=(0, 0, 0))
    scene = corner.place(anatomy, (21, 21, 21))
    assert int(scene.tissue[0, 0, 0]) == 0
    assert float(scene.depth[0, 0, 0]) < 0


def test_bend_moves_voxels_by_its_size(anatomy: Anatomy, straight: Placement) -> None:
    shape = (31, 31, 31)
    bent = replace(straight, bend=2.0).place(anatomy, shape)
    assert not torch.equal(bent.tissue, straight.place(anatomy, shape).tissue)


@pytest.mark.parametrize(
    ("narrowing", "fluid"), [((1.2, 0.0), Tissue.CSF), ((0.0, 2.0), Tissue.LATERAL_VENTRICLE)]
)
def test_narrowing_moves_tissue_into_fluid(
    narrowing: tuple[float, float], fluid: Tissue, anatomy: Anatomy, straight: Placement
) -> None:
    odd = tuple(n - 1 + n % 2 for n in anatomy.tissue.shape)
    wide = straight.place(anatomy, odd)
    narrow = replace(straight, narrowing=narrowing).place(anatomy, odd)
    assert 0 < narrow.is_tissue(fluid).sum() < 0.85 * wide.is_tissue(fluid).sum()
    outside = wide.depth < -1
    assert torch.equal(narrow.tissue[outside], wide.tissue[outside])
    # Distances move with the labels.
    assert narrow.outside_tissue[narrow.is_tissue(Tissue.CSF)].min() > -1
    assert narrow.outside_tissue[narrow.is_tissue(Tissue.WHITE_MATTER)].max() < 0.7
    assert narrow.ventricle[narrow.is_tissue(Tissue.LATERAL_VENTRICLE)].max() < 1


def test_narrowing_turns_with_the_patch(anatomy: Anatomy, straight: Placement) -> None:
    narrow = replace(straight, narrowing=(1.2, 2.0))
    flipped = replace(narrow, matrix=((-1.0, 0.0, 0.0), *IDENTITY[1:]))
    shape = (21, 21, 21)
    same = flipped.place(anatomy, shape).tissue.flip(0) == narrow.place(anatomy, shape).tissue
    # Positions half way between two voxels may round to either.
    assert same.float().mean() > 0.99


def test_drawn_placements_are_near_the_brain(anatomy: Anatomy) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        placement = Placement.sample(rng, anatomy)
        assert to_mm(float(anatomy.distances[(0, *placement.centre)]), 0) > -2
        assert 0.5 < abs(np.linalg.det(placement.matrix)) < 1.7
