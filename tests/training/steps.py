"""Some steps of a module, on batches made in code."""

import warnings

import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from clinica_t1nce.training.data.numbered import Batch
from clinica_t1nce.training.modules.generator import Training


def batch(seed: int = 0, size: int = 2, side: int = 16) -> Batch:
    """A T1ce and its T1nce, between 0 and 1, that have something in common."""
    generator = torch.Generator().manual_seed(seed)
    t1nce = torch.rand((size, 1, side, side, side), generator=generator)
    t1ce = (t1nce + 0.5 * (t1nce.flip(2) > 0.8)).clamp(max=1)
    return {"t1ce": t1ce, "t1nce": t1nce, "mask": torch.ones_like(t1ce, dtype=torch.bool)}


def step(module: Training, batches: list[Batch]) -> None:
    """Train on each batch once."""
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*in eval mode at the start.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated.*")
        trainer.fit(module, DataLoader(batches, batch_size=None))


def state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a network's weights."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}
