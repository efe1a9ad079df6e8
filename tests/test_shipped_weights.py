"""What must hold of every model that comes with the package."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from clinica_t1nce.evaluation.recovery import gradient_energy
from clinica_t1nce.models import storage
from clinica_t1nce.synthesis.synthesizer import Synthesizer

MAX_MEGABYTES = 30
MAX_CHANGE_OF_T1NCE = 4.0
"""% of the range: what the real T1nce of docs/validation.md change by, at most, rounded up."""

TRAIN = ["clinica-t1nce", "train-simulated"]

shipped = pytest.mark.parametrize("name", storage.shipped())


def test_there_are_default_and_fast_weights() -> None:
    assert {storage.DEFAULT_MODEL, storage.FAST_MODEL} <= set(storage.shipped())
    for word, name in (("default", storage.DEFAULT_MODEL), ("fast", storage.FAST_MODEL)):
        assert storage.load_weights(word)[1].name == name


def test_the_fast_weights_do_much_as_the_default_ones(t1nce: np.ndarray) -> None:
    t1ce = t1nce[40:104, 60:124, 50:114].copy()
    vessel = (slice(30, 34), slice(None), slice(30, 34))
    t1ce[vessel] = 2 * t1nce.max()
    default, fast = (Synthesizer.load(name, "cpu")(t1ce).change for name in ("default", "fast"))
    assert default[vessel].mean() > t1nce.max()
    assert fast[vessel].mean() == pytest.approx(default[vessel].mean(), rel=0.2)
    assert np.abs(fast - default).mean() < 0.01 * t1nce.max()


@shipped
def test_card_says_where_the_weights_come_from(name: str) -> None:
    _, card = storage.load_weights(name)
    assert card.name == name
    assert card.licence == "MIT"
    assert card.training["data"]
    assert card.training["command"].startswith(
        ("clinica-t1nce train ", "clinica-t1nce train-simulated ")
    )
    assert card.metrics["command"].startswith("python benchmarks/")


@shipped
def test_weights_are_light(name: str) -> None:
    size = sum(p.stat().st_size for p in storage.WEIGHTS.glob(f"{name}.*"))
    assert size < MAX_MEGABYTES * 1e6


def test_the_model_card_in_the_docs_is_the_one_that_ships() -> None:
    shipped_card = storage.WEIGHTS / "model_card.md"
    docs = Path(__file__).parents[1] / "docs" / "model_card.md"
    assert shipped_card.read_text() == docs.read_text()
    assert f"# Model card: {storage.DEFAULT_MODEL}" in shipped_card.read_text()


def of_output(output: str) -> pytest.MarkDecorator:
    """Parametrise over the shipped weights whose network gives this."""
    names = [name for name in storage.shipped() if storage.load_weights(name)[1].output == output]
    return pytest.mark.parametrize("name", names)


@pytest.fixture(scope="module")
def t1nce() -> np.ndarray:
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=1).get_fdata(dtype=np.float32)
    noise = torch.randn(template.shape, generator=torch.Generator().manual_seed(0)).numpy()
    volume = 300 * np.where(template > 0, (template + 0.01 * noise).clip(min=1e-3), 0)
    return volume.astype(np.float32)


@pytest.mark.slow
@of_output("change")
def test_t1nce_stays_as_it_is_and_sharp(name: str, t1nce: np.ndarray) -> None:
    result = Synthesizer.load(name, "cpu")(t1nce)
    brain = t1nce > 0
    inside = ndimage.binary_erosion(brain)
    shown = np.percentile(t1nce[inside], 99.5) - t1nce[inside].min()
    change = np.abs(result.image - t1nce)[inside].mean(dtype=np.float64)
    assert 100 * change / shown < MAX_CHANGE_OF_T1NCE
    sharpness = gradient_energy(result.image, brain) / gradient_energy(t1nce, brain)
    assert sharpness == pytest.approx(1, abs=0.1)


@pytest.mark.slow
@of_output("image")
def test_whole_images_show_the_brain_that_was_given(name: str, t1nce: np.ndarray) -> None:
    # Drawn anew on a coarse grid, they cannot be as sharp; docs/validation.md says how sharp.
    image = Synthesizer.load(name, "cpu")(t1nce).image
    brain = t1nce > 0
    assert np.corrcoef(image[brain], t1nce[brain])[0, 1] > 0.85
    assert np.abs(image[~brain]).mean() < 0.05 * image[brain].mean()
