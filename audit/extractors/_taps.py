"""Which inner outputs of an image tower are layers, caught by forward hooks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audit.extractors._layers import MAP, Form, cut
from audit.extractors._torch import to_numpy

if TYPE_CHECKING:
    import torch

N_TAPS = 4
"""Transformer blocks tapped: the last of each quarter of the depth. Of stages, the last four."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tap:
    """One inner module, and how its output is cut into layers.

    ``batch_first`` is False where tokens come before pictures.
    """

    module: Any
    name: str
    form: Form
    batch_first: bool = True


class Taps:
    """An image tower with hooks; what they catch belongs to the thread that runs it.

    Parameters
    ----------
    visual : torch module
        The image tower of an OpenCLIP model, or a timm model.

    Raises
    ------
    ValueError
        If the tower has none of the known forms.
    """

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self._caught = threading.local()
        for tap in _taps(visual):
            tap.module.register_forward_hook(self._catch(tap))

    def _catch(self, tap: Tap) -> Callable[[Any, Any, Any], None]:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            layers = getattr(self._caught, "layers", None)
            if layers is not None:
                value = output if tap.batch_first else output.transpose(0, 1)
                layers.update(cut(tap.name, to_numpy(value), tap.form))

        return hook

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, dict[str, Floats]]:
        """The tower's embedding (b, d) and every tapped layer (b, positions, channels)."""
        self._caught.layers = {}
        try:
            output = self._visual(pixels)
            return output[0] if isinstance(output, tuple) else output, self._caught.layers
        finally:
            self._caught.layers = None


def quarters(n: int) -> list[int]:
    """Places of the last block of each quarter of n; of fewer than four, every block."""
    parts = min(N_TAPS, n)
    return [round((i + 1) * n / parts) - 1 for i in range(parts)]


def token_form(tower: Any) -> Form:
    """What a timm transformer's tokens are: class tokens, then registers, then patches."""
    registers = getattr(tower, "num_reg_tokens", None)
    if registers is None:
        learned = getattr(tower, "reg_token", None)
        registers = 0 if learned is None else learned.shape[1]
    return Form("tokens", int(tower.num_prefix_tokens) - int(registers), int(registers))


def _taps(visual: Any) -> list[Tap]:
    tower = getattr(visual, "trunk", visual)
    if hasattr(tower, "transformer") and hasattr(tower.transformer, "resblocks"):
        blocks = list(tower.transformer.resblocks)
        form = Form("tokens", n_class=1 if hasattr(tower, "class_embedding") else 0)
        first = getattr(tower.transformer, "batch_first", False)
        return [Tap(blocks[i], f"block{i + 1}", form, first) for i in quarters(len(blocks))]
    if hasattr(tower, "blocks") and hasattr(tower, "num_prefix_tokens"):
        blocks, form = list(tower.blocks), token_form(tower)
        return [Tap(blocks[i], f"block{i + 1}", form) for i in quarters(len(blocks))]
    form = Form("map_last") if getattr(tower, "output_fmt", "NCHW") == "NHWC" else MAP
    return [Tap(module, f"stage{i + 1}", form) for i, module in enumerate(_stages(tower)[-N_TAPS:])]


def _stages(tower: Any) -> list[Any]:
    if hasattr(tower, "layer1"):
        return [getattr(tower, f"layer{i}") for i in range(1, 5)]
    for name in ("stages", "layers"):
        if hasattr(tower, name):
            return list(getattr(tower, name))
    named = [one.get("module") for one in getattr(tower, "feature_info", None) or ()]
    if not named or None in named:
        raise ValueError(f"the layers of an image tower of type {type(tower).__name__} are not known")
    return [tower.get_submodule(name) for name in named]
