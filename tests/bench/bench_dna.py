"""How fast the bundled extractor measures and how much counting its Visual DNA adds.

    python tests/bench/bench_dna.py

Prints medians over batches of 32 drawn pictures, one thread, both measured in turn in one run.
"""

from __future__ import annotations

import statistics
import time

from threadpoolctl import threadpool_limits

from audit.dna import DnaCounter, merge
from audit.extractors import load_extractor
from audit.maths import distances
from audit.scenes import calibration_pictures

ROUNDS = 30


def main() -> None:
    """Measure and print."""
    extractor = load_extractor("classical")
    batch = calibration_pictures(32, extractor.spec.input.size)
    counter = DnaCounter(extractor.ranges, extractor.spec.fingerprint)
    forward, counting = [], []
    with threadpool_limits(1):
        for _ in range(ROUNDS):
            start = time.perf_counter()
            layers = extractor.features(batch).layers
            middle = time.perf_counter()
            counter.add(layers)
            forward.append(middle - start)
            counting.append(time.perf_counter() - middle)
    share = statistics.median(counted / ran for counted, ran in zip(counting, forward, strict=True))
    print(f"forward   {len(batch) / statistics.median(forward):8.0f} pictures/s")
    print(f"counting  {len(batch) / statistics.median(counting):8.0f} pictures/s, {share:.1%} of the forward pass")
    dna = counter.dna()
    start = time.perf_counter()
    merge([dna] * 100)
    print(f"merging   {(time.perf_counter() - start) * 10:8.2f} ms a part of {dna.ranges.n_neurons} neurons")
    start = time.perf_counter()
    distances.wasserstein(dna, dna)
    distances.floor(dna, dna)
    print(f"comparing {(time.perf_counter() - start) * 1e3:8.2f} ms with floor")


if __name__ == "__main__":
    main()
