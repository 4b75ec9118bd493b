"""Can an attribute be learnt, and silenced without silencing the others? Five planted on real pictures.

    PYTHONPATH=. python tests/bench/bench_dna_weights.py [SET]

A real set (Caltech-101 by default) in four disjoint parts: plain and changed pictures to learn from, plain and
changed pictures held out. Row k silences attribute k; column j is by how much the unbiased squared distance of
attribute j falls, on held-out pictures, as in the paper's table of sensitivity removal. The diagonal should be at
least 90 %; what else falls is entangled, what is negative has grown. The last number is the fall of the attribute's
own corrected distance, which is not squared.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from audit.dna import Dna, DnaCounter, weights
from audit.dna.comparing import Asked, Comparison, compare
from audit.extractors import load_extractor
from audit.extractors.base import Extractor
from tests.bench.real_activations import BATCH, pixels_of, rows_of

N = 300
SIDE = 128


def tint(pixels: np.ndarray) -> np.ndarray:
    """A warm light."""
    return np.clip(pixels * np.array([1.25, 1.0, 0.7]), 0, 255).astype(np.uint8)


def blur(pixels: np.ndarray) -> np.ndarray:
    """Out of focus."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2.0)))


def thing(pixels: np.ndarray) -> np.ndarray:
    """A striped ball in the middle."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    inside = x * x + y * y < (SIDE // 6) ** 2
    stripes = np.where(((x + y) // 6 % 2 == 0)[..., None], [220, 40, 40], [240, 240, 240])
    return np.where(inside[..., None], stripes, pixels).astype(np.uint8)


def background(pixels: np.ndarray) -> np.ndarray:
    """Grass around the middle."""
    rng = np.random.default_rng(int(pixels[0, 0].sum()))
    grass = np.clip(rng.normal([60, 120, 40], 28, (SIDE, SIDE, 3)), 0, 255)
    edge = np.abs(np.mgrid[:SIDE, :SIDE] - SIDE / 2).max(axis=0) > 0.36 * SIDE
    return np.where(edge[..., None], grass, pixels).astype(np.uint8)


def border(pixels: np.ndarray) -> np.ndarray:
    """A black frame."""
    framed = np.zeros_like(pixels)
    framed[8:-8, 8:-8] = pixels[8:-8, 8:-8]
    return framed


PLANTED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tint": tint,
    "blur": blur,
    "object": thing,
    "background": background,
    "border": border,
}


def measured(extractor: Extractor, pixels: np.ndarray) -> tuple[Dna, np.ndarray]:
    """DNA of pictures, and the image means of every neuron in parts of its range, float64 (n, N)."""
    counter, means = DnaCounter(extractor.ranges, extractor.spec.fingerprint), []
    for i in range(0, len(pixels), BATCH):
        layers = extractor.features(pixels[i : i + BATCH]).layers
        counter.add(layers)
        means.append(np.concatenate([layers[name].mean(axis=1) for name in extractor.ranges.layers], axis=1))
    return counter.dna(), np.concatenate(means).astype(np.float64)


def main() -> None:
    """Measure and print."""
    extractor = load_extractor("bundled")
    rows = rows_of(sys.argv[1] if len(sys.argv) > 1 else "caltech101")
    pixels, _ = pixels_of(extractor, [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[: 4 * N]])
    parts = [pixels[i * N : (i + 1) * N] for i in range(4)]
    plain = [measured(extractor, parts[i]) for i in (0, 2)]
    changed = {
        name: [measured(extractor, np.stack([change(picture) for picture in parts[i]])) for i in (1, 3)]
        for name, change in PLANTED.items()
    }
    ranges, about = extractor.ranges, extractor.spec.fingerprint
    start = weights.of_layers(ranges, about, list(ranges.layers)).array(ranges, about) * ~ranges.dead
    _say_learnt(extractor, plain[0][1], {name: sides[0][1] for name, sides in changed.items()})
    learnt = {name: _pair(plain[0][0], sides[0][0]) for name, sides in changed.items()}
    held = {name: _pair(plain[1][0], sides[1][0]) for name, sides in changed.items()}
    print(
        "beyond sampling, held out: " + ", ".join(f"{k} {_corrected(pair, start):.3f} SD" for k, pair in held.items())
    )
    print(f"{'silenced':<12}" + "".join(f"{name:>12}" for name in PLANTED) + f"{'neurons':>10}{'distance':>10}")
    for silenced in PLANTED:
        rows_ = {name: pair.cramer for name, pair in learnt.items()}
        made = weights.silencing(ranges, about, rows_, [silenced], start).array(ranges, about)
        cells = "".join(f"{_fall(pair, start, made):>12.1%}" for pair in held.values())
        whole = 1 - _corrected(held[silenced], made) / _corrected(held[silenced], start)
        print(f"{silenced:<12}{cells}{int((made > 0).sum()):>10}{whole:>10.1%}", flush=True)


def _say_learnt(extractor: Extractor, plain: np.ndarray, changed: dict[str, np.ndarray]) -> None:
    for name, means in changed.items():
        rng = np.random.default_rng(0)
        made = weights.of_attribute(extractor.ranges, extractor.spec.fingerprint, means, plain, rng, name=name)
        found = made.evidence
        if found is None:
            raise SystemExit("learnt weights without evidence")
        n = sum(weight > 0 for layer in made.layers.values() for weight in layer)
        print(f"learnt {name:<11} {n:>5} neurons, held-out AUC {found.auc:.3f} [{found.low:.3f}, {found.high:.3f}]")


def _pair(plain: Dna, changed: Dna) -> Comparison:
    found = compare(plain, changed, np.random.default_rng(0), Asked(n_permutations=99, n_resamples=99))
    dead = plain.ranges.dead
    return replace(found, **{k: np.where(dead, 0.0, getattr(found, k)) for k in ("cramer", "distance", "floor")})


def _fall(pair: Comparison, start: np.ndarray, made: np.ndarray) -> float:
    """By how much the weighted squared distance is smaller."""
    return float(1 - (pair.cramer @ made / made.sum()) / (pair.cramer @ start / start.sum()))


def _corrected(pair: Comparison, weights_: np.ndarray) -> float:
    share = weights_ / weights_.sum()
    return float(np.sqrt(max(0.0, (pair.distance @ share) ** 2 - (pair.floor @ share) ** 2)))


if __name__ == "__main__":
    main()
