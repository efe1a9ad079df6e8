"""The paper's discriminator, which tells real from synthetic patches of a T1nce."""

from collections.abc import Sequence

import torch
from torch import nn

from clinica_t1nce.models.layers import check_sides


def extract_patches(volume: torch.Tensor, patch: int = 64, stride: int = 50) -> torch.Tensor:
    """Cut volumes into patches, those of the last axis following each other fastest.

    Parameters
    ----------
    volume
        Volumes, N x C x D x H x W.
    patch, stride
        Side of a patch, and voxels between two patches' starts. The paper's, on 128³, give
        eight patches, which overlap by 14 voxels and leave the last 14 of each axis unseen; a
        stride of 64 tiles that grid.

    Returns
    -------
    torch.Tensor
        N x P x C x patch x patch x patch.

    Raises
    ------
    ValueError
        If an axis is shorter than a patch.

    Examples
    --------
    >>> extract_patches(torch.zeros(1, 1, 128, 128, 100)).shape
    torch.Size([1, 4, 1, 64, 64, 64])
    """
    if min(volume.shape[2:]) < patch:
        raise ValueError(f"a volume of {tuple(volume.shape[2:])} voxels holds no patch of {patch}³")
    for axis in (2, 3, 4):
        volume = volume.unfold(axis, patch, stride)
    return volume.flatten(2, 4).transpose(1, 2)


class PatchDiscriminator(nn.Module):
    """Discriminator of Bottani et al., "Conditional GANs", as its authors' public code builds it.

    With the default widths it is the paper's, of 286,625 parameters; modules are named so that
    the authors' checkpoints fit. The score is unbounded and is trained by least squares towards
    soft labels; in the paper **low means real**: 0 to 0.3 for real, 0.7 to 1 for synthetic.

    Parameters
    ----------
    widths
        Channels of each level, finest first.
    patch, stride
        Side and distance of the patches that :meth:`scores` cuts; see :func:`extract_patches`.

    Raises
    ------
    ValueError
        If `patch` is no multiple of ``2 ** len(widths)``, or less than four times that, or `stride`
        is not positive.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128), patch: int = 64, stride: int = 50):
        super().__init__()
        widths = tuple(widths)
        self.patch = patch
        self.stride = stride
        self.multiple = 2 ** len(widths)
        if patch % self.multiple or patch < 4 * self.multiple:
            raise ValueError(f"patch {patch} is not a multiple of {self.multiple} from 4 times on")
        if stride < 1:
            raise ValueError(f"stride {stride} is not a positive number")
        layers: list[nn.Module] = []
        for n_in, n_out in zip((2, *widths), widths, strict=False):
            layers.append(nn.Conv3d(n_in, n_out, 3, stride=2, padding=1))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        # The authors pool 5³ scores into one, which is all of them for patches of 64³.
        self.model = nn.Sequential(*layers, nn.Conv3d(widths[-1], 1, 4), nn.AdaptiveAvgPool3d(1))

    def forward(self, t1nce: torch.Tensor, t1ce: torch.Tensor) -> torch.Tensor:
        """Score patches.

        Parameters
        ----------
        t1nce
            Patches of T1nce, real or synthetic, N x 1 x D x H x W, scaled to [0, 1]; sides
            multiples of ``2 ** len(widths)``.
        t1ce
            Patches of the T1ce at the same places.

        Returns
        -------
        torch.Tensor
            N x 1 x 1 x 1 x 1.

        Raises
        ------
        ImageError
            If the sides do not fit.
        """
        check_sides(t1nce, self.multiple, smallest=4 * self.multiple)
        score: torch.Tensor = self.model(torch.cat((t1nce, t1ce), dim=1))
        return score

    def scores(self, t1nce: torch.Tensor, t1ce: torch.Tensor) -> torch.Tensor:
        """Score every patch of whole volumes.

        Parameters
        ----------
        t1nce, t1ce
            Volumes, N x 1 x D x H x W, sides at least `patch`.

        Returns
        -------
        torch.Tensor
            N x P, P patches in the order of :func:`extract_patches`.

        Raises
        ------
        ValueError
            If a side is shorter than a patch.
        """
        pair = (
            extract_patches(volume, self.patch, self.stride).flatten(0, 1)
            for volume in (t1nce, t1ce)
        )
        return self(*pair).reshape(len(t1nce), -1)
