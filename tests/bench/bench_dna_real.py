"""Visual DNA distances between real sets that are known to differ, with intervals and p-values.

PYTHONPATH=. python tests/bench/bench_dna_real.py
"""

from __future__ import annotations

import numpy as np

from audit.dna import Dna, DnaCounter
from audit.dna.comparing import compare
from audit.extractors import load_extractor
from tests.bench.real_activations import batches, rows_of

GROUPS = {
    "pacs": ("domain=photo", "domain=art_painting", "domain=cartoon", "domain=sketch"),
    "cifake": ("kind=real", "kind=fake"),
    "daynight": ("day", "night"),
    "weather": ("cloudy", "rain", "shine", "sunrise"),
}
"""Of each set: attributes, or else labels."""


def dna_of(name: str, value: str) -> Dna:
    """The DNA of the pictures of one group."""
    extractor = load_extractor("bundled")
    counter = DnaCounter(extractor.ranges, extractor.spec.fingerprint)
    by_label = "=" not in value
    rows = [row for row in rows_of(name, "" if by_label else value) if not by_label or row["label"] == value]
    for layers, _ in batches(extractor, rows):
        counter.add(layers)
    return counter.dna()


def halves_of(name: str, value: str) -> tuple[Dna, Dna]:
    """Two halves of one group, picture by picture."""
    extractor = load_extractor("bundled")
    counters = [DnaCounter(extractor.ranges, extractor.spec.fingerprint) for _ in range(2)]
    rows = rows_of(name, value)
    order = np.random.default_rng(0).permutation(len(rows))
    for counter, part in zip(counters, np.array_split(order, 2), strict=True):
        for layers, _ in batches(extractor, [rows[i] for i in part]):
            counter.add(layers)
    return counters[0].dna(), counters[1].dna()


def say(title: str, left: Dna, right: Dna) -> None:
    """Compare and print a line."""
    t = compare(left, right, np.random.default_rng(0)).total
    sure = "no p-value" if t.p_value is None else f"[{t.low:.3f}, {t.high:.3f}] p {t.p_value:.3f}"
    print(
        f"{title:<44} n {left.size:>4} {right.size:>4}  measured {t.distance:.3f} floor {t.floor:.3f} "
        f"beyond {t.corrected:.3f} {sure}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    for name, values in GROUPS.items():
        found = {value: dna_of(name, value) for value in values}
        for i, left in enumerate(values):
            for right in values[i + 1 :]:
                say(f"{name}: {left} and {right}", found[left], found[right])
    say("pacs: halves of the photos", *halves_of("pacs", "domain=photo"))
    say("cifake: halves of the real ones", *halves_of("cifake", "kind=real"))


if __name__ == "__main__":
    main()
