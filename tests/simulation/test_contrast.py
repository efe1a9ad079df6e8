import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.tissues import Tissue


@pytest.mark.parametrize("seed", range(20))
def test_contrast_is_t1_weighted(seed: int) -> None:
    contrast = Contrast.sample(np.random.default_rng(seed))
    assert len(contrast.means) == len(Tissue)
    assert min(contrast.means) >= 0
    assert contrast.csf <= contrast.gray - 0.1
    assert contrast.means[Tissue.WHITE_MATTER] == pytest.approx(1, abs=0.1)
    assert contrast.means[Tissue.CORTEX] < contrast.means[Tissue.WHITE_MATTER] + 0.1


def test_both_kinds_of_contrast_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [Contrast.sample(rng).relaxation for _ in range(60)]
    assert 15 < sum(relaxation is None for relaxation in drawn) < 45
    assert {r.sequence.kind for r in drawn if r} == {"mprage", "gradient echo", "spin echo"}


def test_free_contrast_scales_all_enhancement() -> None:
    contrast = Contrast.sample_freely(np.random.default_rng(0))
    amount = torch.tensor([0.0, 0.5, 1.0])
    assert torch.equal(contrast.enhancement(amount, amount), contrast.strength * amount)


def test_image_looks_means_up() -> None:
    contrast = Contrast.sample(np.random.default_rng(0))
    tissue = torch.tensor([[[0, 1], [2, 30]]])
    expected = torch.tensor(
        [[[contrast.means[0], contrast.means[1]], [contrast.means[2], contrast.means[30]]]]
    )
    assert torch.allclose(contrast.image(tissue), expected)


def test_flattened_contrast_is_nearer_to_white_matter() -> None:
    contrast = Contrast.sample(np.random.default_rng(0))
    flat = contrast.flattened(0.5)
    assert flat.gray == pytest.approx(1 - 0.5 * (1 - contrast.gray))
    assert flat.means[Tissue.BACKGROUND] == contrast.means[Tissue.BACKGROUND]
