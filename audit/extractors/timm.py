"""Any timm model as an extractor: its own preprocessing, and layers where timm says its features are.

Source: Wightman, "PyTorch Image Models", 2019 (timm). Layers come from the model's ``feature_info`` through
``forward_intermediates``; a model without it is tapped by hooks.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from audit.errors import ExtractorError, UnknownExtractorError, WeightsUnavailableError
from audit.extractors import _files, _torchvision
from audit.extractors._hub import hub
from audit.extractors._layers import MAP, cut
from audit.extractors._names import BF16, SIZE, size_of, split_options
from audit.extractors._network import Identity, Network, Preprocessing, carded, identity, resolved
from audit.extractors._taps import N_TAPS, Taps, quarters, token_form
from audit.extractors._torch import TorchRun, device, to_numpy
from audit.extractors.base import ExtractorSpec, InputSpec
from audit.maths.histograms import MAX_POSITIONS

if TYPE_CHECKING:
    import torch

VERSION = 1
_FILENAMES = ("model.safetensors", "pytorch_model.bin")
_FITS: dict[str, Any] = {"center": "crop", "squash": "squash", "border": "pad"}

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """Where a model's weights are.

    Attributes
    ----------
    name : str
        The extractor's whole name.
    model : str
        timm's name, with or without the tag of pretrained weights.
    path : pathlib.Path
        The file.
    options : set of str
        ``bf16``, ``size=N``: see :mod:`audit.extractors._names`.
    """

    name: str
    model: str
    path: Path
    options: frozenset[str] = frozenset()

    @property
    def identity(self) -> Identity:
        """What the extractor is called and made of; where its file lies is no part of that."""
        return identity("timm", self.model, _files.sha256(self.path), version=VERSION, options=self.options)


class Timm(Network):
    """A timm model on the best device at hand; see :func:`load`."""

    def __init__(self, weights: Weights) -> None:
        model = _loaded(weights)
        preprocessing = preprocessing_of(weights.name, model, size_of(weights.options))
        chosen, known = device(), weights.identity
        run = TorchRun(tapped(weights.name, model.to(chosen), preprocessing.input.size), chosen, known.dtype)
        super().__init__(preprocessing, run, carded(known, preprocessing, run))


class FeatureTaps:
    """A timm model that also gives its intermediate features.

    Parameters
    ----------
    model : torch module with ``forward_intermediates``
    size : int
        Side of its input in pixels; maps of more than 32 768 positions are left out.
    """

    def __init__(self, model: Any, size: int) -> None:
        self._model = model
        self.places = _chosen(list(model.feature_info), size)
        has_tokens = "return_prefix_tokens" in inspect.signature(model.forward_intermediates).parameters
        self._form = token_form(model) if has_tokens else MAP
        self._how: dict[str, Any] = {"output_fmt": "NLC" if has_tokens else "NCHW"}
        if self._form.n_class or self._form.n_register:
            self._how["return_prefix_tokens"] = True

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, dict[str, Floats]]:
        """The model's embedding (b, d), and its features as layers."""
        last, caught = self._model.forward_intermediates(pixels, indices=list(self.places.values()), **self._how)
        layers: dict[str, Floats] = {}
        for name, value in zip(self.places, caught, strict=True):
            layers |= cut(name, _joined(value), self._form)
        return self._model.forward_head(last, pre_logits=True), layers


def load(rest: str) -> Timm:
    """The extractor ``timm:MODEL`` or ``timm:MODEL/PATH``; the first time it also calibrates the neuron ranges.

    Raises
    ------
    UnknownExtractorError
        If timm has no such model or tag.
    WeightsUnavailableError
        If the weights are neither here nor downloadable.
    ExtractorError
        If the file does not hold that model, or the model's layers are not known.
    """
    return Timm(find(rest))


def resolve(rest: str) -> ExtractorSpec:
    """The specification of :func:`load`; only hashes the weights when it was loaded on this machine before."""
    weights = find(rest)
    return resolved(weights.identity, lambda: load(rest))


def find(rest: str) -> Weights:
    """Where the weights of ``MODEL[/PATH][#OPTIONS]`` are, downloading those of a tag if need be."""
    name = f"timm:{rest}"
    rest, options = split_options(name, rest, [BF16, SIZE])
    model, has_path, path = rest.partition("/")
    config = _config(name, model)
    if not has_path:
        return Weights(name, model, _download(name, model, config), options)
    file = Path(path).expanduser()
    if not path or not file.is_file():
        raise WeightsUnavailableError(name, f"there is no weights file {path!r}; give the path of one that exists")
    return Weights(name, model, file, options)


def preprocessing_of(name: str, model: Any, size: int | None = None) -> Preprocessing:
    """The model's own: size (unless one is given), share of the centre, interpolation, mean and standard deviation."""
    config = _timm().data.resolve_model_data_config(model)
    channels, height, width = config["input_size"] if size is None else (config["input_size"][0], size, size)
    if channels != len("RGB") or height != width:
        raise ExtractorError(name, f"its input {config['input_size']} is not a square RGB picture")
    fit = _FITS[config["crop_mode"]]
    resample: Any = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    crop = 1.0 if fit == "pad" else height / math.floor(height / config["crop_pct"])
    shown = InputSpec(size=height, fit=fit, resample=resample, crop=min(1.0, crop))
    return Preprocessing(shown, tuple(config["mean"]), tuple(config["std"]))


def tapped(name: str, model: Any, size: int) -> FeatureTaps | Taps:
    """The model with its layers tapped, as it is in evaluation."""
    model = model.eval().requires_grad_(False)
    try:
        return FeatureTaps(model, size) if hasattr(model, "forward_intermediates") else Taps(model)
    except ValueError as error:
        raise ExtractorError(name, str(error)) from error


def _chosen(features: list[dict[str, Any]], size: int) -> dict[str, int]:
    """Names and places of the features tapped: the last four; where all are of one size, the last of each quarter."""
    places = quarters(len(features))
    if len({one["reduction"] for one in features}) > 1:
        places = list(range(len(features)))[-N_TAPS:]
    places = [i for i in places if (size // features[i]["reduction"]) ** 2 <= MAX_POSITIONS]
    uses = Counter(features[i]["module"] for i in places)
    return {
        features[i]["module"] if uses[features[i]["module"]] == 1 else f"{features[i]['module']}@{i}": i for i in places
    }


def _joined(value: Any) -> Floats:
    """Intermediate features; of a transformer, the tokens before the patches are put back in front of them."""
    if not isinstance(value, tuple):
        return to_numpy(value)
    patches, before = value
    return np.concatenate([to_numpy(before), to_numpy(patches)], axis=1)


def _config(name: str, model: str) -> Any:
    timm = _timm()
    if not timm.is_model(model):
        raise UnknownExtractorError(name, f"timm has no model {model.partition('.')[0]!r}; see timm.list_models()")
    try:
        return timm.get_pretrained_cfg(model)
    except RuntimeError as error:
        architecture, _, tag = model.partition(".")
        known = ", ".join(timm.list_pretrained(f"{architecture}.*")) or "none: give the path of a weights file"
        raise UnknownExtractorError(name, f"{architecture} has no weights {tag!r}; there are: {known}") from error


def _download(name: str, model: str, config: Any) -> Path:
    if not config.hf_hub_id and not config.url:
        raise WeightsUnavailableError(name, f"timm has no weights of {model}: give the path of some, {name}/PATH")
    try:
        with hub():
            return Path(_downloaded(config))
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsUnavailableError(
            name,
            f"the weights of {model} are not on this machine and could not be downloaded ({error}). "
            f"Download them on a machine with a network, copy the .safetensors file here and name it: "
            f"timm:{model}/PATH, or use the extractor 'bundled', which needs none.",
        ) from error


def _downloaded(config: Any) -> str:
    from timm.models import _hub

    if not config.hf_hub_id:
        return str(_hub.download_cached_file(config.url))
    names = [config.hf_hub_filename] if config.hf_hub_filename else list(_FILENAMES)
    refusals: list[Exception] = []
    for filename in names:
        try:
            return str(_hub.download_from_hf(config.hf_hub_id, filename))
        except (OSError, ValueError) as error:
            refusals.append(error)
    raise refusals[0]


def _loaded(weights: Weights) -> Any:
    """The model with exactly these weights: every number of the file has a place, and every place a number."""
    timm = _timm()
    refusal: Exception = ValueError("it holds no weights")
    try:
        state = timm.models.load_state_dict(str(weights.path), device="cpu", weights_only=True)
        for n_classes in _classes(_config(weights.name, weights.model), state):
            try:
                model = _created(weights, state, n_classes)
            except (RuntimeError, KeyError) as error:
                refusal = error
            else:
                model.reset_classifier(0)
                return model
    except (OSError, RuntimeError, ValueError, AttributeError, UnpicklingError, SafetensorError) as error:
        refusal = error
    message = f"{weights.path} does not hold a {weights.model} that can be read safely: {str(refusal)[:500]}"
    raise ExtractorError(weights.name, message) from refusal


def _created(weights: Weights, state: Any, n_classes: int) -> Any:
    """The model with its weights; a transformer is told the size of its input, and brings its positions to it."""
    size = size_of(weights.options)
    create = partial(_timm().create_model, weights.model, pretrained=True, num_classes=n_classes)

    def overlay() -> dict[str, Any]:
        return {"state_dict": dict(state), "num_classes": n_classes, "label_offset": 0}

    if size is None:
        return create(pretrained_cfg_overlay=overlay())
    try:
        return create(pretrained_cfg_overlay=overlay(), img_size=size)
    except TypeError:  # a network of convolutions takes pictures of any size and is not told
        return create(pretrained_cfg_overlay=overlay())


def _classes(config: Any, state: Any) -> Iterator[int]:
    """How many classes the weights may have been trained for: as their classifier says, as timm says, or none."""
    named = (config.classifier,) if isinstance(config.classifier, str) else config.classifier or ()
    found = [len(state[f"{one}.weight"]) for one in named if f"{one}.weight" in state]
    yield from dict.fromkeys([*found[:1], *([] if found else [config.num_classes]), 0])


@lru_cache(maxsize=1)
def _timm() -> Any:
    _torchvision.prepare()
    import timm

    return timm
