"""Are p-value and interval of Visual DNA right where images hang together? Before and after bursts are counted once.

    PYTHONPATH=. python tests/bench/bench_dna_bursts.py null [--pairs 150]
    PYTHONPATH=. python tests/bench/bench_dna_bursts.py interval [--repeats 100]
    PYTHONPATH=. python tests/bench/bench_dna_bursts.py daynight

Pictures are measured once, each with near copies (cut, brightened, saved as JPEG again). *null*: 400 pictures of
Caltech-101 with 1, 3, 8 or some of each, or in groups of pictures of one class as sequences are; whole bursts are split
into two samples of one source. Prints the share of p <= .05 and the Kolmogorov-Smirnov p-value of uniformity, with
images taken as independent and with bursts. *interval*: how often the 95 % interval of real against synthetic pictures
of CIFAKE holds the distance of all. *daynight*: webcams, with the bursts that near copies make.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageEnhance
from scipy.stats import kstest

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.dna.comparing import Asked, compare
from audit.dna.state import NUMBERS
from audit.extractors import load_extractor
from audit.maths.bucket_tests import joint_test
from audit.maths.burst_tests import ByImage, burst_test
from audit.maths.histograms import N_BUCKETS
from audit.maths.neighbours import nearest
from audit.maths.rows import components, near_copy_distance
from audit.pictures.process import process
from tests.bench.real_activations import BATCH, rows_of
from tests.bench.real_pictures import shared_data

EVERY = 16
SUMMED = ("counts", "tails", "spread", *NUMBERS)


@dataclass(frozen=True)
class Measured:
    """Every picture alone; row i of everything is the same picture."""

    ranges: NeuronRanges
    single: dict[str, np.ndarray]
    buckets: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    source: np.ndarray
    copy: np.ndarray
    labels: np.ndarray

    def dna(self, rows: np.ndarray) -> Dna:
        """The DNA of some pictures."""
        summed = {name: self.single[name][rows].sum(axis=0, dtype=np.int64) for name in SUMMED}
        buckets = np.zeros((N_BUCKETS, *self.single["coarse"].shape[1:]), np.int64)
        np.add.at(buckets, self.buckets[rows], self.single["coarse"][rows].astype(np.int64))
        return Dna(self.ranges, "bench", buckets=buckets.transpose(1, 0, 2), **summed)

    def by_image(self, rows: np.ndarray, bursts: np.ndarray) -> ByImage:
        """Some pictures with their bursts."""
        return ByImage(self.values[rows], bursts[rows])

    def groups(self, size: int) -> np.ndarray:
        """Groups of so many sources of one class, by picture."""
        labels, rng = self.labels, np.random.default_rng(3)
        group, made = np.zeros(len(labels), np.int64), 0
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            for start in range(0, len(members), size):
                group[members[start : start + size]] = made
                made += 1
        return group[self.source]


def copied(data: bytes, rng: np.random.Generator) -> bytes:
    """A near copy: up to 5 % cut from each side, 15 % brighter or darker, JPEG of quality 40 to 90."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    left, top, right, bottom = rng.uniform(0, 0.05, 4)
    box = (left * image.width, top * image.height, (1 - right) * image.width, (1 - bottom) * image.height)
    image = image.crop(tuple(round(side) for side in box))
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.85, 1.15))
    made = io.BytesIO()
    image.save(made, "jpeg", quality=int(rng.integers(40, 90)))
    return made.getvalue()


def measured(name: str, attribute: str, n: int, copies: int) -> Measured:
    """Every picture of a random part of a set, and its near copies."""
    extractor, rng = load_extractor("bundled"), np.random.default_rng(1)
    rows = rows_of(name, attribute)
    rows = [rows[i] for i in np.sort(rng.permutation(len(rows))[:n])]
    taken = {
        layer: LayerRanges(v.low[::EVERY], v.high[::EVERY], v.dead[::EVERY])
        for layer, v in extractor.ranges.layers.items()
    }
    ranges = NeuronRanges(taken, "bench")
    jobs = [(i, copy) for i in range(len(rows)) for copy in range(copies)]
    single: dict[str, list[np.ndarray]] = {key: [] for key in (*SUMMED, "coarse")}
    buckets, values, vectors = [], [], []
    for start in range(0, len(jobs), BATCH):
        data = [((shared_data() / rows[i]["path"]).read_bytes(), copy) for i, copy in jobs[start : start + BATCH]]
        pictures = [copied(one, rng) if copy else one for one, copy in data]
        pixels = [process(one, extractor.spec.input, max_pixels=10**8).pixels for one in pictures]
        found = extractor.features(np.stack([one for one in pixels if one is not None]))
        vectors.append(np.asarray(found.embedding, np.float64))
        for i in range(len(pictures)):
            counter = DnaCounter(ranges, "bench")
            layers = {k: np.ascontiguousarray(v[i : i + 1, :, ::EVERY], np.float32) for k, v in found.layers.items()}
            values.append(counter.add(layers).values[0])
            dna = counter.dna()
            for key in SUMMED:
                single[key].append(getattr(dna, key).astype(np.int16 if key == "counts" else np.int64))
            single["coarse"].append(dna.buckets.sum(axis=1).astype(np.int32))
            buckets.append(int(dna.buckets.sum(axis=(0, 2)).argmax()))
    joined = np.concatenate(vectors)
    return Measured(
        ranges,
        {key: np.stack(parts) for key, parts in single.items()},
        np.array(buckets),
        np.stack(values),
        (joined / np.linalg.norm(joined, axis=1, keepdims=True)).astype(np.float32),
        np.array([i for i, _ in jobs]),
        np.array([copy for _, copy in jobs]),
        np.array([row["label"] for row in rows]),
    )


def null_row(
    found: Measured, pools: tuple[np.ndarray, np.ndarray], bursts: np.ndarray, sizes: tuple[int, int], pairs: int
) -> None:
    """Print one row: whole bursts of one source split into samples, many times."""
    rng, names, p = np.random.default_rng(0), np.unique(bursts[pools[0]]), []
    weights = np.ones(found.ranges.n_neurons)
    for _ in range(pairs):
        order = rng.permutation(names)
        parts = (order[: sizes[0]], order[sizes[0] : sum(sizes)])
        rows = [pool[np.isin(bursts[pool], part)] for pool, part in zip(pools, parts, strict=True)]
        blind = joint_test(found.dna(rows[0]), found.dna(rows[1]), weights, rng, n_permutations=199)
        aware = burst_test(*(found.by_image(one, bursts) for one in rows), weights, rng, n_permutations=199)
        if blind is None or aware is None:
            raise SystemExit("too few buckets or bursts")
        p.append((blind.p_value, aware.p_value))
    before, after = np.array(p).T
    print(
        f"  {sizes[0]:>3} against {sizes[1]:<3} bursts ({len(rows[0])} against {len(rows[1])} images): p <= .05 "
        f"before {np.mean(before <= 0.05):6.1%}, after {np.mean(after <= 0.05):6.1%}, KS {_ks(after):.2f}, "
        f"p <= .01 after {np.mean(after <= 0.01):.1%}",
        flush=True,
    )


def _ks(p: np.ndarray) -> float:
    return float(kstest(p, "uniform").pvalue)


def null(pairs: int) -> None:
    """Samples of one source."""
    found = measured("caltech101", "", 400, 8)
    everything, n = np.arange(len(found.source)), len(found.labels)
    half = (n // 2, n // 2)
    row = partial(null_row, found, pairs=pairs)
    for copies in (3, 8):
        print(f"every picture {copies} times")
        pool = everything[found.copy < copies]
        row((pool, pool), found.source, half)
    row((everything, everything), found.source, (n // 5, n - n // 5))
    row((everything, everything), found.source, (n // 20, n - n // 20))
    print("every picture 1, 3 or 8 times")
    pool = everything[found.copy < np.random.default_rng(5).choice([1, 3, 8], n)[found.source]]
    row((pool, pool), found.source, half)
    print("a tenth of the pictures 8 times")
    pool = everything[found.copy < np.where(np.random.default_rng(5).random(n) < 0.1, 8, 1)[found.source]]
    row((pool, pool), found.source, half)
    print("one of its copies of every picture, against all 8")
    pool = everything[found.copy == np.random.default_rng(6).integers(0, 8, n)[found.source]]
    row((pool, everything), found.source, half)
    once = everything[found.copy == 0]
    for size, halves in ((5, ((40, 40),)), (10, ((20, 20), (8, 8), (8, 32)))):
        print(f"groups of {size} pictures of one class")
        for sizes in halves:
            row((once, once), found.groups(size), sizes)
    print("groups of 10 pictures of one class, each 8 times")
    row((everything, everything), found.groups(10), (20, 20))


def interval_row(
    sides: tuple[Measured, Measured],
    pools: tuple[np.ndarray, np.ndarray],
    bursts: tuple[np.ndarray, np.ndarray],
    n: int,
    repeats: int,
) -> None:
    """Print one row: how often the interval of sub-samples holds the distance of all, before and after."""
    rng = np.random.default_rng(0)

    def total(rows: list[np.ndarray], *, aware: bool):
        images = [side.by_image(part, names) for side, part, names in zip(sides, rows, bursts, strict=True)]
        asked = Asked(images=(images[0], images[1]) if aware else None, n_permutations=99, n_resamples=299)
        return compare(*(side.dna(part) for side, part in zip(sides, rows, strict=True)), rng, asked).total

    truth = total(list(pools), aware=True).corrected or 0.0
    held: dict[bool, list[tuple[bool, float]]] = {False: [], True: []}
    for _ in range(repeats):
        drawn = [rng.permutation(np.unique(b[pool]))[:n] for pool, b in zip(pools, bursts, strict=True)]
        rows = [pool[np.isin(b[pool], part)] for pool, b, part in zip(pools, bursts, drawn, strict=True)]
        for aware, found in held.items():
            one = total(rows, aware=aware)
            found.append(((one.low or 0.0) <= truth <= (one.high or 0.0), one.corrected or 0.0))
    before, after = (np.array(held[aware], np.float64) for aware in (False, True))
    print(
        f"  {n} bursts a side ({len(rows[0])} against {len(rows[1])} images), truth {truth:.3f}: before held "
        f"{before[:, 0].mean():.0%}, mean {before[:, 1].mean():.3f}; after held {after[:, 0].mean():.0%}, "
        f"mean {after[:, 1].mean():.3f}",
        flush=True,
    )


def interval(repeats: int) -> None:
    """Real against synthetic pictures of CIFAKE."""
    sides = measured("cifake", "kind=real", 700, 4), measured("cifake", "kind=fake", 700, 4)
    pools = (np.arange(2800), np.arange(2800))
    once = (pools[0][sides[0].copy == 0], pools[1][sides[1].copy == 0])
    sources = (sides[0].source, sides[1].source)
    groups = (sides[0].groups(10), sides[1].groups(10))
    print("every picture once")
    interval_row(sides, once, sources, 60, repeats)
    print("every picture 4 times")
    interval_row(sides, pools, sources, 60, repeats)
    print("groups of 10 pictures of one class")
    interval_row(sides, once, groups, 10, repeats)
    interval_row(sides, once, groups, 20, repeats)
    print("the same, each picture 4 times")
    interval_row(sides, pools, groups, 20, repeats)


def daynight(_: int) -> None:
    """Webcams by day against webcams by night, and halves of the day."""
    day, night = (measured("daynight", f"time={time}", 120, 1) for time in ("day", "night"))
    bursts = [_near(side.vectors) for side in (day, night)]
    rows = np.arange(len(day.source)), np.arange(len(night.source))
    images = (day.by_image(rows[0], bursts[0]), night.by_image(rows[1], bursts[1]))
    for asked in (Asked(), Asked(images=images)):
        t = compare(day.dna(rows[0]), night.dna(rows[1]), np.random.default_rng(0), asked).total
        print(
            f"day against night: {t.corrected:.3f} [{t.low:.3f}, {t.high:.3f}], floor {t.floor:.3f}, p {t.p_value}, "
            f"bursts {t.n_bursts}, design effect {t.design_effect}"
        )


def _near(vectors: np.ndarray) -> np.ndarray:
    """Bursts by near copies in the embedding alone."""
    table = nearest(vectors, 10, threads=1)
    rows, columns = np.nonzero(table.distances <= near_copy_distance(table))
    return components(len(vectors), rows.astype(np.int64), table.indices[rows, columns].astype(np.int64))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("null", "interval", "daynight"))
    parser.add_argument("--pairs", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=100)
    arguments = parser.parse_args()
    asked: dict[str, tuple[Callable[[int], None], int]] = {
        "null": (null, arguments.pairs),
        "interval": (interval, arguments.repeats),
        "daynight": (daynight, 0),
    }
    measure, times = asked[arguments.what]
    measure(times)


if __name__ == "__main__":
    main()
