"""Neuron ranges that somebody chose for an extractor on this machine: kept as a card, used from then on.

The card is named by the extractor's own specification, so it serves any family, those of plug-ins included; the new
ranges make another specification and another fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.dna import NeuronRanges
from audit.extractors import _cards
from audit.extractors.base import TEMPERATURE, Extractor, ExtractorSpec, Features, TextEncoder, temperature_of
from audit.fingerprint import fingerprint


@dataclass(frozen=True)
class Recalibrated:
    """An extractor that counts in other ranges; everything else is as it was."""

    base: Extractor
    spec: ExtractorSpec
    ranges: NeuronRanges

    def features(self, batch: npt.NDArray[np.uint8]) -> Features:
        """Embed uint8 pictures (b, size, size, 3), RGB."""
        return self.base.features(batch)


@dataclass(frozen=True)
class RecalibratedWithText(Recalibrated):
    """The same for an extractor that embeds texts too."""

    def embed_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed n texts in the space of the pictures, float32 (n, d)."""
        if not isinstance(self.base, TextEncoder):
            raise TypeError(f"{self.spec.name} embeds no texts")
        return self.base.embed_text(prompts)

    @property
    def temperature(self) -> float:
        """What cosines of pictures and texts are multiplied by to be log-odds."""
        return temperature_of(self.base) if isinstance(self.base, TextEncoder) else TEMPERATURE


def applied(extractor: Extractor) -> Extractor:
    """The extractor with the ranges that were chosen for it, if any were."""
    card = _cards.read(_key(extractor.spec))
    if card is None:
        return extractor
    kind = RecalibratedWithText if isinstance(extractor, TextEncoder) else Recalibrated
    return kind(extractor, *card)


def resolved(spec: ExtractorSpec) -> ExtractorSpec:
    """The specification with the ranges that were chosen, if any were."""
    card = _cards.read(_key(spec))
    return card[0] if card else spec


def keep(spec: ExtractorSpec, ranges: NeuronRanges) -> ExtractorSpec:
    """Choose ranges for the extractor of that specification. Returns its new one.

    Raises
    ------
    ValueError
        If the ranges are not of its layers.
    """
    found = {name: len(layer.low) for name, layer in ranges.layers.items()}
    if found != {layer.name: layer.n_neurons for layer in spec.layers}:
        raise ValueError(f"ranges of the layers {found} do not belong to {spec.name}")
    new = spec.model_copy(update={"ranges_sha256": ranges.sha256})
    _cards.write(_key(spec), new, ranges)
    return new


def forget(spec: ExtractorSpec) -> None:
    """Go back to the extractor's own ranges."""
    _cards.remove(_key(spec))


def _key(spec: ExtractorSpec) -> str:
    return fingerprint("extractor-chosen-ranges", spec)
