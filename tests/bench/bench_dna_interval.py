"""How often the 95 % interval of a Visual DNA distance holds the distance of the whole sets.

    PYTHONPATH=. python tests/bench/bench_dna_interval.py [--repeats 150]

Sub-samples of the real and of the synthetic pictures of CIFAKE are compared; the truth is the corrected distance of all
2 500 and 1 500. Sub-samples are drawn without replacement, which makes intervals a little too wide at 400.
"""

from __future__ import annotations

import argparse

import numpy as np

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.dna.comparing import Asked, compare
from audit.extractors import load_extractor
from tests.bench.real_activations import batches, rows_of

EVERY = 6
SIZES = (30, 50, 150, 400)


def activations(attribute: str) -> tuple[NeuronRanges, dict[str, np.ndarray]]:
    """Every sixth neuron of each layer: its ranges, and float32 (n, places, c) of all pictures."""
    extractor = load_extractor("bundled")
    found: dict[str, list[np.ndarray]] = {name: [] for name in extractor.ranges.layers}
    for layers, _ in batches(extractor, rows_of("cifake", attribute)):
        for name, values in found.items():
            values.append(layers[name][:, :, ::EVERY])
    known = {
        name: LayerRanges(layer.low[::EVERY], layer.high[::EVERY], layer.dead[::EVERY])
        for name, layer in extractor.ranges.layers.items()
    }
    return NeuronRanges(known, "bench"), {name: np.concatenate(values) for name, values in found.items()}


def counted(ranges: NeuronRanges, layers: dict[str, np.ndarray], rows: np.ndarray) -> Dna:
    """The DNA of some pictures."""
    counter = DnaCounter(ranges, "bench")
    counter.add({name: np.ascontiguousarray(values[rows]) for name, values in layers.items()})
    return counter.dna()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=150)
    repeats = parser.parse_args().repeats
    (ranges, real), (_, fake) = (activations(f"kind={kind}") for kind in ("real", "fake"))
    sides = [(one, len(next(iter(one.values())))) for one in (real, fake)]
    rng = np.random.default_rng(0)
    whole = compare(*(counted(ranges, one, np.arange(n)) for one, n in sides), rng).total
    truth = whole.corrected or 0.0
    print(f"truth {truth:.4f} SD, {sides[0][1]} against {sides[1][1]} pictures")
    for size in SIZES:
        found = []
        for _ in range(repeats):
            pair = [counted(ranges, one, rng.permutation(n)[:size]) for one, n in sides]
            t = compare(*pair, rng, Asked(n_permutations=99)).total
            found.append((t.low or 0.0, t.corrected or 0.0, t.high or 0.0))
        low, middle, high = np.array(found).T
        held = np.mean((low <= truth) & (truth <= high))
        print(
            f"{size:>4} a side: held {held:.1%}, mean {middle.mean():.4f}, mean width {(high - low).mean():.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
