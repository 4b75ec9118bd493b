"""What teacher and student are shown: one picture cropped, or a mosaic of several, spoiled a little.

Pictures of 64 pixels blown up are blurred, real photographs brought down are not. A mosaic of 2 x 2 or 3 x 3 pictures
has as many pixels as the network takes, so that what it learns holds for sharp pictures too: the student only has to
say what the teacher says, whatever is shown (L. Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", CVPR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor

MOSAICS = (1, 1, 2, 3)
"""Pictures along each side, one of these at random for every batch."""

LEAST_SIDE = 0.6
"""A crop of a single picture is at least this share of its side."""

JITTER = 0.3
P_SPOILED = 0.3
"""Batches that are blurred or noisy."""


@dataclass(frozen=True)
class Views:
    """The same batch for both: float32 (b, 3, s, s) in [0, 1]; rows of the first picture where it is alone."""

    teacher: Tensor
    student: Tensor


def draw(pictures: Tensor, n: int, sizes: tuple[int, int], generator: torch.Generator) -> Views:
    """A batch of n views.

    Parameters
    ----------
    pictures : uint8 (N, 3, h, h)
    sizes : side of the teacher's and of the student's input, in pixels
    """
    across = MOSAICS[_whole(len(MOSAICS), generator)]
    chosen = torch.randint(len(pictures), (n * across * across,), generator=generator)
    tiles = pictures[chosen].float() / 255
    flips = torch.rand(len(tiles), generator=generator) < 0.5
    tiles[flips] = tiles[flips].flip(3)
    canvas = _cropped(tiles, generator) if across == 1 else _mosaic(tiles, n, across)
    canvas = _spoiled(_jittered(canvas, generator), generator)
    return Views(*(resized(canvas, size) for size in sizes))


def resized(pictures: Tensor, size: int) -> Tensor:
    """Pictures (b, 3, h, w) brought to size x size with a bilinear filter as wide as it must be, as Pillow does."""
    out = F.interpolate(pictures, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return out.clamp(0, 1)


def _whole(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (1,), generator=generator))


def _uniform(low: float, high: float, n: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator).view(n, 1, 1, 1)


def _cropped(tiles: Tensor, generator: torch.Generator) -> Tensor:
    """One window for the whole batch, so that it stays one resize."""
    side = tiles.shape[2]
    height, width = (
        round(side * (LEAST_SIDE + (1 - LEAST_SIDE) * float(torch.rand(1, generator=generator)))) for _ in "hw"
    )
    top, left = _whole(side - height + 1, generator), _whole(side - width + 1, generator)
    return tiles[:, :, top : top + height, left : left + width]


def _mosaic(tiles: Tensor, n: int, across: int) -> Tensor:
    side = tiles.shape[2]
    grid = tiles.view(n, across, across, 3, side, side).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(n, 3, across * side, across * side)


def _jittered(canvas: Tensor, generator: torch.Generator) -> Tensor:
    """Contrast, brightness and saturation, each by up to 30 %."""
    n = len(canvas)
    grey = canvas.mean(1, keepdim=True)
    canvas = grey + (canvas - grey) * _uniform(1 - JITTER, 1 + JITTER, n, generator)
    middle = canvas.mean((1, 2, 3), keepdim=True)
    canvas = middle + (canvas - middle) * _uniform(1 - JITTER, 1 + JITTER, n, generator)
    return (canvas * _uniform(1 - JITTER, 1 + JITTER, n, generator)).clamp(0, 1)


def _spoiled(canvas: Tensor, generator: torch.Generator) -> Tensor:
    if float(torch.rand(1, generator=generator)) > P_SPOILED:
        return canvas
    if float(torch.rand(1, generator=generator)) < 0.5:
        small = round(canvas.shape[2] * (0.4 + 0.5 * float(torch.rand(1, generator=generator))))
        return F.interpolate(resized(canvas, small), size=canvas.shape[2:], mode="bilinear", align_corners=False)
    noise = torch.randn(canvas.shape, generator=generator)
    return (canvas + noise * _uniform(0.0, 0.1, len(canvas), generator)).clamp(0, 1)
