"""Contexts: do groups of borders find the place, the weather, the time of day? Which part of the network does it best?

``PYTHONPATH=. python -m tests.bench.bench_settings [--seeds 3] [SET ...]``

For each set of real pictures with a known setting: the number of groups that the product chooses, the agreement between
resamples, and the adjusted mutual information of groups and truth (0 chance, 1 equal), median over seeds. Below it the
same for other representations, at the number of groups that the truth has: other layers, the border less the interior,
the whole embedding, whitened directions, and the border without the mean of each class.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.extractors import load_extractor
from audit.extractors.base import InputSpec
from audit.maths.partitions import adjusted_mutual_information, contingency
from audit.pictures.process import process
from audit.settings.config import SettingsConfig
from audit.settings.contexts import centres_of, find_groups, nearest
from tests.bench.real_pictures import shared_data

BATCH = 32
SIDE = 4
TRUTH = {"waterbirds": "place", "weather": "weather", "daynight": "time"}

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def main() -> None:
    """Print a block for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(TRUTH))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.sets:
        rows = rows_of(name)
        truth, label = (np.unique(list(column), return_inverse=True)[1] for column in zip(*_codes(rows), strict=True))
        parts = features([shared_data() / row["path"] for row in rows])
        print(f"{name}: {len(rows)} pictures, {truth.max() + 1} values of {TRUTH[name]}")
        product(parts["border last"], truth, arguments.seeds)
        with threadpool_limits(limits=1):
            for what, points in representations(parts, label):
                found = [_information(points, truth, seed) for seed in range(arguments.seeds)]
                print(f"  {what:<34}{statistics.median(found):6.2f}", flush=True)


def product(border: Floats, truth: Codes, seeds: int) -> None:
    """What the analysis would say."""
    for seed in range(seeds):
        rng, least = np.random.default_rng(seed), SettingsConfig().min_stability
        found = find_groups(border, np.arange(len(truth)), rng, min_stability=least)
        chosen = found.chosen
        assert chosen is not None
        shared = adjusted_mutual_information(contingency(found.number, truth)) if found.number[0] >= 0 else 0.0
        told = f"{shared:.2f}" if found.number[0] >= 0 else "no groups"
        print(f"  product, seed {seed}: {chosen[0]} groups, agreement {chosen[1]:.2f}, information {told}")


def representations(parts: dict[str, Floats], label: Codes) -> Iterator[tuple[str, Floats]]:
    """Ways to put the pictures as points."""
    last = parts["border last"]
    yield "border last, 16 directions", directions(last, 16)
    yield "border last, 32 directions", directions(last, 32)
    yield "border last, 16 whitened", directions(last, 16, whitened=True)
    yield "border last, 32 whitened", directions(last, 32, whitened=True)
    yield "border last, less class means", directions(last - _class_means(last, label), 16)
    yield "border less interior of last, 16", directions(last - parts["interior last"], 16)
    yield "border stage7, 16", directions(parts["border stage7"], 16)
    yield "border stage5, 16", directions(parts["border stage5"], 16)
    yield "embedding, 16", directions(parts["embedding"], 16)


def features(paths: list[Path]) -> dict[str, Floats]:
    """Means of border and interior of every layer in parts of its range, and the embedding, (n, c) each."""
    extractor = load_extractor("bundled")
    edge = np.array([r in (0, SIDE - 1) or c in (0, SIDE - 1) for r in range(SIDE) for c in range(SIDE)])
    found: dict[str, list[Floats]] = {}
    for start in range(0, len(paths), BATCH):
        batch = [_pixels(path, extractor.spec.input) for path in paths[start : start + BATCH]]
        n = len(batch)
        seen = extractor.features(np.stack(batch + [batch[-1]] * (BATCH - n)))
        unit = seen.embedding[:n] / np.linalg.norm(seen.embedding[:n], axis=1, keepdims=True)
        found.setdefault("embedding", []).append(unit)
        for name, layer in seen.layers.items():
            ranges = extractor.ranges.layers[name]
            inside = (layer[:n] - ranges.low) / (ranges.high - ranges.low)
            found.setdefault(f"border {name}", []).append(inside[:, edge].mean(axis=1))
            found.setdefault(f"interior {name}", []).append(inside[:, ~edge].mean(axis=1))
    return {name: np.concatenate(rows).astype(np.float64) for name, rows in found.items()}


def directions(values: Floats, n: int, *, whitened: bool = False) -> Floats:
    """The leading principal scores, (rows, n), of variance 1 each if whitened."""
    left, scale, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    scores: Floats = left[:, :n] * (np.sqrt(len(values)) if whitened else scale[:n])
    return scores


def rows_of(name: str) -> list[dict[str, str]]:
    """The manifest's rows of one set."""
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        return sorted((row for row in csv.DictReader(file) if row["set"] == name), key=lambda row: row["path"])


def _codes(rows: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        known = dict(part.split("=", 1) for part in row["attributes"].split(";") if "=" in part)
        yield known[TRUTH[row["set"]]], row["label"]


def _pixels(path: Path, spec: InputSpec) -> npt.NDArray[np.uint8]:
    pixels = process(path.read_bytes(), spec, max_pixels=10**8).pixels
    assert pixels is not None
    return pixels


def _class_means(values: Floats, label: Codes) -> Floats:
    means = np.stack([values[label == c].mean(axis=0) for c in range(int(label.max()) + 1)])
    found: Floats = means[label]
    return found


def _information(points: Floats, truth: Codes, seed: int) -> float:
    centres = centres_of(points, int(truth.max()) + 1, np.random.default_rng(seed))
    return adjusted_mutual_information(contingency(nearest(points, centres), truth))


if __name__ == "__main__":
    main()
