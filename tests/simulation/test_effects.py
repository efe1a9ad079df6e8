from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from clinica_t1nce.simulation import effects
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


def drawn(effect, seed: int = 0):
    """Draw until the effect is present."""
    rng = np.random.default_rng(seed)
    contrast = Contrast.sample(rng)
    while (found := effect.sample(rng, contrast)) is None:
        pass
    return found


def in_tissue(*tissues: Tissue) -> Callable[[Scene], torch.Tensor]:
    return lambda scene: scene.is_tissue(*tissues)


WHERE = {
    effects.Sinuses: in_tissue(Tissue.VENOUS_SINUS),
    effects.Arteries: in_tissue(Tissue.ARTERY),
    effects.ChoroidPlexus: in_tissue(Tissue.CHOROID_PLEXUS),
    effects.Dura: lambda scene: (scene.depth.abs() < 5) & (scene.outside_tissue > -1.2),
    effects.DuralFolds: lambda scene: scene.outside_brain,
    effects.ThinSinuses: lambda scene: scene.intracranial & (scene.outside_tissue > -0.5),
    effects.DeepVeins: lambda scene: scene.intracranial,
    effects.Sella: lambda scene: scene.outside_tissue > 0,
    effects.SulcalFilling: lambda scene: scene.fluid,
    effects.Inflow: lambda scene: scene.intracranial & scene.outside_brain,
    effects.SurfaceVessel: lambda scene: scene.intracranial & scene.outside_brain,
    effects.FreeVessel: lambda scene: scene.intracranial,
    effects.Pia: lambda scene: scene.intracranial,
    effects.Sulci: lambda scene: scene.intracranial,
    effects.Perfusion: lambda scene: scene.outside_tissue < 1,
    effects.Lesion: lambda scene: scene.intracranial & ~scene.is_tissue(Tissue.VENOUS_SINUS),
    effects.Tumour: lambda scene: scene.intracranial & ~scene.is_tissue(Tissue.VENOUS_SINUS),
    effects.Plaques: in_tissue(
        Tissue.WHITE_MATTER, Tissue.CEREBELLAR_WHITE_MATTER, Tissue.BRAINSTEM
    ),
    effects.Meningioma: lambda scene: scene.intracranial | (scene.depth > -4),
    effects.Cavity: lambda scene: scene.intracranial,
    effects.Extracranial: lambda scene: ~scene.intracranial | scene.is_tissue(Tissue.OPTIC_CHIASM),
}

LOOK_ALIKES = {
    effects.Texture: lambda scene: torch.ones_like(scene.tissue, dtype=torch.bool),
    effects.ThinTissue: in_tissue(
        Tissue.WHITE_MATTER,
        Tissue.CEREBELLAR_WHITE_MATTER,
        Tissue.BRAINSTEM,
        Tissue.OPTIC_CHIASM,
    ),
    effects.Folia: in_tissue(Tissue.CEREBELLAR_CORTEX),
    effects.Rim: lambda scene: scene.outside_tissue > 0.5,
    effects.Fat: in_tissue(Tissue.SKIN, Tissue.SOFT_TISSUE, Tissue.BONE_MARROW),
    effects.FlowGhosts: lambda scene: torch.ones_like(scene.tissue, dtype=torch.bool),
}
"""What is the same with and without gadolinium, and where it may show."""


@pytest.mark.parametrize("effect", WHERE, ids=lambda effect: effect.__name__)
def test_effect_enhances_in_its_place_only(effect, scene: Scene) -> None:
    place = WHERE[effect](scene)
    # A vessel may miss so small an anatomy: several are drawn.
    for seed in range(8):
        drawn(effect, seed)(scene)
    assert scene.enhancement.max() > 0.005
    assert scene.enhancement.min() >= 0
    outside = scene.enhancement[~place]
    assert float(outside.abs().max()) < 0.02
    assert torch.isfinite(scene.image).all()


@pytest.mark.parametrize("effect", [*WHERE, *LOOK_ALIKES], ids=lambda effect: effect.__name__)
def test_effect_is_the_same_each_time(effect, scene: Scene) -> None:
    applied = drawn(effect)
    start = scene.image.clone()
    applied(scene)
    once = scene.image, scene.enhancement
    scene.image, scene.enhancement = start, torch.zeros_like(start)
    applied(scene)
    assert torch.equal(scene.image, once[0])
    assert torch.equal(scene.enhancement, once[1])


def test_stronger_enhancement_wins(scene: Scene) -> None:
    share = torch.ones_like(scene.image)
    scene.enhance(share, 0.4)
    scene.enhance(share, 0.1)
    assert float(scene.enhancement.min()) == pytest.approx(0.4)


@pytest.mark.parametrize("effect", LOOK_ALIKES, ids=lambda effect: effect.__name__)
def test_look_alike_changes_the_image_in_its_place_and_enhances_nothing(
    effect, scene: Scene
) -> None:
    before = scene.image.clone()
    for seed in range(4):
        drawn(effect, seed)(scene)
    changed = (scene.image - before).abs()
    assert float(scene.enhancement.abs().max()) == 0
    assert float(changed.max()) > 0.03
    assert float(changed[~LOOK_ALIKES[effect](scene)].sum()) < 1e-3
    assert torch.isfinite(scene.image).all()


def test_filled_sulci_reach_the_level_of_cortex(scene: Scene) -> None:
    cortex = 0.7
    filling = replace(
        drawn(effects.SulcalFilling),
        filling=effects.Patchy(1.0, 0.0, 5.0, None, 10.0, 0),
        cortex=cortex,
        reach=5.0,
        depth=(-5.0, 0.5),
        unevenness=0.0,
    )
    filling(scene)
    with_gadolinium = (scene.image + scene.enhancement)[scene.is_tissue(Tissue.CSF)]
    assert float(with_gadolinium.median()) == pytest.approx(cortex, abs=0.02)


def test_tumour_enhances_in_a_ring_around_a_dead_middle(scene: Scene) -> None:
    tumour = replace(
        drawn(effects.Tumour),
        uptake=effects.Patchy(1.0, 0.0, 5.0, None, 10.0, 0),
        blob=effects.Blob((0.5, 0.5, 0.5), (1.0, 1.0, 1.0), radius=10.0, bumps=0.0, seed=0),
        rim=(3.0, 0.0),
        mixture=(4.0, -50.0),
        seepage=0.0,
    )
    tumour(scene)
    row = scene.enhancement[24, 24, 24:]
    assert float(row[:4].max()) < 0.05 < 0.8 < float(row[8:10].min())
    assert float(row[13:].max()) < 0.05


def test_meningioma_sits_on_the_wall(scene: Scene) -> None:
    drawn(effects.Meningioma)(scene)
    strong = scene.enhancement > 0.5 * scene.enhancement.max()
    assert float(scene.depth[strong].min()) < 1.5


def test_sella_needs_the_chiasm(scene: Scene) -> None:
    scene.tissue = torch.where(scene.tissue == Tissue.OPTIC_CHIASM, 0, scene.tissue)
    drawn(effects.Sella)(scene)
    assert float(scene.enhancement.max()) == 0


def test_window_writes_back_what_was_done_in_it(scene: Scene) -> None:
    with scene.window((-3, 40, 10), (5, 99, 12)) as part:
        assert part.shape == (5, 8, 2)
        part.enhance(torch.ones(part.shape), 0.3)
        part.paint(torch.ones(part.shape), 2.0)
    assert float(scene.enhancement.sum()) == pytest.approx(0.3 * 80, rel=1e-5)
    assert (scene.image[:5, 40:, 10:12] == 2).all()


def test_fat_takes_up_nothing(scene: Scene) -> None:
    tissue = Tissue.SKIN
    skin = scene.is_tissue(tissue)
    effect = effects.Extracranial(((tissue, 0.3),), unevenness=0.0, spacing=5.0, seed=0)
    lean, fat = replace(scene, image=scene.image * 0 + 0.5), replace(scene, image=scene.image + 2)
    for one in (lean, fat):
        effect(one)
    assert torch.allclose(lean.enhancement[skin], torch.tensor(0.3))
    assert not fat.enhancement.any()


def test_deep_veins_stay_near_the_third_ventricle(scene: Scene) -> None:
    effect = replace(drawn(effects.DeepVeins), net_radius=-5.0)
    far = torch.full_like(scene.tissue, int(Tissue.CSF))
    near = far.clone()
    near[tuple(n // 2 for n in far.shape)] = int(Tissue.THIRD_VENTRICLE)
    drawn_in = []
    for tissue in (far, near):
        one = replace(scene, tissue=tissue, enhancement=torch.zeros_like(scene.image))
        effect(one)
        drawn_in.append(int((one.enhancement > 0.01).sum()))
    assert drawn_in[0] == 0
    assert drawn_in[1] > 0


def test_callosum_is_bright_and_does_not_enhance(scene: Scene) -> None:
    white = scene.is_tissue(Tissue.WHITE_MATTER)
    one = replace(
        scene,
        falx=torch.where(
            torch.arange(scene.shape[1])[:, None] < scene.shape[1] // 2, 0.0, 25.0
        ).expand(scene.shape),
        ventricle=torch.zeros(scene.shape),
    )
    effects.Callosum(lift=0.2, width=6.0, height=8.0)(one)
    gain = one.image / scene.image
    assert torch.allclose(gain[~white], torch.tensor(1.0))
    near = white & (one.falx < 1)
    assert gain[near].min() > 1.1 > 1.01 > gain[white & ~near].max()
    assert not one.enhancement.any()


def test_fornix_is_painted_and_does_not_enhance(scene: Scene) -> None:
    tissue = torch.full_like(scene.tissue, int(Tissue.THALAMUS))
    zero = torch.zeros(scene.shape)
    one = replace(scene, tissue=tissue, falx=zero, ventricle=zero, depth=zero + 9)
    replace(drawn(effects.Fornix), brightness=0.7, off_wall=0.0, off_midline=0.0, radius=9.0)(one)
    assert one.image.median() == pytest.approx(0.7, abs=0.01)
    assert not one.enhancement.any()


def test_deep_veins_spare_callosum_and_fornix(scene: Scene) -> None:
    zero = torch.zeros(scene.shape)
    tissue = torch.full_like(scene.tissue, int(Tissue.CSF))
    tissue[:4] = int(Tissue.WHITE_MATTER)
    tissue[4:8, :4] = int(Tissue.THIRD_VENTRICLE)
    one = replace(scene, tissue=tissue, falx=zero, ventricle=zero, depth=zero + 9)
    veins = drawn(effects.DeepVeins)
    everywhere = replace(veins.blood, level=None)
    wide = replace(veins, blood=everywhere, off_wall=0.0, off_midline=0.0, radius=9.0)
    replace(wide, net_radius=-9.0)(one)
    assert one.enhancement[:4].max() < 1e-6
    assert one.enhancement[5, 5].min() > 0.1


def test_fat_lies_around_the_eyes(scene: Scene) -> None:
    tissue = torch.full_like(scene.tissue, int(Tissue.SOFT_TISSUE))
    tissue[:4, :4, :4] = int(Tissue.EYE)
    one = replace(scene, tissue=tissue)
    replace(drawn(effects.Fat), orbit=1.0, level=-9.0)(one)
    assert one.image[6, 6, 6] > 0.9
    assert one.image[-1, -1, -1] == 0.5
