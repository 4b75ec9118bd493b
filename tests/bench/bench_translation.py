"""Does a comparison through a translation hold its level, and does it see what one extractor sees?

``PYTHONPATH=. python -m tests.bench.bench_translation --kept FOLDER [--maps 6] [--draws 10] [OLD:NEW ...]``

Every pair of extractors learns on a part of a set (:func:`audit.translation.learn`); the rest is dealt into halves, one
by each extractor, at the size the product takes. ``told`` is how often the verdict of the two-sample test at 5 % (twice
the smaller of its two p-values) calls equal halves different; ``one-sided`` is the AUC of halves where the old side is
mapped by a ridge regression instead. ``unlike`` is the larger of the two AUCs against the shared pictures, ``refused``
how often the comparison would have been. For datasets that truly differ: the AUC through the translation, of the old
extractor alone in the common space, and of either extractor in its own space.
Vectors are kept in FOLDER for the next run.

Recorded on 27 November 2026 with ``--maps 5 bundled:squeezenet bundled:teacher``: equal halves of the set learnt on are
told apart in .06 and .06 (caltech101), .05 and .07 (tiny) and .02 and .06 (CIFAKE) of 40 to 50 draws, none refused;
those of clothing and PACS photo by caltech101 in .80 to 1.00 of 10, all refused. Real against synthetic: .715 and .803
through it, .731 and .795 by the old extractor in the common space, .860 to .900 by each alone.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image
from threadpoolctl import threadpool_limits

from audit.analyses.two_sample import TwoSampleConfig, TwoSampleResult, compute
from audit.errors import ConfigError
from audit.maths import representations
from audit.model import DatasetView, Embeddings
from audit.through import judge, translated
from audit.translation import Translation, learn
from tests.bench.bench_extractors import features_of
from tests.bench.real_pictures import shared_data
from tests.views import view_of

PAIRS = ("bundled:teacher", "bundled:squeezenet", "squeezenet:teacher", "classical:bundled")
N_TINY = 3000
N_CIFAKE = 1000
"""Most pictures of CIFAKE of either kind: every other one."""
BATCH = 32
N_PERMUTATIONS = 99

Float32 = npt.NDArray[np.float32]
Both = tuple[Float32, Float32]


def main() -> None:
    """A block for each pair of extractors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="*", default=list(PAIRS))
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--maps", type=int, default=6)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    with threadpool_limits(1):
        for pair in arguments.pairs:
            report(Vectors(pair, arguments.kept), arguments.maps, arguments.draws)


class Vectors:
    """The evaluation pictures under two extractors."""

    def __init__(self, pair: str, folder: Path) -> None:
        self.names = pair.split(":")
        self.folder = folder
        with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        kinds = [[row for row in rows if row["attributes"] == f"kind={kind}"] for kind in ("real", "fake")]
        self.rows = [row for row in rows if row["set"] != "cifake"]
        self.rows += [row for kind in kinds for row in kind[::2][:N_CIFAKE]]

    def of(self, name: str, having: str = "") -> Both:
        """A set, or the pictures of it whose attributes hold a text, by both extractors."""
        first, second = (self._of(extractor, name) for extractor in self.names)
        if name == "tiny":
            return first, second
        chosen = np.array([having in row["attributes"] for row in self.rows if row["set"] == name])
        return first[chosen], second[chosen]

    def _of(self, extractor: str, name: str) -> Float32:
        kept = self.folder / f"{extractor}-{name}.npy"
        if not kept.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            side, features = features_of(extractor)
            batches = _batches(list(self._pictures(name)), side)
            np.save(kept, np.concatenate([features(batch) for batch in batches]))
        found: Float32 = np.load(kept)
        return found

    def _pictures(self, name: str) -> Iterator[io.BytesIO | Path]:
        if name != "tiny":
            yield from (shared_data() / row["path"] for row in self.rows if row["set"] == name)
            return
        column = pq.read_table(shared_data() / "tiny-imagenet-train.parquet", columns=["image"]).column("image")
        for row in np.sort(np.random.default_rng(0).permutation(len(column))[:N_TINY]):
            yield io.BytesIO(column[int(row)].as_py())


def _batches(pictures: list[io.BytesIO | Path], side: int) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(pictures), BATCH):
        opened = (Image.open(one).convert("RGB") for one in pictures[start : start + BATCH])
        yield np.stack([np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)) for image in opened])


def report(vectors: Vectors, n_maps: int, n_draws: int) -> None:
    """Equal halves and true differences, for translations learnt on three sets."""
    print(f"\n{' and '.join(vectors.names)}, {n_maps} translations, {n_draws} halves of each")
    photo, real = vectors.of("pacs", "domain=photo"), vectors.of("cifake", "kind=real")
    away = {"clothing": vectors.of("clothing"), "PACS photo": photo}
    sets = {"caltech101": (vectors.of("caltech101"), 750), "tiny": (vectors.of("tiny"), 2400), "CIFAKE": (real, 700)}
    for name, (both, n_shared) in sets.items():
        equal: dict[str, list[list[float]]] = {}
        other: dict[str, list[list[float]]] = {}
        for number in range(n_maps):
            rng = np.random.default_rng(number)
            order = rng.permutation(len(both[0]))
            shared, rest = taken(both, order[:n_shared]), taken(both, order[n_shared:])
            try:
                made = learn(views(shared, shared), name, rng)
            except ConfigError as error:
                print(f"{name:<12}{error}")
                continue
            equal.setdefault(name, []).extend(halves(made, shared, rest, rng, n_draws))
            for where, strange in away.items() if name == "caltech101" else ():
                equal.setdefault(f"{where} by {name}", []).extend(halves(made, shared, strange, rng, 2))
            if name == "CIFAKE":
                found = apart(made, rest, vectors.of("cifake", "kind=fake"), rng)
                other.setdefault("real, synthetic", []).append(found)
        tell(made, equal, other)


def halves(made: Translation, shared: Both, both: Both, rng: np.random.Generator, n_draws: int) -> list[list[float]]:
    """Random halves of one set, one by each extractor; what is slow is measured on the first of them."""
    found = []
    for draw in range(n_draws):
        order = rng.permutation(len(both[0]))
        n = min(made.most_tested, len(order) // 2)
        sides = views(taken(both, order[:n]), taken(both, order[n : 2 * n]))
        test = compared(made, sides, rng)
        slow = [np.nan] * 3 if draw else once(made, shared, both, sides, rng)
        found.append([test.auc, min(1.0, 2 * min(test.p_value, test.mmd_p_value)), *slow])
    return found


def once(
    made: Translation, shared: Both, both: Both, sides: list[DatasetView], rng: np.random.Generator
) -> list[float]:
    """How unlike the shared pictures the set is, whether it is refused, and the AUC of a ridge regression instead."""
    middle = len(both[0]) // 2
    order = rng.permutation(len(both[0]))
    judged = judge(made, views(taken(both, order[:middle]), taken(both, order[middle:])), rng)
    ridge = representations.fit(*(one.astype(np.float64) for one in shared))
    mapped = unit(ridge(sides[0].vectors.astype(np.float64))), sides[1].vectors
    one_sided = compute([view_of(one) for one in mapped], TwoSampleConfig(n_permutations=N_PERMUTATIONS), rng).result
    return [max(judged.reference.auc, judged.candidate.auc), bool(judged.refused), one_sided.auc]


def apart(made: Translation, left: Both, right: Both, rng: np.random.Generator) -> list[float]:
    """Two sets that differ: through the translation, by the old extractor in the common space, and by each alone."""
    n = made.most_tested
    left, right = (taken(both, rng.permutation(len(both[0]))[:n]) for both in (left, right))
    first, second = ([views(one, one)[place] for one in (left, right)] for place in (0, 1))
    across = compared(made, [first[0], second[1]], rng)
    alone = [compute(two, TwoSampleConfig(n_permutations=N_PERMUTATIONS), rng).result.auc for two in (first, second)]
    return [across.auc, compared(made, first, rng).auc, *alone]


def compared(made: Translation, sides: list[DatasetView], rng: np.random.Generator) -> TwoSampleResult:
    """The two-sample test in the common space."""
    mapped = [dataclasses.replace(v, embeddings=e) for v, e in zip(sides, translated(made, sides), strict=True)]
    found: TwoSampleResult = compute(mapped, TwoSampleConfig(n_permutations=N_PERMUTATIONS), rng).result
    return found


def views(old: Both, new: Both) -> list[DatasetView]:
    """The first of one pair by the old extractor, the second of the other by the new."""
    made = (view_of(old[0], name="shared"), view_of(new[1], name="shared"))
    named = [Embeddings(view.vectors, name, name * 12) for view, name in zip(made, ("old", "new"), strict=True)]
    return [dataclasses.replace(view, embeddings=one) for view, one in zip(made, named, strict=True)]


def taken(both: Both, rows: npt.NDArray[np.int64]) -> Both:
    """Some rows of both."""
    return both[0][rows], both[1][rows]


def unit(rows: npt.NDArray[np.float64]) -> Float32:
    """Rows of unit length."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def tell(made: Translation, equal: dict[str, list[list[float]]], other: dict[str, list[list[float]]]) -> None:
    """Rows of the tables."""
    held = f"{made.old.held:.0%} and {made.new.held:.0%} held"
    about = f"{made.n_directions} directions, {held}, {made.most_tested} tested"
    for name, rows in equal.items():
        auc, p, unlike, refused, one_sided = np.array(rows).T
        print(
            f"{name:<26}AUC {np.median(auc):.3f}  told {np.mean(p <= 0.05):.2f} of {len(p)}  one-sided "
            f"{np.nanmedian(one_sided):.3f}  unlike {np.nanmedian(unlike):.2f}  refused {np.nanmean(refused):.2f}  "
            f"({about})",
            flush=True,
        )
    for name, rows in other.items():
        numbers = "  ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))
        print(f"{name:<26}AUC through, old in common space, old alone, new alone: {numbers}", flush=True)


if __name__ == "__main__":
    main()
