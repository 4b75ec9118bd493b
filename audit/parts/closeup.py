"""Looking closely at pictures: each is embedded whole, as its object alone, and twice as its background alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.dna import DnaCounter, NeuronRanges, NeuronsByImage
from audit.extractors.base import Extractor, Features
from audit.model import PartFeatures, Parts
from audit.parts.boxes import core, saliency_box, widened
from audit.parts.fillings import BACKGROUND_FILLINGS, How, fill

GRID = 7
"""Maps are averaged over at most so many cells along each side, so that a large network's can be kept."""

FURTHEST = 1e3
"""Activations further than so many ranges from their neuron's range count as this far."""

Box = tuple[float, float, float, float]
Pixels = npt.NDArray[np.uint8]
Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Closeup:
    """What was seen of b pictures; row by row as in :class:`audit.model.Parts`, vectors not yet of unit length.

    ``known`` says of which pictures the box is known, bool (b,): given, or found in a map.
    """

    boxes: npt.NDArray[np.float32]
    is_given: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    features: tuple[PartFeatures, ...]
    maps: npt.NDArray[np.float16]
    map_layer: str


def look_closely(extractor: Extractor, pixels: Pixels, given: Sequence[Box | None]) -> Closeup:
    """Embed pictures and their parts.

    Parameters
    ----------
    extractor : Extractor
    pixels : uint8 (b, size, size, 3), RGB
        The extractor's input.
    given : sequence of b boxes or None
        x0, y0, x1, y1 of the object in shares of the input's side, where the dataset names it; elsewhere the object
        is where the last map of the network is strongest, and the object alone is the middle of that.

    Returns
    -------
    Closeup
        ``features`` of the whole, the object, and the background in two fillings.
    """
    whole = extractor.features(pixels)
    measured = _measured(extractor, whole)
    layer = measured.border_layer
    maps = in_ranges(whole, extractor.ranges, layer)
    is_given = np.array([box is not None for box in given], dtype=np.bool_)
    boxes = saliency_box(maps) if layer else np.zeros((len(pixels), 4), np.float32)
    if is_given.any():
        boxes[is_given] = np.array([box for box in given if box is not None], np.float32)
    wide = widened(boxes)
    inner = np.where(is_given[:, None], boxes, core(boxes))
    parts = [_filled(pixels, inner, "object"), *(_filled(pixels, wide, how) for how in BACKGROUND_FILLINGS)]
    seen = [extractor.features(part) for part in parts]
    neurons = [measured, *(_measured(extractor, one) for one in seen)]
    features = zip((whole, *seen), neurons, strict=True)
    return Closeup(
        boxes=boxes,
        is_given=is_given,
        known=is_given | bool(layer),
        features=tuple(PartFeatures(one.embedding, by_image.values) for one, by_image in features),
        maps=pooled(maps).astype(np.float16),
        map_layer=layer,
    )


def in_ranges(features: Features, ranges: NeuronRanges, layer: str) -> Maps:
    """A layer in parts of its neurons' ranges, float32 (b, positions, c); without positions for no layer."""
    if not layer:
        return np.zeros((len(features.embedding), 0, 0), np.float32)
    known = ranges.layers[layer]
    return np.clip((features.layers[layer] - known.low) / (known.high - known.low), -FURTHEST, FURTHEST)


def pooled(maps: Maps) -> Maps:
    """Maps averaged over at most 7 x 7 cells, row by row; places that are NaN do not count."""
    side = round(maps.shape[1] ** 0.5)
    if side <= GRID:
        return maps
    grid = maps.reshape(len(maps), side, side, -1)
    edges = np.linspace(0, side, GRID + 1).round().astype(np.int64)[:-1]
    counted = np.isfinite(grid)
    total, n = (
        np.add.reduceat(np.add.reduceat(one, edges, axis=1), edges, axis=2)
        for one in (np.where(counted, grid, np.float32(0)), counted.astype(np.float32))
    )
    with np.errstate(invalid="ignore"):
        return np.asarray((total / n).reshape(len(maps), GRID * GRID, -1), np.float32)


def _measured(extractor: Extractor, features: Features) -> NeuronsByImage:
    """The mean of each neuron over the places of each picture, and which layer is the last map."""
    return DnaCounter(extractor.ranges).add(features.layers)


def joined(closeups: Sequence[Parts]) -> Parts | None:
    """The parts of several samples of one dataset as one; None if no picture is in them."""
    closeups = [one for one in closeups if len(one.rows)]
    if not closeups:
        return None
    everything = [(one.whole, one.foreground, *one.backgrounds) for one in closeups]
    whole, foreground, smooth, mirror = (_stacked(same) for same in zip(*everything, strict=True))
    return Parts(
        rows=np.concatenate([one.rows for one in closeups]),
        boxes=np.concatenate([one.boxes for one in closeups]),
        is_given=np.concatenate([one.is_given for one in closeups]),
        whole=whole,
        foreground=foreground,
        backgrounds=(smooth, mirror),
        maps=np.concatenate([one.maps for one in closeups]),
        map_layer=closeups[0].map_layer,
    )


def _stacked(parts: Sequence[PartFeatures]) -> PartFeatures:
    return PartFeatures(np.concatenate([one.vectors for one in parts]), np.concatenate([one.neurons for one in parts]))


def _filled(pixels: Pixels, boxes: npt.NDArray[np.float32], how: How) -> Pixels:
    return np.stack([fill(one, box, how) for one, box in zip(pixels, boxes, strict=True)])
