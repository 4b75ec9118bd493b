"""Non-negative weights that silence some rows of a matrix and keep what others add up to.

Source: non-negative least squares (Lawson, Hanson, "Solving Least Squares Problems", 1974, chapter 23) with a ridge
towards given weights; its dual has one unknown per row and is solved by Newton's method (Boyd, Vandenberghe, "Convex
Optimization", 2004, sections 5.2 and 9.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.maths.histograms import Doubles

_STEPS = 200
_TOLERANCE = 1e-10
_SHORTEST = 1e-8


def ridge_nnls(rows: Doubles, targets: Doubles, start: Doubles, ridge: float) -> Doubles:
    """The w ≥ 0 of least ‖R w - t‖² + ρ ‖w - w₀‖², float64 (N,).

    With the dual variables λ (K,): w = max(0, w₀ - Rᵀλ/ρ), and λ solves R w - t - λ = 0, of which the slope in λ is
    -(R_A R_Aᵀ/ρ + I), A the neurons with a positive weight. K is small, so each step is cheap whatever N is.

    Parameters
    ----------
    rows : float64 (K, N)
    targets : float64 (K,)
    start : float64 (N,), >= 0
        w₀.
    ridge : float, > 0
        ρ.
    """
    problem = _Problem(rows, targets, start, ridge)
    dual = np.zeros(len(rows))
    for _ in range(_STEPS):
        weights = problem.weights(dual)
        rest = rows @ weights - targets - dual
        if np.abs(rest).max(initial=0.0) <= _TOLERANCE * max(1.0, float(np.abs(targets).max(initial=0.0))):
            break
        active = rows[:, weights > 0]
        slope = active @ active.T / ridge + np.eye(len(rows))
        dual = problem.searched(dual, np.linalg.solve(slope, rest).astype(np.float64))
    return problem.weights(dual)


@dataclass(frozen=True)
class _Problem:
    rows: Doubles
    targets: Doubles
    start: Doubles
    ridge: float

    def weights(self, dual: Doubles) -> Doubles:
        weights: Doubles = np.maximum(0.0, self.start - dual @ self.rows / self.ridge)
        return weights

    def value(self, dual: Doubles) -> float:
        """What Newton's method lets grow: -‖λ‖²/2 - λᵀt - ρ/2 ‖max(0, w₀ - Rᵀλ/ρ)‖²."""
        weights = self.weights(dual)
        return float(-dual @ dual / 2 - dual @ self.targets - self.ridge / 2 * weights @ weights)

    def searched(self, dual: Doubles, step: Doubles) -> Doubles:
        """Halve the step until the dual does not fall."""
        value, length = self.value(dual), 1.0
        while length > _SHORTEST and self.value(dual + length * step) < value:
            length /= 2
        return dual + length * step
