"""Spurious features on planted truth and on real pictures: targets and what was reached.

``PYTHONPATH=. python -m tests.bench.bench_planted [--full] [--cache DIR] [clean] [ranking] [harm] [scenes] [real]``

``clean``, ``ranking``, ``harm``: shortcuts planted among neurons and vectors, many replicates; ``scenes``: drawn
pictures, embedded with the bundled extractor, of which each replicate takes a part; ``real``: Waterbirds and cue
conflict of the shared folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import ImageDraw

from audit.maths.probes import deal_folds
from audit.maths.separability import auc
from audit.model import DatasetView
from audit.scenes import draw_scene
from audit.spurious import harm
from audit.spurious.candidates import BACKGROUND
from audit.spurious.evidence import SpuriousConfig, Study
from audit.spurious.probe import predict
from tests.bench import planted_features
from tests.bench.parted_views import parted_view, real_view, rebuilt, without
from tests.bench.planted_features import median, ranked, row, studied

LABELS, PLACES = ("car", "mug"), ("street", "room")


def main() -> None:
    """Run the parts asked for and print a row for each target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--full", action="store_true", help="all replicates and sizes (hours)")
    parser.add_argument("--cache", type=Path, default=None, help="keep what was embedded here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = arguments.cache or Path(folder)
        for part in arguments.parts:
            started = time.perf_counter()
            print(f"== {part}\n{'what':<88}{'target':>10}{'reached':>10}")
            PARTS[part](arguments.full, cache)
            print(f"   {time.perf_counter() - started:.0f} s", flush=True)


def scenes(full: bool, cache: Path) -> None:
    n_seeds = 20 if full else 4
    for boxed in (True, False):
        pool, place = scene_pool(cache, boxed, aligned=600 if full else 240, conflicting=200 if full else 80)
        labels = np.array(pool.column("label"))
        what = "given boxes" if boxed else "boxes by saliency"
        tied = [_scene_study(pool, labels, place, 0.75, s) for s in range(n_seeds)]
        reads = [found.readable for found, _ in tied if found.readable]
        row(f"background read, rho=.75, {what} (best possible .75)", "", median([one.background for one in reads]))
        row(f"object alone, rho=.75, {what}", "", median([one.foreground for one in reads]))
        row(f"share flagged as shortcut risk, rho=.75, {what}", ">= .9", _flagged([found for found, _ in tied]))
        areas = [_recovered(found, rows, place) for found, rows in tied]
        row(f"AUROC of the recovered place, rho=.75, {what}", "", median(areas))
        clean = [_scene_study(pool, labels, place, 0.5, 100 + s)[0] for s in range(n_seeds)]
        reads = [found.readable for found in clean if found.readable]
        row(f"background read without a tie, {what}", "~ .5", median([one.background for one in reads]))
        row(f"share flagged as shortcut risk without a tie, {what}", "<= .05", _flagged(clean))
    marked, place = scene_pool(
        cache, True, aligned=160 if full else 80, conflicting=160 if full else 80, mark=(0.9, 0.02)
    )
    found = studied(marked, 0)
    corner = "corner_top_left"
    row("place of the watermark's statistic in the report (0 = first)", "< 5", ranked(found).index(corner))


def _flagged(found: Sequence[Study]) -> float:
    return float(np.mean([any(one.is_risk for one in each.found) for each in found]))


def scene_pool(
    cache: Path, boxed: bool, *, aligned: int, conflicting: int, mark: tuple[float, float] | None = None
) -> tuple[DatasetView, np.ndarray]:
    """Drawn scenes of two objects before two backgrounds, embedded; and the background of each."""
    rng = np.random.default_rng(0)
    pictures, labels, places, boxes = [], [], [], []
    for label, usual in zip(LABELS, PLACES, strict=True):
        for place in PLACES:
            for _ in range(aligned if place == usual else conflicting):
                scene = draw_scene(rng, label, place)
                if mark is not None and rng.random() < (mark[0] if label == LABELS[0] else mark[1]):
                    ImageDraw.Draw(scene.image).rectangle((0, 0, 31, 23), fill=(250, 250, 250))
                data = io.BytesIO()
                scene.image.save(data, "PNG")
                pictures.append(data.getvalue())
                labels.append(label)
                places.append(place)
                boxes.append(np.array(scene.box) / (256, 192, 256, 192))
    kept = cache / f"scenes-{boxed}-{aligned}-{conflicting}-{mark is not None}.npz"
    given = np.array(boxes, np.float32) if boxed else None
    return parted_view(pictures, labels, boxes=given, kept=kept), np.array(places)


def _scene_study(
    pool: DatasetView, labels: np.ndarray, place: np.ndarray, rho: float, seed: int
) -> tuple[Study, np.ndarray]:
    """A part of the pool in which a share rho of each label is before its usual place."""
    rng = np.random.default_rng(seed)
    rows = []
    for label, usual in zip(LABELS, PLACES, strict=True):
        own = rng.permutation(np.flatnonzero((labels == label) & (place == usual)))
        other = rng.permutation(np.flatnonzero((labels == label) & (place != usual)))
        n_other = int(0.8 * len(other))
        rows += [own[: round(n_other * rho / (1 - rho))], other[:n_other]]
    chosen = np.sort(np.concatenate(rows))
    return studied(rebuilt(pool, chosen), seed), chosen


def _recovered(found: Study, rows: np.ndarray, place: np.ndarray) -> float:
    """AUROC with which the first feature of the report tells the place."""
    return _tells(found, found.found[0].number, place[rows] == PLACES[0])


def real(_full: bool, cache: Path) -> None:
    waterbirds(cache)
    cue_conflict(cache)


def waterbirds(cache: Path) -> None:
    view = real_view("waterbirds", cache)
    land = np.array(view.column("meta.place")) == "land"
    classes = (np.array(view.column("label")) == "landbird").astype(np.int64)
    found = studied(without(view, lambda _: False), 0, SpuriousConfig())
    behind = next(one for one in found.found if one.candidate.kind == BACKGROUND)
    by_place = float(0.5 * (land[classes == 1].mean() + (~land)[classes == 0].mean()))
    row("Waterbirds: label read off the background alone", "", found.readable.background if found.readable else "none")
    row("Waterbirds: label read off the true place", "", by_place)
    row("Waterbirds: features called spurious", "", sum(one.is_spurious for one in found.found))
    row("Waterbirds: AUROC of the place by the background as a whole", "", _tells(found, behind.number, land))
    areas = [_tells(found, one.number, land) for one in found.found[:10]]
    row("Waterbirds: AUROC of the place by the first feature of the report", "", areas[0])
    row("Waterbirds: the same, median of the first 10", "", median(areas))
    weak = [_tells(found, one.number, land) for one in found.found if "E1" in one.levels and not one.is_contextual]
    row("Waterbirds: the same, median of associated features that are not contextual", "", median(weak))
    oracle = harm.Cue(0.0, 1, land, 2 * classes + land)
    everybody = np.arange(len(view))
    folds = deal_folds(everybody, oracle.groups, 5, np.random.default_rng(0))
    plain = predict(view.vectors, classes, folds) == classes
    row("Waterbirds: worst true group, probe as it is", "", _worst(plain, oracle.groups))
    for what, one in (("the background as a whole", behind), ("the first feature", found.found[0])):
        rows = np.flatnonzero(np.isfinite(found.candidates.column(one.number)))
        cue = one.cue or oracle
        groups = 2 * classes[rows] + cue.has[rows]
        cue = harm.Cue(0.0, 1, cue.has[rows], groups)
        right = harm.balanced_refit(view.vectors[rows], classes[rows], folds[rows], cue) == classes[rows]
        row(f"Waterbirds: worst true group, probe balanced by {what}", "", _worst(right, oracle.groups[rows]))
    right = harm.balanced_refit(view.vectors, classes, folds, oracle) == classes
    row("Waterbirds: worst true group, probe balanced by the true place", "", _worst(right, oracle.groups))
    row("Waterbirds: conflict gap by the background as a whole", "", behind.harm.gap if behind.harm else "none")
    truth = harm.measure(oracle, plain, everybody, everybody % 2 == 0, refit=None)
    row("Waterbirds: conflict gap by the true place", "", truth.gap)


def _tells(found: Study, number: int, truth: np.ndarray) -> float:
    """AUROC with which a feature tells what is true of each image, whichever way round, where it is known."""
    values = found.candidates.column(number)
    known = np.isfinite(values)
    area = auc(values[known], truth[known])
    return max(area, 1 - area)


def _worst(right: np.ndarray, groups: np.ndarray) -> float:
    return min(float(right[groups == g].mean()) for g in range(4))


ANIMALS = frozenset({"bear", "bird", "cat", "dog", "elephant"})


def cue_conflict(cache: Path) -> None:
    """Shape of an animal or not as the label, three quarters with the texture of the same kind."""
    view = real_view("cue_conflict", cache)
    shape, texture = (np.array([v in ANIMALS for v in view.column(f"meta.{c}")]) for c in ("shape", "texture"))
    rng = np.random.default_rng(0)
    agree, differ = (
        rng.permutation(np.flatnonzero(shape == texture)),
        rng.permutation(np.flatnonzero(shape != texture)),
    )
    rows = np.sort(np.concatenate([agree, differ[: len(agree) // 3]]))
    view = rebuilt(without(view, lambda _: False), rows)
    labels = pa.array(["animal" if s else "thing" for s in shape[rows]])
    images = view.images.set_column(view.images.column_names.index("label"), "label", labels)
    found = studied(dataclasses.replace(view, images=images), 0, SpuriousConfig())
    read = found.readable
    row("Cue conflict: label (animal's shape) read off the background alone", "", read.background if read else "none")
    row("Cue conflict: off the object alone", "", read.foreground if read else "none")
    row("Cue conflict: features called spurious", "", sum(e.is_spurious for e in found.found))
    areas = [_tells(found, one.number, texture[rows]) for one in found.found[:10]]
    row("Cue conflict: AUROC of the texture by the first feature", "", areas[0])
    row("Cue conflict: the same, median of the first 10", "", median(areas))


PARTS: Mapping[str, Callable[[bool, Path], None]] = {
    "clean": lambda full, _: planted_features.clean(full),
    "ranking": lambda full, _: planted_features.ranking(full),
    "harm": lambda full, _: planted_features.harm(full),
    "scenes": scenes,
    "real": real,
}

if __name__ == "__main__":
    main()
