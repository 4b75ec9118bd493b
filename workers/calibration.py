"""Neuron ranges of an extractor from pictures of one's own, stated by name, number and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audit.errors import TooFewImagesError
from audit.extractors import ExtractorSpec, calibrate, keep_ranges, thinned
from audit.parts.sample import by_content
from storage.sources import SourceSpec
from workers.forwarding import forwarded
from workers.steps.embed import BATCH

if TYPE_CHECKING:
    from workers.runtime import Runtime

LEAST = 32
"""Fewer pictures than this say too little about the range of a neuron."""

Layers = Mapping[str, npt.NDArray[np.float32]]


def calibrate_on(
    runtime: Runtime, dataset: Any, extractor: str, n_images: int, on_progress: Callable[[int, int], object]
) -> tuple[ExtractorSpec, str]:
    """Find the ranges of an extractor's neurons on a scanned dataset, and keep them on this machine.

    Of the distinct pictures, those with the smallest content hashes are taken: a random choice that names and order
    have no part in.

    Parameters
    ----------
    dataset : row of a dataset that is scanned
    n_images : int
        How many pictures to look at, at most.
    on_progress : callable
        Called with the numbers of pictures done and in all.

    Returns
    -------
    spec : ExtractorSpec
        Of the extractor with its new ranges.
    statement : str
        What they were found on.

    Raises
    ------
    TooFewImagesError
        If fewer than 32 pictures can be used.
    """
    pictures = by_content(runtime.usable(dataset.artefact), n_images)
    locators, hashes = (pictures.column(name).to_pylist() for name in ("locator", "content_hash"))
    seen: list[Layers] = []
    used: list[str] = []
    for positions, layers in _activations(runtime, dataset.source, extractor, locators):
        seen.append(layers)
        used += [hashes[i] for i in positions]
        on_progress(len(used), len(locators))
    if len(used) < LEAST:
        raise TooFewImagesError("calibration", len(used), LEAST)
    said = statement(dataset.name, used)
    return keep_ranges(extractor, calibrate(seen, said)), said


def statement(name: str, hashes: Sequence[str]) -> str:
    """What a calibration set is, in words: its name, number of pictures, and a hash of their contents."""
    digest = hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
    return f"{len(hashes)} pictures of {name!r} (sha256 of their contents {digest})"


def _activations(
    runtime: Runtime, source: Mapping[str, Any], extractor: str, locators: Sequence[str]
) -> Iterator[tuple[tuple[int, ...], Layers]]:
    """Positions and thinned layers of batch after batch."""
    loaded = runtime.extractor(extractor)
    decoded = runtime.decoders.run(SourceSpec.model_validate(dict(source)), locators, loaded.spec.input, batch=BATCH)
    for batch, features in forwarded(
        decoded, lambda batch: loaded.features(batch.pixels), runtime.forward, runtime.settings.threads
    ):
        if features is not None:
            yield batch.positions, thinned(features.layers, len(locators))
