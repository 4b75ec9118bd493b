"""Is the p-value of Visual DNA calibrated on real pictures? Random halves of one real set, many times.

    PYTHONPATH=. python tests/bench/bench_dna_null.py [--pairs 200] [--set caltech101] [--stride 1]

Pictures are measured once; each pair of samples is a random draw of the images without replacement, in hash buckets
as the counter makes them. Prints, for sides of equal and unequal size: the Kolmogorov-Smirnov p-value of uniformity,
the share of verdicts 'different' at 5 % and 1 %.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import numpy as np
from scipy.stats import kstest

from audit.dna import N_BUCKETS, DnaCounter
from audit.extractors import load_extractor
from audit.maths.bucket_tests import joint_test
from audit.maths.histograms import N_COARSE
from tests.bench.real_activations import batches, rows_of

SHARES = ((0.5, 0.5), (0.25, 0.75), (0.08, 0.92))


def coarse_counts(name: str, attribute: str) -> tuple[np.ndarray, np.ndarray]:
    """Coarse counts of every image, float32 (n, N, 17), and its hash bucket, int64 (n,)."""
    extractor = load_extractor("bundled")
    counts, buckets = [], []
    for layers, kept in batches(extractor, rows_of(name, attribute)):
        for i in range(len(kept)):
            counter = DnaCounter(extractor.ranges)
            counter.add({layer: values[i : i + 1] for layer, values in layers.items()})
            found = counter.dna().buckets
            counts.append(found.sum(axis=1).astype(np.float32))
            buckets.append(int(found.sum(axis=(0, 2)).argmax()))
    return np.stack(counts), np.array(buckets)


def p_values(counts: np.ndarray, buckets: np.ndarray, sizes: tuple[int, int], pairs: int) -> np.ndarray:
    """p_value and p_mean of many pairs of samples, float64 (pairs, 2)."""
    rng = np.random.default_rng(0)
    n, n_neurons = counts.shape[:2]
    flat, weights, found = counts.reshape(n, -1), np.ones(n_neurons), []
    for _ in range(pairs):
        chosen = rng.permutation(n)[: sum(sizes)]
        place = np.zeros((2 * N_BUCKETS, n), np.float32)
        place[buckets[chosen] + N_BUCKETS * (np.arange(len(chosen)) >= sizes[0]), chosen] = 1
        summed = (place @ flat).reshape(2, N_BUCKETS, n_neurons, N_COARSE).transpose(0, 2, 1, 3).astype(np.int64)
        sides = [SimpleNamespace(buckets=side, counts=side.sum(axis=1)) for side in summed]
        test = joint_test(sides[0], sides[1], weights, rng, n_permutations=199)
        if test is None:
            raise SystemExit("too few filled buckets")
        found.append((test.p_value, test.p_mean))
    return np.array(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="cifake")
    parser.add_argument("--attribute", default="kind=real")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--stride", type=int, default=1, help="take every so-manyth neuron, to be faster")
    arguments = parser.parse_args()
    counts, buckets = coarse_counts(arguments.set, arguments.attribute)
    counts = np.ascontiguousarray(counts[:, :: arguments.stride])
    print(f"{arguments.set} {arguments.attribute}: {counts.shape[0]} images, {counts.shape[1]} neurons")
    for shares in SHARES:
        sizes = (int(shares[0] * len(counts)), int(shares[1] * len(counts)))
        p = p_values(counts, buckets, sizes, arguments.pairs)
        for name, values in zip(("p_value", "p_mean"), p.T, strict=True):
            print(
                f"{sizes[0]:>5} against {sizes[1]:<5} {name:<8} KS p {kstest(values, 'uniform').pvalue:.3f}, "
                f"p <= .05 in {np.mean(values <= 0.05):.1%}, p <= .01 in {np.mean(values <= 0.01):.1%}"
            )


if __name__ == "__main__":
    main()
