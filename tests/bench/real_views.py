"""Views of real sets as analyses see them, embedded with the bundled extractor and kept for the next run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audit.extractors import load_extractor
from audit.model import DatasetView, Neurons, PartFeatures, Parts
from audit.pictures.process import process
from tests.bench.real_pictures import shared_data
from tests.views import view_of, with_features

BATCH = 32
N_PARTS = 2000

Floats = npt.NDArray[np.floating]


def real_view(name: str, folder: Path, *, where: str = "") -> DatasetView:
    """A set of the shared folder with labels, neurons by image and the maps of up to 2 000 sampled pictures.

    Parameters
    ----------
    name : str
        A set of MANIFEST.csv.
    folder : Path
        Where what was computed is kept.
    where : str
        Only pictures whose attributes hold this text.
    """
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == name and where in row["attributes"]]
    rows.sort(key=lambda row: row["path"].encode())
    kept = folder / f"{name}{where.replace('=', '-')}.npz"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **_embedded([shared_data() / row["path"] for row in rows]))
    with np.load(kept) as arrays:
        found = {key: arrays[key] for key in arrays.files}
    view = view_of(found["vectors"], labels=[row["label"] for row in rows], paths=[row["path"] for row in rows])
    return with_features(view, neurons=_neurons(found), parts=_parts(found))


def _embedded(paths: list[Path]) -> dict[str, Floats]:
    extractor = load_extractor("bundled")
    sample = np.sort(np.random.default_rng(0).permutation(len(paths))[:N_PARTS])
    vectors, means, maps = [], [], []
    for start in range(0, len(paths), BATCH):
        chunk = paths[start : start + BATCH]
        pixels = np.stack([process(p.read_bytes(), extractor.spec.input, max_pixels=10**8).pixels for p in chunk])
        features = extractor.features(pixels)
        units = {layer: _in_range(values, extractor.ranges.layers[layer]) for layer, values in features.layers.items()}
        vectors.append(features.embedding)
        means.append(np.concatenate([values.mean(axis=1) for values in units.values()], axis=1).astype(np.float16))
        last = units["last"].astype(np.float16)
        maps.append(last[np.isin(np.arange(start, start + len(chunk)), sample)])
    sizes = np.array([layer.n_neurons for layer in extractor.spec.layers])
    return {
        "vectors": np.concatenate(vectors),
        "neurons": np.concatenate(means),
        "maps": np.concatenate(maps),
        "rows": sample,
        "sizes": sizes,
    }


def _in_range(values: Floats, ranges: object) -> Floats:
    low, high = ranges.low, ranges.high
    return (values - low) / (high - low)


def _neurons(found: Mapping[str, Floats]) -> Neurons:
    names = [layer.name for layer in load_extractor("bundled").spec.layers]
    ends = np.cumsum([0, *found["sizes"]]).tolist()
    slices = {name: slice(ends[i], ends[i + 1]) for i, name in enumerate(names)}
    return Neurons(found["neurons"], slices, np.zeros((len(found["neurons"]), 0), np.float16))


def _parts(found: Mapping[str, Floats]) -> Parts:
    rows, maps = found["rows"], found["maps"]
    part = PartFeatures(found["vectors"][rows], found["neurons"][rows])
    boxes = np.tile(np.array([[0, 0, 1, 1]], np.float32), (len(rows), 1))
    return Parts(rows, boxes, np.zeros(len(rows), bool), part, part, (part, part), maps, "last")
