"""Which tensors of a file do not fit a network."""

from collections.abc import Mapping, Sequence

import torch

from clinica_t1nce.errors import some


def faults(
    expected: Mapping[str, Sequence[int]], found: Mapping[str, torch.Tensor]
) -> dict[str, list[str]]:
    """Compare the tensors of a file with those of a network.

    Parameters
    ----------
    expected
        Name and shape of each tensor of the network.
    found
        Tensors of the file by name.

    Returns
    -------
    dict
        Tensors that do not fit, by kind of fault; empty if all fit.
    """
    kinds = {
        "missing": [name for name in expected if name not in found],
        "superfluous": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} for {tuple(shape)}"
            for name, shape in expected.items()
            if name in found and tuple(found[name].shape) != tuple(shape)
        ],
        "not finite": [name for name, tensor in found.items() if not tensor.isfinite().all()],
    }
    return {kind: names for kind, names in kinds.items() if names}


def in_words(problems: Mapping[str, list[str]]) -> str:
    """Name the first two tensors of each kind of :func:`faults`, and count the others."""
    return "; ".join(f"{some(names, most=2)} {kind}" for kind, names in problems.items())
