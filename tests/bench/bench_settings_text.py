"""Settings by text on planted scores: two modes beside z-scores, at several prevalences and distances.

``PYTHONPATH=. python -m tests.bench.bench_settings_text``

The scores of day and night have a zero of their own each and a spread of 1; a picture's own value lies so many spreads
higher. Printed are medians of five draws of 800 pictures: the share of pictures that are told at all, of these the
share that is told rightly, and the share that is called night, beside the truth.
"""

from __future__ import annotations

import statistics

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from audit.settings.text import SURE, evidence, posteriors

N, DRAWS = 800, 5
PREVALENCES = (0.03, 0.1, 0.3, 0.5, 0.9, 0.97)
DISTANCES = (2, 3, 4)

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Print a row for each distance, prevalence and way."""
    print(f"{'distance':>8}{'night':>7}  {'way':<9}{'told':>7}{'right':>7}{'called night':>14}")
    for distance in DISTANCES:
        for prevalence in PREVALENCES:
            for way, posterior in (("z-scores", by_z_scores), ("modes", by_modes)):
                runs = [told(posterior, prevalence, distance, seed) for seed in range(DRAWS)]
                known, right, night = (statistics.median(run[i] for run in runs) for i in range(3))
                print(f"{distance:>8}{prevalence:>7.2f}  {way:<9}{known:>7.2f}{right:>7.2f}{night:>14.2f}")


def told(way: object, prevalence: float, distance: float, seed: int) -> tuple[float, float, float]:
    """Shares told, told rightly, and called night; the latter 0 where nothing is told."""
    assert callable(way)
    rng = np.random.default_rng(seed)
    is_night = rng.random(N) < prevalence
    scored = rng.normal(0, 2, 2) + rng.normal(size=(N, 2))
    scored[np.arange(N), np.where(is_night, 0, 1)] += distance
    posterior = way(scored)
    known = posterior.max(axis=1) >= SURE
    night = posterior.argmax(axis=1)[known] == 0
    if not known.any():
        return 0.0, 0.0, 0.0
    return float(known.mean()), float((night == is_night[known]).mean()), float(night.mean())


def by_modes(scored: Floats) -> Floats:
    """As the analysis does."""
    return posteriors(evidence(scored), exclusive=True)


def by_z_scores(scored: Floats) -> Floats:
    """A softmax of twice the z-scores beside a null text."""
    z = 2 * (scored - scored.mean(axis=0)) / scored.std(axis=0)
    found: Floats = softmax(np.concatenate([z, np.zeros((N, 1))], axis=1), axis=1)[:, :-1]
    return found


if __name__ == "__main__":
    main()
