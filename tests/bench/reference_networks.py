"""Networks trained on ImageNet from the shared folder, as extractors: what Assay's own are measured against.

``teacher`` is MobileNetV2, ``resnet50v2`` the first three stages of the pre-activation ResNet-50, ``squeezenet`` is
SqueezeNet 1.1; all at 224 pixels. The embedding is the mean over places of the last map; layers are maps averaged over
a 4 x 4 grid, as those of the bundled extractor. Ranges are calibrated as for any other network.

Source: He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016 (figure 4e); Iandola et al.,
"SqueezeNet", 2016. The files are described in the shared folder's ``weights/README.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from safetensors.torch import load_file
from torch import Tensor

from audit.extractors._network import Network, Preprocessing, carded, identity
from audit.extractors._torch import TorchRun, to_numpy
from audit.extractors.base import InputSpec
from audit.extractors.bundled import GRID, PREPROCESSING
from infra.train_extractor.teacher import read_teacher
from tests.bench.real_pictures import shared_data

SIDE = 224
N_BLOCKS = (3, 4, 6)
"""Blocks of the stages of the ResNet."""

State = Mapping[str, Tensor]
Maps = dict[str, Tensor]
"""The last is the one whose mean over places is the embedding."""
Floats = npt.NDArray[np.float32]


@lru_cache
def reference(name: str) -> Network:
    """The network of that name as an extractor; calibrated at first, which is kept as a card."""
    file, build = NETWORKS[name]
    path = shared_data() / "weights" / file
    maps = build(path)
    shown = Preprocessing(InputSpec(size=SIDE), PREPROCESSING.mean, PREPROCESSING.std)
    run = TorchRun(lambda pixels: _features(maps(pixels.contiguous(memory_format=torch.channels_last))), "cpu")
    known = identity("reference", name, hashlib.sha256(path.read_bytes()).hexdigest(), version=1)
    return Network(shown, run, carded(known, shown, run))


def _features(maps: Maps) -> tuple[Tensor, dict[str, Floats]]:
    cells = {name: F.adaptive_avg_pool2d(value, GRID).flatten(2).transpose(1, 2) for name, value in maps.items()}
    return list(maps.values())[-1].mean((2, 3)), {name: to_numpy(value.contiguous()) for name, value in cells.items()}


def _teacher(path: Path) -> Callable[[Tensor], Maps]:
    trunk = read_teacher(path).to(memory_format=torch.channels_last)
    kept = {"stage2": 1, "stage3": 2, "stage4": 3, "stage5": 4, "stage7": 6, "last": 7}

    def maps(pixels: Tensor) -> Maps:
        found = trunk(pixels)
        return {name: found[place] for name, place in kept.items()}

    return maps


def _resnet50v2(path: Path) -> Callable[[Tensor], Maps]:
    state = _read(path)

    def maps(pixels: Tensor) -> Maps:
        x = F.conv2d(_norm(state, "batchnorm0", pixels), state["conv0_weight"], stride=2, padding=3)
        x = F.max_pool2d(F.relu(_norm(state, "batchnorm1", x)), 3, 2, 1)
        found: Maps = {"stem": x}
        for number, n_blocks in enumerate(N_BLOCKS, start=1):
            x = _stage(state, f"stage{number}", x, n_blocks, stride=1 if number == 1 else 2)
            found[f"stage{number}"] = x
        return {**found, "stage3": F.relu(_norm(state, "stage4_batchnorm0", x))}

    return maps


def _stage(state: State, name: str, x: Tensor, n_blocks: int, *, stride: int) -> Tensor:
    """Pre-activation bottlenecks; the first has one more convolution, the shortcut, from the activated input."""
    convolution, norm = 0, 0
    for block in range(n_blocks):
        step = stride if block == 0 else 1
        active = F.relu(_norm(state, f"{name}_batchnorm{norm}", x))
        one, two, three = (state[f"{name}_conv{convolution + i}_weight"] for i in range(3))
        shortcut = F.conv2d(active, state[f"{name}_conv{convolution + 3}_weight"], stride=step) if block == 0 else x
        y = F.relu(_norm(state, f"{name}_batchnorm{norm + 1}", F.conv2d(active, one)))
        y = F.relu(_norm(state, f"{name}_batchnorm{norm + 2}", F.conv2d(y, two, stride=step, padding=1)))
        x = F.conv2d(y, three) + shortcut
        convolution, norm = convolution + (4 if block == 0 else 3), norm + 3
    return x


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance = state[f"{name}_running_mean"], state[f"{name}_running_var"]
    return F.batch_norm(x, mean, variance, state[f"{name}_gamma"], state[f"{name}_beta"], eps=1e-5)


def _squeezenet(path: Path) -> Callable[[Tensor], Maps]:
    state = _read(path)

    def fire(number: int, x: Tensor) -> Tensor:
        part = f"features.{number}"
        x = _conv(state, f"{part}.squeeze", x)
        return torch.cat([_conv(state, f"{part}.expand1x1", x), _conv(state, f"{part}.expand3x3", x, padding=1)], 1)

    def maps(pixels: Tensor) -> Maps:
        x = F.max_pool2d(_conv(state, "features.0", pixels, stride=2), 3, 2, ceil_mode=True)
        found: Maps = {}
        for numbers in ((3, 4), (6, 7), (9, 10, 11, 12)):
            for number in numbers:
                x = found[f"fire{number}"] = fire(number, x)
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return found

    return maps


def _conv(state: State, name: str, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    return F.relu(F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride, padding))


def _read(path: Path) -> State:
    """Weights in float32, those of convolutions with the channels last in memory."""
    state = {name: value.float() for name, value in load_file(path).items()}
    return {n: v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v for n, v in state.items()}


NETWORKS: dict[str, tuple[str, Callable[[Path], Callable[[Tensor], Maps]]]] = {
    "teacher": ("mobilenetv2_imagenet_trunk.safetensors", _teacher),
    "resnet50v2": ("resnet50v2_stages1to3_fp16.safetensors", _resnet50v2),
    "squeezenet": ("squeezenet11_imagenet_fp16.safetensors", _squeezenet),
}
"""File and builder by name."""
