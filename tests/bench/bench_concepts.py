"""Concepts of real sets: how many are stable, how many are found again, ties to classes beside shuffled labels, time.

``PYTHONPATH=. python -m tests.bench.bench_concepts [--views DIR] [--shuffles 20] [SET ...]``

A tie is false when labels were shuffled between bursts first. Examples of a user: 15 pictures of a class, and 15 drawn
from all, as concepts; shown are the held-out accuracy, p, and the share of the class among the 20 strongest others.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from audit.analyses.concepts import ALPHA, TIED
from audit.concepts import examples, prevalence, spatial
from audit.maths.rows import bursts
from audit.model import DatasetView
from tests.bench.real_views import real_view

SETS = ("weather", "clothing", "caltech101", "waterbirds", "pacs", "cue_conflict", "cifake")


def main() -> None:
    """Print a row for each set, then the examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--views", type=Path, default=Path("build/views"), help="where embedded sets are kept")
    parser.add_argument("--shuffles", type=int, default=20)
    arguments = parser.parse_args()
    print(f"{'set':<14}{'n':>6}{'factors':>9}{'stable':>8}{'again':>7}{'expl.':>7}{'tied':>6}{'false':>7}{'s':>7}")
    for name in arguments.sets:
        view = real_view(name, arguments.views)
        own, parts = bursts(view), view.parts
        if parts is None:
            continue
        started = time.perf_counter()
        found = spatial.find_concepts(parts, own, np.random.default_rng(0))
        seconds = time.perf_counter() - started
        taken = next(t for t in found.tried if t.n_stable == found.weights.shape[2] and t.explained == found.explained)
        again = int((found.repeated >= 0.9).sum())
        labels = np.array(view.column("label"))[found.rows]
        false = [
            n_tied(found, shuffled(labels, own[found.rows], seed), own[found.rows])
            for seed in range(arguments.shuffles)
        ]
        print(
            f"{name:<14}{len(found.rows):>6}{taken.n_factors:>9}{taken.n_stable:>8}{again:>7}{found.explained:>7.2f}"
            f"{n_tied(found, labels, own[found.rows]):>6}{sum(n > 0 for n in false):>4}/{len(false)}{seconds:>7.1f}",
            flush=True,
        )
        of_examples(name, view, own)


def n_tied(found: spatial.Concepts, labels: np.ndarray, own: np.ndarray) -> int:
    """Concepts that go with one class."""
    n_looked_at = found.shown.shape[1] * len(set(labels.tolist()))
    ties = [
        prevalence.strongest_tie(found.shown[:, j], labels.tolist(), own, n_looked_at=n_looked_at)
        for j in range(found.shown.shape[1])
    ]
    return sum(tie is not None and tie.low >= TIED for tie in ties)


def shuffled(labels: np.ndarray, own: np.ndarray, seed: int) -> np.ndarray:
    """Labels given to other bursts."""
    names, first, place = np.unique(own, return_index=True, return_inverse=True)
    return labels[first][np.random.default_rng(seed).permutation(len(names))][place]


def of_examples(name: str, view: DatasetView, own: np.ndarray) -> None:
    """Fifteen pictures of the first class, and fifteen of any, as examples of a concept."""
    labels, rng = np.array(view.column("label")), np.random.default_rng(0)
    target = sorted(set(labels.tolist()))[0]
    draws = [np.sort(rng.permutation(len(view))[:15]) for _ in range(10)]
    learned = examples.learn_concept(
        view.vectors, np.sort(rng.permutation(np.flatnonzero(labels == target))[:15]), own, rng
    )
    ps = [examples.learn_concept(view.vectors, draw, own, rng).p for draw in draws]
    top = np.argsort(-learned.strengths)[:35]
    n_false = sum(p <= ALPHA for p in ps)
    print(
        f"{'':<14}examples of {target}: accuracy {learned.accuracy:.2f}, p {learned.p:.3f}, "
        f"{np.mean(labels[top] == target):.0%} of the 35 strongest; of any: {n_false}/10 with p <= {ALPHA}",
        flush=True,
    )


if __name__ == "__main__":
    main()
