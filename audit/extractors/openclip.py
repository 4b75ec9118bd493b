"""The image tower of any OpenCLIP model as an extractor, its layers tapped by forward hooks.

Source: Ilharco et al., "OpenCLIP", 2021 (open_clip_torch); the model's own configuration decides size, fit,
interpolation and normalisation.
"""

from __future__ import annotations

import hashlib
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from audit.dna import NeuronRanges
from audit.errors import ExtractorError, UnknownExtractorError, WeightsUnavailableError
from audit.extractors import _cards, _torchvision
from audit.extractors._calibration import calibrate
from audit.extractors._taps import Taps
from audit.extractors.base import ExtractorSpec, Features, InputSpec, Layer
from audit.fingerprint import fingerprint

VERSION = 1
N_CALIBRATION = 128
CALIBRATION_SIDE = 224
STATEMENT = f"{N_CALIBRATION} drawn scenes of {CALIBRATION_SIDE} px (audit.scenes, seed 0), resized to the input"
_BATCH = 16
_FITS = {"shortest": "crop", "squash": "squash", "longest": "pad"}


@dataclass(frozen=True)
class Weights:
    """Where a model's weights are.

    Attributes
    ----------
    name : str
        The extractor's whole name.
    model : str
        OpenCLIP's name of the architecture.
    pretrained : str
        A tag OpenCLIP knows, or the path itself.
    path : pathlib.Path
        The file.
    """

    name: str
    model: str
    pretrained: str
    path: Path

    @property
    def sha256(self) -> str:
        """Hash of the file; computed again only when its size or time changes."""
        stat = self.path.stat()
        return _hash(str(self.path), stat.st_size, stat.st_mtime_ns)


class OpenClip:
    """An OpenCLIP image tower on the best device at hand; see :func:`load`."""

    def __init__(self, weights: Weights) -> None:
        self._visual, preprocess = _tower(weights)
        self._device = _device()
        self._visual.to(self._device)
        self._taps = _tapped(weights.name, self._visual)
        self._mean = np.array(preprocess["mean"], np.float32)
        self._std = np.array(preprocess["std"], np.float32)
        self._input = _input(weights.name, preprocess)
        card = _cards.read(_key(weights))
        self.spec, self.ranges = card if card else self._calibrated(weights)

    def features(self, batch: npt.NDArray[np.uint8]) -> Features:
        """Embed uint8 pictures (b, size, size, 3), RGB.

        Raises
        ------
        ValueError
            If the batch has another shape or type.
        """
        size = self._input.size
        if batch.dtype != np.uint8 or batch.shape[1:] != (size, size, 3):
            raise ValueError(f"this extractor takes uint8 (b, {size}, {size}, 3), got {batch.dtype} {batch.shape}")
        return self._forward(batch)

    def _forward(self, batch: npt.NDArray[np.uint8]) -> Features:
        import torch

        torch.set_num_threads(1)
        pixels = (batch.astype(np.float32) / np.float32(255) - self._mean) / self._std
        with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False):
            inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().to(self._device)
            embedding, layers = self._taps.run(self._visual, inputs)
        return Features(embedding, layers)

    def _calibrated(self, weights: Weights) -> tuple[ExtractorSpec, NeuronRanges]:
        pictures = _calibration_pictures(self._input.size)
        batches = [self._forward(pictures[i : i + _BATCH]) for i in range(0, len(pictures), _BATCH)]
        ranges = calibrate([batch.layers for batch in batches], STATEMENT)
        spec = ExtractorSpec(
            name=weights.name if weights.pretrained != str(weights.path) else f"openclip:{weights.model}",
            architecture=weights.model,
            weights_sha256=weights.sha256,
            input=self._input,
            dimension=batches[0].embedding.shape[1],
            layers=tuple(Layer(name=name, n_neurons=v.shape[2]) for name, v in batches[0].layers.items()),
            ranges_sha256=ranges.sha256,
            version=VERSION,
        )
        _cards.write(_key(weights), spec, ranges)
        return spec, ranges


def load(rest: str) -> OpenClip:
    """The extractor ``openclip:MODEL/PRETRAINED-or-PATH``; the first time it also calibrates the neuron ranges.

    Raises
    ------
    UnknownExtractorError
        If OpenCLIP has no such model or tag.
    WeightsUnavailableError
        If the weights are neither here nor downloadable.
    ExtractorError
        If the file does not hold that model, or the model's layers are not known.
    """
    return OpenClip(find(rest))


def resolve(rest: str) -> ExtractorSpec:
    """The specification of :func:`load`; only hashes the weights when it was loaded on this machine before."""
    weights = find(rest)
    card = _cards.read(_key(weights))
    return card[0] if card else load(rest).spec


def find(rest: str) -> Weights:
    """Where the weights of ``MODEL/PRETRAINED-or-PATH`` are, downloading a tag if need be."""
    open_clip = _open_clip()
    name, (model, _, pretrained) = f"openclip:{rest}", rest.partition("/")
    if open_clip.get_model_config(model) is None:
        raise UnknownExtractorError(name, f"OpenCLIP has no model {model!r}; see open_clip.list_models()")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained in tags:
        return Weights(name, model, pretrained, _download(name, model, pretrained))
    path = Path(pretrained).expanduser()
    if path.is_file():
        return Weights(name, model, str(path), path)
    if path.suffix or "/" in pretrained:
        raise WeightsUnavailableError(name, f"there is no weights file {str(path)!r}; give the path of one that exists")
    known = ", ".join(tags) or "none: give the path of a .safetensors file"
    raise UnknownExtractorError(name, f"{model} has no pretrained tag {pretrained!r}; there are: {known}")


def _download(name: str, model: str, tag: str) -> Path:
    open_clip = _open_clip()
    try:
        with _hub():
            found = open_clip.download_pretrained(open_clip.get_pretrained_cfg(model, tag))
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsUnavailableError(
            name,
            f"the weights {tag!r} of {model} are not on this machine and could not be downloaded ({error}). "
            f"Download them on a machine with a network, copy the .safetensors file here and name it: "
            f"openclip:{model}/PATH, or use the extractor 'classical', which needs none.",
        ) from error
    return Path(found)


@contextmanager
def _hub() -> Iterator[None]:
    """Keep the hub's client from telling of each of its tries, and from trying for a minute where there is no network.

    What has been downloaded before is found all the same. Behind a proxy names need not be known here.
    """
    from huggingface_hub import constants

    log, offline = logging.getLogger("huggingface_hub"), constants.HF_HUB_OFFLINE
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        if not getproxies():
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        log.setLevel(level)
        constants.HF_HUB_OFFLINE = offline


def _tower(weights: Weights) -> tuple[Any, dict[str, Any]]:
    open_clip = _open_clip()
    try:
        model = open_clip.create_model(weights.model, pretrained=weights.pretrained, weights_only=True)
    except (OSError, RuntimeError, ValueError, KeyError, UnpicklingError, SafetensorError) as error:
        message = f"{weights.path} does not hold a {weights.model} that can be read safely: {error}"
        raise ExtractorError(weights.name, message) from error
    visual = model.visual.eval().requires_grad_(False)
    return visual, dict(visual.preprocess_cfg)


def _tapped(name: str, visual: Any) -> Taps:
    try:
        return Taps(visual)
    except ValueError as error:
        raise ExtractorError(name, str(error)) from error


def _input(name: str, preprocess: dict[str, Any]) -> InputSpec:
    size = preprocess["size"]
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise ExtractorError(name, f"its input of {size} pixels is not square, which is not supported")
    fit: Any = _FITS[preprocess["resize_mode"]]
    resample: Any = "bilinear" if preprocess["interpolation"] == "bilinear" else "bicubic"
    return InputSpec(size=sides.pop(), fit=fit, resample=resample)


def _calibration_pictures(size: int) -> npt.NDArray[np.uint8]:
    """Drawn scenes, always drawn at one size, as input: uint8 (n, size, size, 3)."""
    from PIL import Image

    from audit.scenes import calibration_pictures

    drawn = calibration_pictures(N_CALIBRATION, CALIBRATION_SIDE, seed=0)
    return np.stack([np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC)) for one in drawn])


def _key(weights: Weights) -> str:
    recipe = {"model": weights.model, "weights": weights.sha256, "version": VERSION, "pictures": N_CALIBRATION}
    named = weights.name if weights.pretrained != str(weights.path) else ""
    return fingerprint("extractor-card", {**recipe, "name": named})


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@lru_cache(maxsize=64)
def _hash(path: str, _size: int, _mtime_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1)
def _open_clip() -> Any:
    _torchvision.prepare()
    import open_clip

    return open_clip
