from collections.abc import Callable

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
    effects.SurfaceVessel: lambda scene: scene.intracranial & scene.outside_brain,
    effects.FreeVessel: lambda scene: scene.intracranial,
    effects.Pia: lambda scene: scene.intracranial,
    effects.Sulci: lambda scene: scene.intracranial,
    effects.Perfusion: lambda scene: scene.outside_tissue < 1,
    effects.Lesion: lambda scene: scene.intracranial & ~scene.is_tissue(Tissue.VENOUS_SINUS),
    effects.Extracranial: lambda scene: ~scene.intracranial | scene.is_tissue(Tissue.OPTIC_CHIASM),
}


@pytest.mark.parametrize("effect", WHERE, ids=lambda effect: effect.__name__)
def test_effect_enhances_in_its_place_only(effect, scene: Scene) -> None:
    place = WHERE[effect](scene)
    # A vessel may miss so small a head: several are drawn.
    for seed in range(4):
        drawn(effect, seed)(scene)
    assert scene.enhancement.max() > 0.005
    assert scene.enhancement.min() >= 0
    outside = scene.enhancement[~place]
    assert float(outside.abs().max()) < 0.02
    assert torch.isfinite(scene.image).all()


@pytest.mark.parametrize("effect", [*WHERE, effects.Texture], ids=lambda effect: effect.__name__)
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


def test_texture_leaves_the_enhancement_alone(scene: Scene) -> None:
    before = scene.image.clone()
    drawn(effects.Texture)(scene)
    assert float(scene.enhancement.abs().max()) == 0
    assert 0 < float((scene.image - before).abs().mean()) < 0.1


def test_some_effects_are_sometimes_absent() -> None:
    rng = np.random.default_rng(0)
    contrast = Contrast.sample(rng)
    draws = [effects.Lesion.sample(rng, contrast) for _ in range(200)]
    assert 30 < sum(draw is not None for draw in draws) < 100
