"""The network of the bundled extractor: MobileNetV2 with its normalisations folded into the convolutions.

Source: M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018, table 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from torch import Tensor, nn

TABLE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of every stage."""

N_STEM = 32
N_LAST = 1280


class Block(nn.Module):
    """Expand, filter each channel, project; with a skip where the shape stays."""

    def __init__(self, n_in: int, n_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        n_hidden = n_in * expansion
        self.expand = nn.Conv2d(n_in, n_hidden, 1) if expansion != 1 else nn.Identity()
        self.filter = nn.Conv2d(n_hidden, n_hidden, 3, stride, 1, groups=n_hidden)
        self.project = nn.Conv2d(n_hidden, n_out, 1)
        self.expands = expansion != 1
        self.skips = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Maps (b, n_in, h, w) to maps (b, n_out, h / stride, w / stride)."""
        y: Tensor = F.relu6(self.expand(x), inplace=True) if self.expands else x
        y = self.project(F.relu6(self.filter(y), inplace=True))
        return torch.add(x, y) if self.skips else y


class Trunk(nn.Module):
    """Everything up to the last feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, N_STEM, 3, 2, 1)
        stages, n_in = [], N_STEM
        for expansion, n_out, n_blocks, stride in TABLE:
            blocks = [Block(n_in, n_out, expansion, stride)]
            blocks += [Block(n_out, n_out, expansion, 1) for _ in range(n_blocks - 1)]
            stages.append(nn.Sequential(*blocks))
            n_in = n_out
        self.stages = nn.ModuleList(stages)
        self.last = nn.Conv2d(n_in, N_LAST, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The map after every stage and the last one, (b, c, h, w) each, of normalised pictures (b, 3, s, s)."""
        maps, x = [], F.relu6(self.stem(x), inplace=True)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return [*maps, F.relu6(self.last(x), inplace=True)]


class Network(nn.Module):
    """Trunk, mean over places, linear head.

    Parameters
    ----------
    dimension : int
        Length of the embedding.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Linear(N_LAST, dimension)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The embedding (b, dimension), not of unit length, and the maps of the trunk."""
        maps = self.trunk(x)
        return self.head(maps[-1].mean((2, 3))), maps
