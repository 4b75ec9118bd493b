"""What was found out about a set of weights once, kept beside the user's other caches: specification and ranges.

Finding the ranges takes a run over the calibration pictures; every later process reads them here. A card is named by
what decides it, so it never has to be thrown away.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from audit.dna import LayerRanges, NeuronRanges
from audit.extractors.base import ExtractorSpec


def folder() -> Path:
    """Where cards lie: ``$ASSAY_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("ASSAY_CACHE")
    return (Path(chosen) if chosen else user_cache_path("assay")) / "extractors"


def read(key: str) -> tuple[ExtractorSpec, NeuronRanges] | None:
    """The card of that key, or None if there is none."""
    path = folder() / f"{key}.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        spec = ExtractorSpec.model_validate_json(str(stored["spec"]))
        names = [layer.name for layer in spec.layers]
        layers = {
            name: LayerRanges(stored[f"{name}/low"], stored[f"{name}/high"], stored[f"{name}/dead"]) for name in names
        }
        return spec, NeuronRanges(layers, str(stored["calibration"]))


def write(key: str, spec: ExtractorSpec, ranges: NeuronRanges) -> None:
    """Keep a card; another process that writes the same one at the same time does no harm."""
    arrays = {"spec": np.array(json.dumps(spec.model_dump(mode="json"))), "calibration": np.array(ranges.calibration)}
    for name, layer in ranges.layers.items():
        arrays |= {f"{name}/low": layer.low, f"{name}/high": layer.high, f"{name}/dead": layer.dead}
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **arrays)
    put(f"{key}.npz", data.getvalue())


def put(name: str, data: bytes) -> None:
    """Write a file among the cards, whole or not at all."""
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder(), suffix=".part", delete=False) as part:
        part.write(data)
    Path(part.name).replace(folder() / name)


def remove(key: str) -> None:
    """Throw a card away; nothing happens if there is none."""
    (folder() / f"{key}.npz").unlink(missing_ok=True)
