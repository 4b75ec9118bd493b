"""Time of the sealed neighbour table beside bare faiss on the same vectors, in one run: make bench.

Goal: at most 1.2 times bare faiss at 50 000 vectors of 512 dimensions.
"""

import resource
import sys
import time

import faiss
import numpy as np

from audit.maths.neighbours import nearest


def main(n: int = 50_000, d: int = 512, k: int = 20, threads: int = 2, rounds: int = 3) -> None:
    """Print the median of the ratios and the times of every round."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faiss.omp_set_num_threads(threads)
    ratios = []
    for _ in range(rounds):
        start = time.perf_counter()
        faiss.knn(vectors, vectors, k + 1)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        nearest(vectors, k, threads=threads)
        ours = time.perf_counter() - start
        ratios.append(ours / bare)
        print(f"bare faiss {bare:.1f} s, sealed table {ours:.1f} s, ratio {ours / bare:.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"n={n} d={d} k={k} threads={threads}: median ratio {np.median(ratios):.2f}, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
