"""The image tower of any OpenCLIP model as an extractor, its layers tapped by forward hooks.

Source: Ilharco et al., "OpenCLIP", 2021 (open_clip_torch); the model's own configuration decides size, fit,
interpolation and normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors import SafetensorError

from audit.errors import ExtractorError, UnknownExtractorError, WeightsUnavailableError
from audit.extractors import _cards, _files, _torchvision
from audit.extractors._network import N_CALIBRATION, Identity, Network, Preprocessing, carded
from audit.extractors._taps import Taps
from audit.extractors._torch import TorchRun, device
from audit.extractors.base import ExtractorSpec, InputSpec
from audit.fingerprint import fingerprint

VERSION = 2
"""2: registers are a layer of their own, and outlier tokens do not count."""
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
    def identity(self) -> Identity:
        """What the extractor is called and made of; where its file lies is no part of that."""
        sha256, is_file = _files.sha256(self.path), self.pretrained == str(self.path)
        recipe = {"model": self.model, "weights": sha256, "version": VERSION, "pictures": N_CALIBRATION}
        return Identity(
            name=f"openclip:{self.model}" if is_file else self.name,
            architecture=self.model,
            weights_sha256=sha256,
            version=VERSION,
            key=fingerprint("extractor-card", {**recipe, "name": "" if is_file else self.name}),
        )


class OpenClip(Network):
    """An OpenCLIP image tower on the best device at hand; see :func:`load`."""

    def __init__(self, weights: Weights) -> None:
        visual, settings = _tower(weights)
        chosen = device()
        visual.to(chosen)
        run = TorchRun(_tapped(weights.name, visual), chosen)
        preprocessing = Preprocessing(_input(weights.name, settings), tuple(settings["mean"]), tuple(settings["std"]))
        super().__init__(preprocessing, run, carded(weights.identity, preprocessing, run))


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
    card = _cards.read(weights.identity.key)
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
        found = open_clip.download_pretrained(open_clip.get_pretrained_cfg(model, tag))
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsUnavailableError(
            name,
            f"the weights {tag!r} of {model} are not on this machine and could not be downloaded ({error}). "
            f"Download them on a machine with a network, copy the .safetensors file here and name it: "
            f"openclip:{model}/PATH, or use the extractor 'classical', which needs none.",
        ) from error
    return Path(found)


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


@lru_cache(maxsize=1)
def _open_clip() -> Any:
    _torchvision.prepare()
    import open_clip

    return open_clip
