"""Whether an extractor's Visual DNA distance orders datasets as it should: by severity, and as trained references do.

    PYTHONPATH=. python -m tests.bench.bench_dna_order [--extractors bundled classical] [--n 120] [--skip-references]

First the distance against five severities of blur, noise, JPEG and brightness, on photographs (caltech101, clothing);
the halves compared hold different pictures, so severity 0 is what sampling gives. Then the distances between all pairs
of sets, beside those by three networks trained on ImageNet: Spearman's rank correlation over the pairs. The order of
PACS domains is also that of the published figures in the shared folder's README.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time

import numpy as np
from PIL import Image
from scipy.stats import spearmanr

from audit.extractors import load_extractor
from audit.extractors.base import Extractor
from tests.bench.real_pictures import shared_data
from tests.bench.reference_networks import NETWORKS, reference
from tests.corruptions import CORRUPTIONS, SEVERITIES, dna_distance, dna_of, opened, severity_curve
from workers.allocator import keep_freed_activations

PUBLISHED = {
    ("PACS photo 1", "PACS photo 2"): 0.110,
    ("PACS photo 1", "PACS art"): 0.418,
    ("PACS photo 1", "PACS cartoon"): 0.785,
    ("PACS photo 1", "PACS sketch"): 1.213,
    ("CIFAKE real 1", "CIFAKE real 2"): 0.052,
    ("CIFAKE real 1", "CIFAKE synthetic"): 0.304,
}
"""Mean 1-D Wasserstein of pooled units of the trunk, in pooled standard deviations (the shared folder's README)."""

Pictures = list[Image.Image]


def main() -> None:
    """Print the curves, the distances and the correlations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extractors", nargs="+", default=["bundled", "classical"])
    parser.add_argument("--n", type=int, default=120, help="pictures of a set")
    parser.add_argument("--severity-pictures", type=int, default=300)
    parser.add_argument("--skip-references", action="store_true")
    arguments = parser.parse_args()
    keep_freed_activations()
    extractors: dict[str, Extractor] = {name: load_extractor(name) for name in arguments.extractors}
    by_severity(extractors, arguments.severity_pictures)
    if not arguments.skip_references:
        extractors |= {name: reference(name) for name in NETWORKS}
    by_set(extractors, arguments.n)


def by_severity(extractors: dict[str, Extractor], n: int) -> None:
    """A row for each extractor and corruption; whether the distance grows with every step."""
    clean = [opened(shared_data() / path) for path in _spread(_paths("caltech101") + _paths("clothing"), n)]
    print(f"distance of {n // 2} changed photographs from {n - n // 2} others, severity 0 to {SEVERITIES[-1]}")
    for name, extractor in extractors.items():
        for kind, corrupt in CORRUPTIONS.items():
            curve = severity_curve(extractor, corrupt, clean)
            grows = "grows" if (np.diff(curve) > 0).all() else "NOT MONOTONE"
            print(f"  {name:<12}{kind:<12}" + "".join(f"{d:8.3f}" for d in curve) + f"  {grows}", flush=True)


def by_set(extractors: dict[str, Extractor], n: int) -> None:
    """Distances between all pairs of sets, and how alike extractors rank them."""
    sets = {name: [opened(shared_data() / path) for path in paths] for name, paths in _sets(n).items()}
    found: dict[str, dict[tuple[str, str], float]] = {}
    for name, extractor in extractors.items():
        started = time.process_time()
        dna = {one: dna_of(extractor, pictures) for one, pictures in sets.items()}
        pairs = itertools.combinations(sets, 2)
        found[name] = {(a, b): (dna_distance(dna[a], dna[b]) + dna_distance(dna[b], dna[a])) / 2 for a, b in pairs}
        print(
            f"{name}: {len(found[name])} pairs of sets, {time.process_time() - started:.0f} s of processor", flush=True
        )
    print(f"{'pair of sets':<34}" + "".join(f"{name:>12}" for name in (*found, "published")))
    for pair, figure in PUBLISHED.items():
        cells = "".join(f"{distances[pair]:12.3f}" for distances in found.values())
        print(f"{pair[0] + ' / ' + pair[1]:<34}{cells}{figure:12.3f}")
    print("Spearman's correlation over all pairs of sets")
    for name, other in itertools.combinations(found, 2):
        result = spearmanr(list(found[name].values()), list(found[other].values()))
        print(f"  {name:<12}{other:<12}{result.statistic:7.3f}")
    for name, distances in found.items():
        result = spearmanr([distances[pair] for pair in PUBLISHED], list(PUBLISHED.values()))
        print(f"  {name:<12}{'published':<12}{result.statistic:7.3f} ({len(PUBLISHED)} pairs)")


def _sets(n: int) -> dict[str, list[str]]:
    """Paths of n pictures of each set, spread evenly over it; halves hold no picture in common."""
    photo = _spread(_paths("pacs", "domain=photo"), 2 * n)
    real = _spread(_paths("cifake", "kind=real"), 2 * n)
    return {
        "PACS photo 1": photo[::2],
        "PACS photo 2": photo[1::2],
        "PACS art": _spread(_paths("pacs", "domain=art_painting"), n),
        "PACS cartoon": _spread(_paths("pacs", "domain=cartoon"), n),
        "PACS sketch": _spread(_paths("pacs", "domain=sketch"), n),
        "CIFAKE real 1": real[::2],
        "CIFAKE real 2": real[1::2],
        "CIFAKE synthetic": _spread(_paths("cifake", "kind=fake"), n),
        "clothing": _spread(_paths("clothing"), n),
        "caltech101": _spread(_paths("caltech101"), n),
        "weather": _spread(_paths("weather"), n),
        "waterbirds": _spread(_paths("waterbirds"), n),
    }


def _paths(name: str, attribute: str = "") -> list[str]:
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == name]
    kept = [row["path"] for row in rows if not attribute or attribute in row["attributes"].split(";")]
    if not kept:
        raise ValueError(f"the manifest has no pictures of {name!r} with {attribute!r}")
    return sorted(kept)


def _spread(paths: list[str], n: int) -> list[str]:
    return [paths[i] for i in np.linspace(0, len(paths) - 1, min(n, len(paths))).round().astype(int)]


if __name__ == "__main__":
    main()
