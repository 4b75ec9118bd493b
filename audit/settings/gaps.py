"""How much worse a model is where a class is in an uncommon setting: accuracy gaps from supplied predictions.

Source: N. Mantel, W. Haenszel, J. Natl. Cancer Inst. 22 (1959) for the weights; S. Greenland, J. Robins, Biometrics 41
(1985) for the difference; Newcombe (1998), method 10, and Efron (1987) for the intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.maths.intervals import bootstrap, newcombe
from audit.settings.attributes import Attribute
from audit.settings.verdicts import Labelled, States

Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_UNCOMMON = 30
N_RESAMPLES = 2000
LEAST_RELIABLE = 0.2
"""Below this value of PPV + NPV - 1 the setting labels are so noisy that a corrected gap would be noise too."""


@dataclass(frozen=True)
class Noise:
    """How often an estimated state of an image is right, from an audited sample of n images.

    Attributes
    ----------
    ppv, npv : float
        Share of the images called uncommon, and common, that are.
    """

    ppv: float
    npv: float
    n: int

    @property
    def reliability(self) -> float:
        """PPV + NPV - 1: 1 where every state is right, 0 where it says nothing."""
        return self.ppv + self.npv - 1


@dataclass(frozen=True)
class Gap:
    """Accuracy on images in common settings less that on images in uncommon ones.

    Attributes
    ----------
    label, attribute : str
        Empty for all classes, and for any setting.
    gap, low, high : float or None
        None with the reason in ``note``. Pooled over classes with Mantel-Haenszel weights.
    corrected, corrected_low, corrected_high : float or None
        Divided by the reliability of the setting's labels, where that is known.
    """

    label: str
    attribute: str
    n_common: int
    n_uncommon: int
    accuracy_common: float | None
    accuracy_uncommon: float | None
    gap: float | None
    low: float | None
    high: float | None
    corrected: float | None
    corrected_low: float | None
    corrected_high: float | None
    interval: str
    note: str


def find_gaps(
    data: Labelled,
    attributes: Sequence[Attribute],
    states: States,
    correct: npt.NDArray[np.float64],
    noise: dict[str, Noise],
    rng: np.random.Generator,
) -> tuple[Gap, ...]:
    """The gap of all classes and of each, in any setting and in each attribute.

    Parameters
    ----------
    correct : float64 (n,)
        1 where the prediction is right, 0 where it is wrong, NaN where there is none.
    noise : mapping of attribute to Noise
        Where an audited sample is at hand.
    """
    any_setting = states.n_uncommon > 0, states.is_common
    by_attribute = [(a.name, states.uncommon[:, k], states.common[:, k]) for k, a in enumerate(attributes)]
    found = []
    for name, uncommon, common in [("", *any_setting), *by_attribute]:
        rows = np.flatnonzero((uncommon | common) & np.isfinite(correct))
        part = _Part(data, rows, uncommon[rows], correct[rows])
        found.append(_gap(part, "", name, noise.get(name), rng))
        for c, label in enumerate(data.classes):
            own = part.only(part.label == c)
            if own.uncommon.any():
                found.append(_gap(own, label, name, noise.get(name), rng))
    return tuple(found)


def pooled_difference(label: Int64, uncommon: Bools, correct: npt.NDArray[np.float64]) -> float:
    """Accuracy in common less accuracy in uncommon settings, pooled over classes; NaN where no class has both.

    Σ_c w_c (a_c1 − a_c0) / Σ_c w_c with w_c = n_c1 n_c0 / (n_c1 + n_c0).

    Parameters
    ----------
    label : int64 (n,)
        Class of each image, from 0.
    uncommon : bool (n,)
    correct : float64 (n,), 0 or 1
    """
    n_classes = int(label.max(initial=0)) + 1
    key = label * 2 + uncommon
    n = np.bincount(key, minlength=2 * n_classes).reshape(-1, 2).astype(np.float64)
    right = np.bincount(key, weights=correct, minlength=2 * n_classes).reshape(-1, 2)
    both = (n > 0).all(axis=1)
    n, right = n[both], right[both]
    weight = n.prod(axis=1) / n.sum(axis=1)
    accuracy = right / n
    return float((weight * (accuracy[:, 0] - accuracy[:, 1])).sum() / weight.sum()) if both.any() else float("nan")


@dataclass(frozen=True)
class _Part:
    """Images with a prediction and a state, of which the gap is asked."""

    data: Labelled
    rows: Int64
    uncommon: Bools
    correct: npt.NDArray[np.float64]

    @property
    def label(self) -> Int64:
        return self.data.label[self.rows]

    @property
    def burst(self) -> Int64:
        return self.data.burst[self.rows]

    def only(self, keep: Bools) -> _Part:
        return _Part(self.data, self.rows[keep], self.uncommon[keep], self.correct[keep])

    def accuracy(self, uncommon: bool) -> tuple[int, int]:
        """Right predictions and images, on one side."""
        side = self.correct[self.uncommon == uncommon]
        return int(side.sum()), len(side)


def _gap(part: _Part, label: str, attribute: str, noise: Noise | None, rng: np.random.Generator) -> Gap:
    (right1, n1), (right0, n0) = part.accuracy(False), part.accuracy(True)
    gap, note = _value(part, n0)
    low, high, interval = _interval(part, label, rng) if gap is not None else (None, None, "")
    corrected, said = _corrected((gap, low, high), noise)
    return Gap(
        label=label,
        attribute=attribute,
        n_common=n1,
        n_uncommon=n0,
        accuracy_common=right1 / n1 if n1 else None,
        accuracy_uncommon=right0 / n0 if n0 >= LEAST_UNCOMMON else None,
        gap=gap,
        low=low,
        high=high,
        corrected=corrected[0],
        corrected_low=corrected[1],
        corrected_high=corrected[2],
        interval=interval,
        note=note or said,
    )


def _value(part: _Part, n_uncommon: int) -> tuple[float | None, str]:
    if n_uncommon < LEAST_UNCOMMON:
        return None, f"{n_uncommon} pictures in uncommon settings with a prediction; it takes {LEAST_UNCOMMON}"
    gap = pooled_difference(part.label, part.uncommon, part.correct)
    if np.isnan(gap):
        return None, "no class has pictures in common and in uncommon settings"
    return gap, ""


def _interval(part: _Part, label: str, rng: np.random.Generator) -> tuple[float | None, float | None, str]:
    """Newcombe's for one class of images that are all bursts of their own, otherwise a bootstrap of bursts."""
    names, sizes = np.unique(part.burst, return_counts=True)
    if label and (sizes == 1).all():
        return *newcombe(*part.accuracy(False), *part.accuracy(True)), "Newcombe"
    if len(names) < 2:
        return None, None, "one burst has no interval"

    classes, uncommon, correct = part.label, part.uncommon, part.correct
    estimate = pooled_difference(classes, uncommon, correct)

    def statistic(rows: Int64) -> float:
        drawn = pooled_difference(classes[rows], uncommon[rows], correct[rows])
        return estimate if np.isnan(drawn) else drawn

    low, high = bootstrap(statistic, part.burst, rng, n_resamples=N_RESAMPLES)
    return low, high, "bootstrap of bursts (BCa)"


def _corrected(
    values: tuple[float | None, ...], noise: Noise | None
) -> tuple[tuple[float | None, float | None, float | None], str]:
    """The gap and its bounds divided by the reliability; refused where the states say too little."""
    gap, low, high = values
    if noise is None or gap is None:
        return (None, None, None), ""
    if noise.reliability < LEAST_RELIABLE:
        return (None, None, None), (
            f"not corrected: of {noise.n} audited pictures the setting's labels say too little "
            f"(PPV + NPV - 1 = {noise.reliability:.2f}, {LEAST_RELIABLE:.1f} needed)"
        )
    scaled = [None if v is None else v / noise.reliability for v in (gap, low, high)]
    said = f"corrected by PPV + NPV - 1 = {noise.reliability:.2f} of {noise.n} audited pictures, taken as exact"
    return (scaled[0], scaled[1], scaled[2]), said


def noise_of(uncommon: Bools, common: Bools, truly_uncommon: Bools, truly_common: Bools) -> Noise | None:
    """The predictive values of estimated states, from the audited images; None where one side has no audited image.

    Parameters
    ----------
    uncommon, common, truly_uncommon, truly_common : bool (n,)
        As estimated, and as people say; neither of the latter where nobody looked.
    """
    audited = (truly_uncommon | truly_common) & (uncommon | common)
    called, right = uncommon[audited], truly_uncommon[audited]
    if not called.any() or called.all():
        return None
    return Noise(ppv=float(right[called].mean()), npv=float((~right[~called]).mean()), n=int(audited.sum()))
