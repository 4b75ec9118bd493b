"""How large Visual DNA is as a file, and how fast a matrix of many is.

    PYTHONPATH=. python tests/bench/bench_dna_files.py

9 984 neurons (those of a ViT-B/16 in the paper), made of the bundled ones on pictures of Caltech-101, images drawn
again with replacement; each block of neurons has draws of its own, so that nothing repeats. The last row has as many
positions as 1 000 000 images of 197 places.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges, compact, files
from audit.dna.matrix import distance_matrix
from audit.dna.state import N_BUCKETS, NUMBERS
from audit.extractors import load_extractor
from audit.maths import histograms
from tests.bench.real_activations import batches, rows_of

N_NEURONS = 9984
EVERY = 3
"""Every so-manyth neuron of the extractor is taken, so that all pictures fit in memory."""
SIZES = (1_000, 100_000, 1_000_000, 12_312_500)


def per_image() -> tuple[NeuronRanges, dict[str, np.ndarray]]:
    """The state of every picture alone, float32 (n, N, ...), and the ranges of the neurons taken."""
    extractor = load_extractor("bundled")
    parts: list[Dna] = []
    taken = {
        name: LayerRanges(v.low[::EVERY], v.high[::EVERY], v.dead[::EVERY])
        for name, v in extractor.ranges.layers.items()
    }
    ranges = NeuronRanges(taken, extractor.ranges.calibration)
    for layers, kept in batches(extractor, rows_of("caltech101")):
        for i in range(len(kept)):
            counter = DnaCounter(ranges)
            counter.add({name: values[i : i + 1, :, ::EVERY] for name, values in layers.items()})
            parts.append(counter.dna())
    names = ("counts", "tails", "spread", *NUMBERS)
    return ranges, {name: np.stack([getattr(part, name).astype(np.float32) for part in parts]) for name in names}


def drawn(ranges: NeuronRanges, single: dict[str, np.ndarray], n: int, rng: np.random.Generator) -> Dna:
    """A DNA of n images drawn again, 9 984 neurons."""
    blocks: list[dict[str, np.ndarray]] = []
    m, have = single["counts"].shape[:2]
    flat = {name: values.reshape(m, -1) for name, values in single.items()}
    edges = np.append(0, histograms.SPREAD_EDGES + 1)
    coarse = np.add.reduceat(single["counts"], edges, axis=2).reshape(m, -1)
    while sum(len(block["counts"]) for block in blocks) < N_NEURONS:
        times = rng.multinomial(n, np.full(m * N_BUCKETS, 1 / (m * N_BUCKETS))).reshape(N_BUCKETS, m).astype(np.float64)
        block = {name: _sum(times.sum(axis=0)[None], v)[0].reshape(single[name].shape[1:]) for name, v in flat.items()}
        block["buckets"] = _sum(times, coarse).reshape(N_BUCKETS, have, -1).transpose(1, 0, 2)
        blocks.append(block)
    state = {k: np.concatenate([b[k] for b in blocks])[:N_NEURONS].astype(np.int64) for k in blocks[0]}
    layers = {}
    for i in range(len(blocks)):
        layers |= {f"{i}.{name}": layer for name, layer in ranges.layers.items()}
    many, left = {}, N_NEURONS
    for name, layer in layers.items():
        c = min(left, len(layer.low))
        if c:
            many[name] = LayerRanges(layer.low[:c], layer.high[:c], layer.dead[:c])
        left -= c
    return Dna(NeuronRanges(many, ranges.calibration), "bench", **state)


def _sum(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Exact sums of whole numbers, a block of images at a time."""
    return sum(times[:, i : i + 100] @ values[i : i + 100].astype(np.float64) for i in range(0, len(values), 100))


def main() -> None:
    """Measure and print."""
    ranges, single = per_image()
    rng = np.random.default_rng(0)
    for n in SIZES:
        dna = drawn(ranges, single, n, rng)
        whole, small = files.to_bytes(dna), compact.to_bytes(compact.compact(dna))
        if not files.from_bytes(whole).same_as(dna):
            raise SystemExit("the file lost something")
        print(f"{n:>11,} images: whole {len(whole) / 1e6:5.2f} MB, compact {len(small) / 1e6:5.2f} MB", flush=True)
    many = [compact.compact(drawn(ranges, single, 1000, rng)) for _ in range(20)]
    seconds = []
    for _ in range(5):
        start = time.process_time()
        distance_matrix(many)
        seconds.append(time.process_time() - start)
    print(f"a matrix of 20 x 20 with {N_NEURONS} neurons: {statistics.median(seconds):.2f} s of one core")


if __name__ == "__main__":
    main()
