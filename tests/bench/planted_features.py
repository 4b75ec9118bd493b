"""Shortcuts planted among neurons and vectors: false alarms, the order of the report, and what they cost.

Parts of :mod:`tests.bench.bench_planted`; each prints a row for each target.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from audit.maths.probes import deal_folds
from audit.maths.separability import auc
from audit.model import DatasetView
from audit.spurious.candidates import BACKGROUND
from audit.spurious.evidence import SpuriousConfig, Study
from audit.spurious.probe import predict
from audit.spurious.study import judged, study
from tests.spurious_views import Planted, planted

QUICK = SpuriousConfig(n_permutations=199, n_null=19, examined=6)
N_NULL = 100
NULLS: Mapping[str, Mapping[str, Any]] = {
    "clean, exact boxes": {},
    "core-only decoy, exact boxes": {"core": 3.0},
    "core-only decoy, half of each part leaks into the other": {"core": 3.0, "leak": 0.5},
    "15 neurons that tell the class anywhere in the picture": {"n_everywhere": 15},
    "clean, 90/10 priors": {"first_share": 0.9},
    "clean, bursts of 3": {"burst": 3},
    "clean, bursts of 8": {"burst": 8},
}
TOGETHER: Mapping[str, Any] = {"rho": 0.9, "mark": (0.9, 0.02), "tint": 1.5, "camera": 0.9}


def row(what: str, target: str, reached: object) -> None:
    """Print one target beside what was reached."""
    text = f"{reached:.3f}" if isinstance(reached, float) else str(reached)
    print(f"{what:<88}{target:>10}{text:>10}", flush=True)


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def studied(view: DatasetView, seed: int, config: SpuriousConfig = QUICK) -> Study:
    rng = np.random.default_rng(seed)
    return study(judged(view, config, rng), config, rng)


def ranked(found: Study) -> list[str]:
    """Names as the report orders them, merged ones with the one that stands for them, without the background itself."""
    return [
        name for one in found.found if one.candidate.kind != BACKGROUND for name in (one.candidate.name, *one.alike)
    ]


def clean(full: bool) -> None:
    """How often a set without a shortcut is flagged."""
    for n in (300, 1000, 3000) if full else (300,):
        for what, options in NULLS.items():
            flagged = sum(_is_flagged(planted(seed, n=n, rho=None, **options), seed) for seed in range(N_NULL))
            row(f"share of {N_NULL} with a shortcut risk, {what}, n={n}", "<= .05", flagged / N_NULL)


def ranking(full: bool) -> None:
    """Whether what is planted comes first in the report."""
    n_seeds = 20 if full else 3
    seeds = range(n_seeds)
    for rho in (0.6, 0.8, 0.95, 1.0):
        for n_classes in (2, 4, 10) if full else (2, 4):
            plants = (planted(s, n=1000, rho=rho, n_classes=n_classes) for s in seeds)
            target = ">= .95" if rho >= 0.8 else ""
            _separated(f"background rho={rho}, {n_classes} classes", plants, target)
    for what, options in (
        ("90/10 priors", {"first_share": 0.9, "n": 2000}),
        ("bursts of 3", {"burst": 3, "n": 3000}),
        ("bursts of 8", {"burst": 8, "n": 3000}),
        ("half leaks", {"leak": 0.5, "n": 2000}),
    ):
        _separated(f"rho=.9, {what}", (planted(s, rho=0.9, **options) for s in seeds))
    for what, options in (("tint of 1.5 sd", {"tint": 1.5}), ("camera tied by .9", {"camera": 0.9})):
        _separated(what, (planted(s, n=1000, rho=None, **options) for s in seeds))
    _separated("background, mark, tint and camera together", (planted(s, n=1000, **TOGETHER) for s in seeds))
    plants = [planted(s, n=3000, rho=0.8, n_classes=10) for s in range(max(2, n_seeds // 4))]
    row("precision at 10, 10 planted among 10 classes", ">= .9", median([_precision(p) for p in plants]))
    marked = [planted(s, n=1000, rho=None, mark=(0.9, 0.02)) for s in range(2 * n_seeds)]
    places = np.array([ranked(studied(one.view, 0)).index("corner_top_left") for one in marked])
    row(f"watermark .9 against .02 among the first 5, share of {len(places)}", ">= .9", float(np.mean(places < 5)))


def harm(full: bool) -> None:
    """Whether the gap on conflicting images is the true one, and none is told where none can be known."""
    n_seeds = 20 if full else 3
    for what, options in (
        ("", {}),
        (", 90/10 priors", {"first_share": 0.9, "n": 6000, "rho": 0.7}),
        (", bursts of 8", {"burst": 8, "n": 4800}),
    ):
        errors = [_gap_error(planted(s, **{"n": 3000, "rho": 0.9, "clear": 4.0} | options), s) for s in range(n_seeds)]
        row(f"error of the conflict gap against true groups, median of {n_seeds}{what}", "<= .05", median(errors))
    wrong = [
        any(one.is_spurious for one in studied(planted(s, rho=1.0, n=1000).view, s).found) for s in range(2 * n_seeds)
    ]
    row(f"share of {len(wrong)} called spurious although no image conflicts (rho=1)", "0", float(np.mean(wrong)))


def _separated(what: str, plants: Iterable[Planted], target: str = ">= .95") -> None:
    areas = [separation(one, seed) for seed, one in enumerate(plants)]
    row(f"AUROC of planted before rest, {what}, median of {len(areas)}", target, median(areas))


def _is_flagged(one: Planted, seed: int) -> bool:
    return any(found.is_risk for found in studied(one.view, seed).found)


def separation(one: Planted, seed: int) -> float:
    """AUROC with which the order of the report puts planted candidates before the rest."""
    names = ranked(studied(one.view, seed))
    return float(auc(-np.arange(len(names), dtype=np.float64), np.isin(names, sorted(one.names))))


def _precision(one: Planted) -> float:
    return float(np.isin(ranked(studied(one.view, 0))[:10], sorted(one.names)).mean())


def _gap_error(one: Planted, seed: int) -> float:
    found = studied(one.view, seed, SpuriousConfig(n_permutations=199, n_null=19, examined=12))
    best = next(e for e in found.found if e.harm is not None and e.candidate.name in one.names)
    truth = true_gap(one.view, one.classes, one.backgrounds, int(best.label.removeprefix("class ")))
    return abs(best.harm.gap - truth) if best.harm else 1.0


def true_gap(view: DatasetView, classes: np.ndarray, backgrounds: np.ndarray, asked: int) -> float:
    """The gap with the true backgrounds as the feature, under the same probe."""
    bursts = np.unique([g or str(i) for i, g in enumerate(view.column("group"))], return_inverse=True)[1]
    folds = deal_folds(bursts, classes, 5, np.random.default_rng(0))
    right = predict(view.vectors, classes, folds) == classes
    has = backgrounds == asked
    groups = 2 * (classes == asked).astype(np.int64) + has
    accuracy = [right[groups == g].mean() for g in range(4)]
    return float(0.5 * (accuracy[0] - accuracy[1] + accuracy[3] - accuracy[2]))
