import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.anatomy import Anatomy, prepare_anatomy, to_mm
from clinica_t1nce.simulation.scene import Scene
from tests.data.heads import label_map


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    return prepare_anatomy(label_map())


@pytest.fixture
def scene(anatomy: Anatomy) -> Scene:
    """Return the whole head, white matter 1, all else 0.5, nothing enhanced."""
    tissue = torch.from_numpy(anatomy.tissue.astype(np.int64))
    distances = (
        torch.from_numpy(to_mm(codes.astype(np.float32), i))
        for i, codes in enumerate(anatomy.distances)
    )
    image = torch.where(tissue == 1, 1.0, 0.5)
    return Scene(tissue, *distances, image, torch.zeros_like(image))
