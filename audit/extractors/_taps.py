"""Which inner outputs of an image tower are layers, and how they become (pictures, positions, channels)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audit.extractors._torch import to_numpy

if TYPE_CHECKING:
    import torch

N_BLOCKS = 4
"""Transformer blocks tapped: the last of each quarter of the depth."""

Floats = npt.NDArray[np.float32]
Split = Callable[["torch.Tensor"], "dict[str, torch.Tensor]"]


@dataclass(frozen=True)
class Tap:
    """One inner module and how its output is cut into layers."""

    module: Any
    split: Split


class Taps:
    """An image tower with hooks; what they catch belongs to the thread that runs it.

    Parameters
    ----------
    visual : torch module
        The image tower of an OpenCLIP model.

    Raises
    ------
    ValueError
        If the tower has none of the known forms.
    """

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self._caught = threading.local()
        for tap in _taps(visual):
            tap.module.register_forward_hook(self._catch(tap.split))

    def _catch(self, split: Split) -> Callable[[Any, Any, Any], None]:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            layers = getattr(self._caught, "layers", None)
            if layers is not None:
                layers.update({name: to_numpy(value.contiguous()) for name, value in split(output).items()})

        return hook

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, dict[str, Floats]]:
        """The tower's embedding (b, d) and every tapped layer (b, positions, channels)."""
        self._caught.layers = {}
        try:
            output = self._visual(pixels)
            return output[0] if isinstance(output, tuple) else output, self._caught.layers
        finally:
            self._caught.layers = None


def _taps(visual: Any) -> list[Tap]:
    tower = getattr(visual, "trunk", visual)
    if hasattr(tower, "transformer") and hasattr(tower.transformer, "resblocks"):
        blocks = list(tower.transformer.resblocks)
        prefix = 1 if hasattr(tower, "class_embedding") else 0
        first = getattr(tower.transformer, "batch_first", False)
        return [Tap(blocks[i], _tokens(f"block{i + 1}", prefix, first)) for i in _quarters(len(blocks))]
    if hasattr(tower, "blocks") and hasattr(tower, "num_prefix_tokens"):
        blocks = list(tower.blocks)
        prefix = int(tower.num_prefix_tokens)
        return [Tap(blocks[i], _tokens(f"block{i + 1}", prefix, True)) for i in _quarters(len(blocks))]
    if hasattr(tower, "layer1"):
        return [Tap(getattr(tower, f"layer{i}"), _map(f"stage{i}")) for i in range(1, 5)]
    if hasattr(tower, "stages"):
        return [Tap(stage, _map(f"stage{i + 1}")) for i, stage in enumerate(tower.stages)]
    raise ValueError(f"the layers of an image tower of type {type(tower).__name__} are not known")


def _quarters(n: int) -> list[int]:
    return sorted({round((i + 1) * n / N_BLOCKS) - 1 for i in range(min(N_BLOCKS, n))} - {-1})


def _tokens(name: str, n_prefix: int, batch_first: bool) -> Split:
    """Class and register tokens as one layer, patches as another."""

    def split(output: torch.Tensor) -> dict[str, torch.Tensor]:
        tokens = output if batch_first else output.transpose(0, 1)
        layers = {f"{name}.class": tokens[:, :n_prefix]} if n_prefix else {}
        return {**layers, f"{name}.patches": tokens[:, n_prefix:]}

    return split


def _map(name: str) -> Split:
    """Every place of a feature map (b, c, h, w) as a position."""

    def split(output: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: output.flatten(2).transpose(1, 2)}

    return split
