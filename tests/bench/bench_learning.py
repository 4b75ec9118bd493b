"""Data-size curve and label-free error against the truth on real sets, and the time for 50 000 images.

``PYTHONPATH=. python -m tests.bench.bench_learning [--views DIR] [--draws 3] [SET ...]``

Curve: the sizes up to half of the images foretell the accuracy at the largest; is it in the interval? Disagreement:
40 % of the bursts lose their labels; how far is the expected error from the true one, and is that in the interval?
Between domains (PACS) the labels of a whole other domain are taken away.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from pathlib import Path

import numpy as np

from audit.analyses.learning import LearningConfig, LearningResult, compute
from audit.maths import learning
from audit.maths.rows import bursts
from audit.model import DatasetView
from tests.bench.real_pictures import shared_data
from tests.bench.real_views import real_view
from tests.views import unit, view_of

SETS = ("caltech101", "clothing", "weather", "waterbirds", "pacs", "cue_conflict", "cifake")
DOMAINS = (("photo", "art"), ("photo", "cartoon"), ("photo", "sketch"), ("sketch", "photo"), ("art", "cartoon"))


def main() -> None:
    """Print a row for each draw of each set, then both shares of intervals that hold the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--views", type=Path, default=Path("build/views"), help="where embedded sets are kept")
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    held: list[tuple[bool, bool, float]] = []
    print(f"{'set':<24}{'n':>6}{'foretold':>24}{'measured':>10}{'ratio':>7}{'expected error':>24}{'true':>7}")
    for name in arguments.sets:
        view = real_view(name, arguments.views)
        own = bursts(view)
        for draw in range(arguments.draws):
            bare = np.random.default_rng(draw).random(len(view))[own] < 0.4
            held += row(name, without_labels(view, bare), view, bare, draw)
    inside, in_error, off = zip(*held, strict=True)
    print(
        f"curve: {sum(inside)} of {len(inside)} in the interval. expected error: {sum(in_error)} of {len(in_error)} in "
        f"the interval, median distance {statistics.median(off):.3f}"
    )
    if "pacs" in arguments.sets:
        domains(real_view("pacs", arguments.views))
    large()


def without_labels(view: DatasetView, bare: np.ndarray) -> DatasetView:
    """The same set, with labels taken away."""
    labels = [None if gone else label for label, gone in zip(view.column("label"), bare, strict=True)]
    return view_of(view.vectors, labels=labels, paths=view.column("path"))


def row(
    name: str, hidden: DatasetView, view: DatasetView, bare: np.ndarray, seed: int
) -> list[tuple[bool, bool, float]]:
    """Print one comparison with the truth."""
    result = compute([hidden], LearningConfig(), np.random.default_rng(seed)).result
    true = true_error(view, bare)
    if result.expected is None or result.expected.expected is None:
        print(f"{name:<24}{result.n:>6}  {result.reason or 'too few errors'}", flush=True)
        return []
    g, e = result.growth, result.expected
    foretold = f"{g.foretold.value:.3f} ({g.foretold.low:.3f}-{g.foretold.high:.3f})" if g else "refused"
    print(
        f"{name:<24}{result.n:>6}{foretold:>24}{result.curve[-1].accuracy.value:>10.3f}{e.ratio.value:>7.2f}"
        f"{e.expected.value:>10.3f} ({e.expected.low:.3f}-{e.expected.high:.3f}){true:>7.3f}",
        flush=True,
    )
    return [(is_foretold(result), e.expected.low <= true <= e.expected.high, abs(true - e.expected.value))]


def is_foretold(result: LearningResult) -> bool:
    """Whether the curve was not refused for failing to foretell itself."""
    return "foretell" not in result.no_growth


def true_error(view: DatasetView, bare: np.ndarray) -> float:
    """Share of the images without a label that the probe of all others names wrongly."""
    _, classes = np.unique(view.column("label"), return_inverse=True)
    known, hidden = learning.principal(view.vectors[~bare], view.vectors[bare])
    dealt = learning.deal(known, classes[~bare], bursts(view)[~bare], np.random.default_rng(0))
    weights, offsets = dealt.probe(np.arange(learning.N_BLOCKS))
    return float(((hidden @ weights + offsets).argmax(axis=1) != classes[bare]).mean())


def domains(view: DatasetView) -> None:
    """Take away the labels of a whole other domain of PACS."""
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        of = {r["path"]: r["attributes"] for r in csv.DictReader(file) if r["set"] == "pacs"}
    domain = np.array([of[path].removeprefix("domain=").split(";")[0].split("_")[0] for path in view.column("path")])
    for known, other in DOMAINS:
        rows = np.flatnonzero((domain == known) | (domain == other))
        labels = np.array(view.column("label"))[rows].tolist()
        both = view_of(view.vectors[rows], labels=labels, paths=np.array(view.column("path"))[rows].tolist())
        bare = domain[rows] == other
        row(f"pacs {known} to {other}", without_labels(both, bare), both, bare, 0)


def large() -> None:
    """Seconds for 50 000 images of 512 numbers in 100 classes."""
    rng = np.random.default_rng(0)
    classes = np.arange(50_000) % 100
    vectors = unit(rng.normal(size=(100, 512))[classes] + 2.0 * rng.normal(size=(50_000, 512)))
    started = time.perf_counter()
    dealt = learning.deal(
        learning.principal(vectors[:20_000], vectors[:1])[0], classes[:20_000], np.arange(20_000), rng
    )
    right = learning.correctness(dealt, rng)
    learning.disagreement(dealt, dealt.vectors, rng)
    learning.resampled_curves(right, np.arange(20_000), rng, 400)
    print(f"50 000 images, of which 20 000 are used: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
