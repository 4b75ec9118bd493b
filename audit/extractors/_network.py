"""What every frozen network shares: pictures are normalised, run, and counted in ranges calibrated once.

A family of networks brings the normalisation and a function that runs the network; see :class:`Network`. Ranges that
are shipped with the weights are given; others come from :func:`carded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from audit.dna import NeuronRanges
from audit.errors import ExtractorError
from audit.extractors import _cards
from audit.extractors._calibration import calibrate, thinned
from audit.extractors._names import BF16, suffix
from audit.extractors._torch import TorchRun
from audit.extractors.base import ExtractorSpec, Features, InputSpec, Layer
from audit.fingerprint import fingerprint

N_CALIBRATION = 128
CALIBRATION_SIDE = 224
STATEMENT = f"{N_CALIBRATION} drawn scenes of {CALIBRATION_SIDE} px (audit.scenes, seed 0), resized to the input"
_BATCH = 16

Floats = npt.NDArray[np.float32]
Run = Callable[[Floats], tuple[Floats, Mapping[str, Floats]]]
"""Normalised pixels (b, 3, size, size) to the embedding (b, d) and every layer (b, positions, channels)."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes numbers: the size and fit, then (x / 255 - mean) / std per channel."""

    input: InputSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Identity:
    """What a network is called and made of; with what it is seen to give, this becomes its specification.

    Attributes
    ----------
    name, architecture, weights_sha256, version, dtype
        As in :class:`audit.extractors.base.ExtractorSpec`.
    key : str
        Names the card; decided by everything that decides the specification.
    """

    name: str
    architecture: str
    weights_sha256: str
    version: int
    key: str
    dtype: Literal["float32", "bfloat16"] = "float32"


def identity(
    family: str,
    model: str,
    sha256: str,
    *,
    version: int,
    tag: str = "",
    options: frozenset[str] = frozenset(),
    architecture: str = "",
) -> Identity:
    """The identity of a network.

    Parameters
    ----------
    family, model : str
        The scheme, and what follows the colon.
    tag : str
        Name of pretrained weights; empty for a local file, whose path is no part of what it is.
    options : set of str
        See :mod:`audit.extractors._names`.
    architecture : str
        The model's name with its options, unless it is said otherwise.
    """
    architecture = architecture or model + suffix(options - {BF16})
    name = f"{family}:{model}{f'/{tag}' if tag else ''}{suffix(options)}"
    recipe = {"name": name, "architecture": architecture, "weights": sha256, "version": version}
    key = fingerprint("extractor-card", {**recipe, "pictures": N_CALIBRATION})
    return Identity(name, architecture, sha256, version, key, "bfloat16" if BF16 in options else "float32")


class Network:
    """A frozen network as an extractor.

    Parameters
    ----------
    preprocessing : Preprocessing
    run : callable
        See :data:`Run`; deterministic, and safe to call from several threads.
    known : (ExtractorSpec, NeuronRanges)
        Shipped with the weights, or :func:`carded`.
    """

    def __init__(self, preprocessing: Preprocessing, run: Run, known: tuple[ExtractorSpec, NeuronRanges]) -> None:
        self._preprocessing = preprocessing
        self.spec, self.ranges = known
        self._run: Run = run
        if isinstance(run, TorchRun):
            self._run = run.paced(self.spec.fingerprint, preprocessing.input.size)

    def features(self, batch: npt.NDArray[np.uint8]) -> Features:
        """Embed uint8 pictures (b, size, size, 3), RGB.

        Raises
        ------
        ValueError
            If the batch has another shape or type.
        """
        size = self._preprocessing.input.size
        if batch.dtype != np.uint8 or batch.shape[1:] != (size, size, 3):
            raise ValueError(f"this extractor takes uint8 (b, {size}, {size}, 3), got {batch.dtype} {batch.shape}")
        return forward(self._preprocessing, self._run, batch)


def forward(preprocessing: Preprocessing, run: Run, batch: npt.NDArray[np.uint8]) -> Features:
    """Normalise uint8 pictures (b, size, size, 3) and run the network."""
    mean, std = np.array(preprocessing.mean, np.float32), np.array(preprocessing.std, np.float32)
    pixels = (batch.astype(np.float32) / np.float32(255) - mean) / std
    embedding, layers = run(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return Features(embedding, layers)


def carded(identity: Identity, preprocessing: Preprocessing, run: Run) -> tuple[ExtractorSpec, NeuronRanges]:
    """Specification and ranges from the network's card; without one they are calibrated on drawn scenes and kept.

    Raises
    ------
    ExtractorError
        If the network gives something else than numbers of the shapes it promised.
    """
    card = _cards.read(identity.key)
    if card is not None:
        return card
    pictures, seen = _calibration_pictures(preprocessing.input.size), []
    try:
        for i in range(0, len(pictures), _BATCH):
            batch = forward(preprocessing, run, pictures[i : i + _BATCH])
            seen.append(thinned(batch.layers))
        ranges = calibrate(seen, STATEMENT)
    except ValueError as error:
        raise ExtractorError(identity.name, f"{identity.name} cannot be calibrated: {error}") from error
    spec = ExtractorSpec(
        name=identity.name,
        architecture=identity.architecture,
        weights_sha256=identity.weights_sha256,
        input=preprocessing.input,
        dtype=identity.dtype,
        dimension=batch.embedding.shape[1],
        layers=tuple(Layer(name=name, n_neurons=v.shape[2]) for name, v in batch.layers.items()),
        ranges_sha256=ranges.sha256,
        version=identity.version,
    )
    _cards.write(identity.key, spec, ranges)
    return spec, ranges


def resolved(found: Identity, load: Callable[[], Network]) -> ExtractorSpec:
    """The specification on an identity's card, or else that of the loaded network."""
    card = _cards.read(found.key)
    return card[0] if card else load().spec


def _calibration_pictures(size: int) -> npt.NDArray[np.uint8]:
    """Drawn scenes, always drawn at one size, as input: uint8 (n, size, size, 3)."""
    from PIL import Image

    bicubic = Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(one).resize((size, size), bicubic)) for one in _drawn()])


@lru_cache(maxsize=1)
def _drawn() -> npt.NDArray[np.uint8]:
    """Drawing takes seconds, and several networks may be calibrated in one process."""
    from audit.scenes import calibration_pictures

    return calibration_pictures(N_CALIBRATION, CALIBRATION_SIDE, seed=0)
