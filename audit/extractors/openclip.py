"""The image tower of any OpenCLIP model as an extractor, its layers tapped by forward hooks; texts in the same space.

Source: Ilharco et al., "OpenCLIP", 2021 (open_clip_torch); the model's own configuration decides size, fit,
interpolation and normalisation.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from audit.errors import ExtractorError, UnknownExtractorError, WeightsUnavailableError
from audit.extractors import _files, _texts, _torchvision
from audit.extractors._hub import hub
from audit.extractors._names import BF16, OPTIONS, PRE, size_of, split_options, suffix
from audit.extractors._network import Identity, Network, Preprocessing, carded, identity, resolved
from audit.extractors._taps import Taps
from audit.extractors._torch import TorchRun, device, frozen, to_numpy
from audit.extractors.base import ExtractorSpec, InputSpec
from audit.fingerprint import fingerprint

VERSION = 2
"""2: registers are a layer of their own, and outlier tokens do not count."""
_PROMPTS = 64
_CONFIG = ("embed_dim", "vision_cfg", "text_cfg")
"""What the configuration of a model must hold."""
_UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, AssertionError, UnpicklingError, SafetensorError)
"""What loading weights that are no weights of the model raises."""
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
    options : set of str
        ``bf16``, ``pre``, ``size=N``: see :mod:`audit.extractors._names`.
    config : str
        Hash of the model's configuration; empty for an architecture that OpenCLIP ships.
    """

    name: str
    model: str
    pretrained: str
    path: Path
    options: frozenset[str] = frozenset()
    config: str = ""

    @property
    def identity(self) -> Identity:
        """What the extractor is called and made of."""
        tag = "" if self.pretrained == str(self.path) else self.pretrained
        sha256 = _files.sha256(self.path)
        own = f"{self.model}@{self.config[:12]}{suffix(self.options - {BF16})}" if self.config else ""
        return identity(
            "openclip", self.model, sha256, version=VERSION, tag=tag, options=self.options, architecture=own
        )


class OpenClip(Network):
    """An OpenCLIP image tower on the best device at hand; see :func:`load`. It is also a ``TextEncoder``."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        visual = _model(weights).visual.eval().requires_grad_(False)
        settings, known, chosen = dict(visual.preprocess_cfg), weights.identity, device()
        if PRE in weights.options:
            _leave_out_projection(weights.name, visual)
        visual.to(chosen)
        run = TorchRun(_tapped(weights.name, visual), chosen, known.dtype)
        preprocessing = Preprocessing(_input(weights.name, settings), tuple(settings["mean"]), tuple(settings["std"]))
        super().__init__(preprocessing, run, carded(known, preprocessing, run))

    def embed_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed n texts in the space of the pictures, float32 (n, d); the text tower is loaded on first use.

        Raises
        ------
        ExtractorError
            If this extractor's embedding is the one before the shared space.
        WeightsUnavailableError
            If the tokeniser's vocabulary is neither here nor downloadable.
        """
        if PRE in self._weights.options:
            raise ExtractorError(self._weights.name, f"texts have no place in #{PRE} features: leave #{PRE} out")
        encode, tokenise, _ = self._text
        parts = [encode(tokenise(list(prompts[i : i + _PROMPTS]))) for i in range(0, len(prompts), _PROMPTS)]
        return np.concatenate([np.zeros((0, self.spec.dimension), np.float32), *parts])

    @property
    def temperature(self) -> float:
        """What the training multiplied cosines of pictures and texts by; the text tower is loaded on first use."""
        return float(self._text[2])

    @cached_property
    def _text(self) -> tuple[Any, Any, float]:
        model, chosen = _model(self._weights).eval().requires_grad_(False), device()
        model.visual = None
        model.to(chosen)

        def encode(tokens: Any) -> npt.NDArray[np.float32]:
            with frozen(chosen):
                length = _texts.length(model, tokens)
                return to_numpy(_texts.shortened(model, length).encode_text(tokens[:, :length].to(chosen)))

        return encode, _tokeniser(self._weights), float(model.logit_scale.detach().exp())


def load(rest: str) -> OpenClip:
    """The extractor ``openclip:MODEL/PRETRAINED-or-PATH#OPTIONS``; the first time it also calibrates the neuron ranges.

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
    return resolved(weights.identity, lambda: load(rest))


def find(rest: str) -> Weights:
    """Where the weights of ``MODEL/PRETRAINED-or-PATH#OPTIONS`` are, downloading a tag if need be."""
    open_clip, name = _open_clip(), f"openclip:{rest}"
    rest, options = split_options(name, rest, OPTIONS)
    model, _, pretrained = rest.partition("/")
    _configure(name, model, Path(pretrained).expanduser())
    if open_clip.get_model_config(model) is None:
        raise UnknownExtractorError(
            name,
            f"OpenCLIP has no model {model!r}; see open_clip.list_models(), or put the configuration of your own model "
            f"beside its weights as {model}.json",
        )
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained in tags:
        return Weights(name, model, pretrained, _download(name, model, pretrained), options)
    path = Path(pretrained).expanduser()
    if path.is_file():
        return Weights(name, model, str(path), path, options, _own_config(model))
    if path.suffix or "/" in pretrained:
        raise WeightsUnavailableError(name, f"there is no weights file {str(path)!r}; give the path of one that exists")
    known = ", ".join(tags) or "none: give the path of a .safetensors file"
    raise UnknownExtractorError(name, f"{model} has no pretrained tag {pretrained!r}; there are: {known}")


def _configure(name: str, model: str, path: Path) -> None:
    """Let OpenCLIP know the configuration ``MODEL.json`` beside weights of one's own, if there is one.

    An architecture that OpenCLIP ships is never replaced.
    """
    if model in _shipped() or not path.is_file() or not (beside := path.with_name(f"{model}.json")).is_file():
        return
    try:
        config = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExtractorError(name, f"{beside} beside the weights is no JSON: {error}") from error
    missing = [key for key in _CONFIG if key not in config]
    if missing:
        raise ExtractorError(name, f"{beside} beside the weights lacks {', '.join(missing)}: see OpenCLIP's own")
    if _open_clip().get_model_config(model) != config:
        _open_clip().add_model_config(beside)


def _own_config(model: str) -> str:
    """Hash of the configuration of a model that OpenCLIP does not ship; empty for one that it does."""
    return "" if model in _shipped() else fingerprint("openclip-config", _open_clip().get_model_config(model))


@lru_cache(maxsize=1)
def _shipped() -> frozenset[str]:
    """The architectures that OpenCLIP itself brings."""
    folder = Path(_open_clip().__file__).parent / "model_configs"
    return frozenset(file.stem for file in folder.glob("*.json"))


def _download(name: str, model: str, tag: str) -> Path:
    open_clip = _open_clip()
    try:
        with hub():
            found = open_clip.download_pretrained(open_clip.get_pretrained_cfg(model, tag))
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsUnavailableError(
            name,
            f"the weights {tag!r} of {model} are not on this machine and could not be downloaded ({error}). "
            f"Download them on a machine with a network, copy the .safetensors file here and name it: "
            f"openclip:{model}/PATH, or use the extractor 'bundled', which needs none.",
        ) from error
    return Path(found)


def _model(weights: Weights) -> Any:
    open_clip = _open_clip()
    try:
        size = size_of(weights.options)
        return open_clip.create_model(
            weights.model, pretrained=weights.pretrained, weights_only=True, force_image_size=size
        )
    except _UNREADABLE as error:
        message = f"{weights.path} does not hold a {weights.model} that can be read safely: {error}"
        raise ExtractorError(weights.name, message) from error


def _leave_out_projection(name: str, visual: Any) -> None:
    """Let the tower end before its projection into the space shared with text."""
    import torch

    if getattr(visual, "proj", None) is not None:
        visual.proj = None
    elif hasattr(visual, "trunk"):
        pools = [(part, module) for part, module in visual.head.named_children() if part == "pool"]
        visual.head = torch.nn.Sequential(OrderedDict(pools))
    else:
        raise ExtractorError(name, f"its image tower has no projection that could be left out: name it without #{PRE}")


def _tokeniser(weights: Weights) -> Any:
    try:
        return _open_clip().get_tokenizer(weights.model)
    except (OSError, ValueError, RuntimeError) as error:
        message = f"the vocabulary of {weights.model} is not on this machine and could not be downloaded ({error})"
        raise WeightsUnavailableError(weights.name, message) from error


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


@lru_cache(maxsize=1)
def _open_clip() -> Any:
    _torchvision.prepare()
    import open_clip

    return open_clip
