"""Do the tables of remedies help? Waterbirds: audit the training pictures, train with the tables, test on others.

``PYTHONPATH=. python -m tests.bench.bench_remedies [--cache DIR]``

The audit knows labels only, never the places. A logistic probe of the embedding is then trained on the training
pictures, as they are and with what the audit wrote, and its worst group (label and true place) is measured on the
validation part.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from audit.model import DatasetView
from audit.spurious import remedies
from audit.spurious.choice import chosen, leads
from audit.spurious.evidence import SpuriousConfig
from audit.spurious.study import judged, study
from tests.bench.parted_views import real_view, rebuilt, without
from tests.bench.real_pictures import shared_data

PENALTIES = (0.001, 0.01, 0.1)
N_DRAWS = 5
"""Random draws of balanced parts."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Training = tuple[str, Ints, Floats]


def main() -> None:
    """Print the worst true group for each way to train, the least and the most of all penalties and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=None, help="keep what was embedded here")
    with tempfile.TemporaryDirectory() as folder:
        view = real_view("waterbirds", parser.parse_args().cache or Path(folder))
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "waterbirds"]
    is_train = np.array([row["split"] == "train" for row in sorted(rows, key=lambda row: row["path"].encode())])
    classes = (np.array(view.column("label")) == "waterbird").astype(np.int64)
    groups = 2 * classes + (np.array(view.column("meta.place")) == "water")
    points = (view.vectors - view.vectors[is_train].mean(axis=0)) / (view.vectors[is_train].std(axis=0) + 1e-9)
    points = np.column_stack([points.astype(np.float64), np.ones(len(view))])
    train = np.flatnonzero(is_train)
    ways = [*known(train, classes, groups), *audited(rebuilt(without(view, lambda _: False), train), train)]
    found: dict[str, list[float]] = {}
    for name, at, weights in ways:
        for penalty in PENALTIES:
            right = (points[~is_train] @ fitted(points[at], classes[at], weights, penalty) > 0) == classes[~is_train]
            worst = min(float(right[groups[~is_train] == g].mean()) for g in range(4))
            found.setdefault(f"{name} ({len(at):,} pictures)", []).append(worst)
    for name, values in found.items():
        print(f"{name:<72}{min(values):.2f} to {max(values):.2f}, median {np.median(values):.2f}")


def known(train: Ints, classes: Ints, groups: Ints) -> Iterator[Training]:
    """Training without the audit: as it is, classes balanced, and by the true groups."""
    yield "as it is", train, np.ones(len(train))
    yield "classes weigh the same", train, 1 / np.bincount(classes[train])[classes[train]]
    yield "true groups weigh the same", train, 1 / np.bincount(groups[train])[groups[train]]
    least = int(np.bincount(groups[train]).min())
    for seed in range(N_DRAWS):
        rng = np.random.default_rng(seed)
        drawn = np.concatenate([rng.permutation(train[groups[train] == g])[:least] for g in range(4)])
        yield "as many of each true group", drawn, np.ones(len(drawn))


def audited(view: DatasetView, train: Ints) -> Iterator[Training]:
    """Training with the tables of an audit of the training pictures, for its first finding."""
    config, rng = SpuriousConfig(), np.random.default_rng(0)
    sample = judged(view, config, rng)
    evidence = study(sample, config, rng)
    lead = leads(chosen(evidence))[:1]
    place = {name: int(row) for name, row in zip(view.column("path"), train, strict=True)}
    weights = remedies.sample_weights(sample, evidence, lead).to_pylist()
    at = np.array([place[row["path"]] for row in weights])
    yield f"sample_weights of {lead[0].candidate.name}", at, np.array([row["weight"] for row in weights])
    for seed in range(N_DRAWS):
        split = remedies.balanced_split(sample, evidence, lead, np.random.default_rng(seed)).to_pylist()
        at = np.array([place[row["path"]] for row in split if row["used"] and row["part"] == "train"])
        yield "train part of balanced_split", at, np.ones(len(at))


def fitted(points: Floats, classes: Ints, weights: Floats, penalty: float) -> Floats:
    """A logistic probe with a ridge penalty; the last column of the points is 1 and is not penalised."""
    signs, share = 2.0 * classes - 1, weights / weights.sum()

    def loss(slopes: Floats) -> tuple[float, Floats]:
        margin = signs * (points @ slopes)
        pull = np.append(penalty * slopes[:-1], 0.0)
        push = points.T @ (-signs * share / (1 + np.exp(margin)))
        return float(share @ np.logaddexp(0, -margin) + slopes @ pull / 2), push + pull

    return np.asarray(minimize(loss, np.zeros(points.shape[1]), jac=True, method="L-BFGS-B").x)


if __name__ == "__main__":
    main()
