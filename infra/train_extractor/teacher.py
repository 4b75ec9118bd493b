"""The teacher: MobileNetV2 trained on ImageNet (Apache-2.0), read from its published trunk.

Names in the file are torchvision's; normalisations are folded into the convolutions that they follow.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from audit.extractors._mobilenet import Trunk

EPSILON = 1e-5


def read_teacher(path: Path) -> Trunk:
    """The trunk of a torchvision ``mobilenet_v2`` state dictionary, ready to run.

    Raises
    ------
    KeyError
        If the file does not hold that network.
    """
    state = load_file(path)
    trunk = Trunk()
    _put(trunk.stem, state, "features.0.0", "features.0.1")
    blocks = [block for stage in trunk.stages for block in stage]
    for number, block in enumerate(blocks, start=1):
        name, place = f"features.{number}.conv", 0
        if block.expands:
            _put(block.expand, state, f"{name}.0.0", f"{name}.0.1")
            place = 1
        _put(block.filter, state, f"{name}.{place}.0", f"{name}.{place}.1")
        _put(block.project, state, f"{name}.{place + 1}", f"{name}.{place + 2}")
    _put(trunk.last, state, "features.18.0", "features.18.1")
    return trunk.eval().requires_grad_(False)


def _put(convolution: nn.Conv2d, state: dict[str, Tensor], weight: str, norm: str) -> None:
    """Fold γ (x − μ) / √(σ² + ε) + β into the convolution: w γ/√(σ² + ε), bias β − μ γ/√(σ² + ε)."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
    with torch.no_grad():
        convolution.weight.copy_(state[f"{weight}.weight"] * scale.view(-1, 1, 1, 1))
        convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)
