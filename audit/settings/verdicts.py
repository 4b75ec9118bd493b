"""Is a setting common or uncommon for a class? Shares with bounds, one joint test, and what follows for images.

Source: FOCUS ("FOCUS: Familiar Objects in Common and Uncommon Settings", Kattakinda and Feizi, ICML 2022) for the
question; shares are Beta posteriors, the family-wise error is the maximum statistic over permuted bursts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import hstack

from audit.maths.association import associate, burst_shares, burst_weights, conditional_share
from audit.settings.attributes import MISSING, Attribute
from audit.settings.config import SettingsConfig

COMMON, UNCOMMON, UNDETERMINED = "common", "uncommon", "undetermined"

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True)
class Labelled:
    """The labelled images of a dataset, in the order of their ids.

    Attributes
    ----------
    classes : tuple of str
        Sorted.
    label : int64 (n,)
        Class of each image.
    burst : int64 (n,)
        Burst of each image, numbered from 0.
    """

    classes: tuple[str, ...]
    label: Int64
    burst: Int64

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Cell:
    """One class in one setting.

    Attributes
    ----------
    label, attribute, value : str
    n : int
        Images of the class in the setting.
    n_known : int
        Images of the class of which the attribute is known (all of them for ``MISSING``).
    n_bursts : float
        As ``n``, each burst counting 1 in all.
    p, low, high : float
        Smoothed share of the known images and its credible bounds; None for bounds that cannot be given.
    pmi : float
        log2(p / P(value)); ``pmi_low`` and ``pmi_high`` are those of the bounds.
    p_max_t : float
        Family-wise error of the joint test.
    verdict : str
    """

    label: str
    attribute: str
    value: str
    n: int
    n_known: int
    n_bursts: float
    p: float
    low: float | None
    high: float | None
    pmi: float
    pmi_low: float | None
    pmi_high: float | None
    p_max_t: float
    verdict: str


@dataclass(frozen=True)
class States:
    """How usual the settings of each image are for its class.

    Attributes
    ----------
    uncommon, common : bool (n, n_attributes)
        By attribute; never both. Neither where the setting is missing or its verdict is open.
    """

    uncommon: npt.NDArray[np.bool_]
    common: npt.NDArray[np.bool_]

    @property
    def n_uncommon(self) -> Int64:
        """Uncommon settings of each image, int64 (n,)."""
        number: Int64 = self.uncommon.sum(axis=1)
        return number

    @property
    def is_common(self) -> npt.NDArray[np.bool_]:
        """Whether an image has a common setting and no uncommon one, bool (n,)."""
        return np.asarray(self.common.any(axis=1) & ~self.uncommon.any(axis=1))

    @property
    def names(self) -> list[str]:
        """``common``, ``uncommon`` or ``undetermined`` for each image."""
        names = np.where(self.n_uncommon > 0, UNCOMMON, np.where(self.is_common, COMMON, UNDETERMINED))
        return [str(name) for name in names]


def cells(
    data: Labelled, attributes: Sequence[Attribute], config: SettingsConfig, rng: np.random.Generator
) -> tuple[Cell, ...]:
    """Every class in every setting, in the order of the attributes, the classes and the values."""
    if not attributes or not len(data):
        return ()
    classes = burst_weights(data.label, data.burst, len(data.classes))
    values = hstack([burst_shares(a.members, data.burst) for a in attributes], format="csr")
    tested = associate(classes, values, n_permutations=config.n_permutations, rng=rng)
    found: list[Cell] = []
    start = 0
    for attribute in attributes:
        columns = slice(start, start + len(attribute.values))
        found += _cells_of(data, attribute, tested.p_max_t[:, columns], config)
        start += len(attribute.values)
    return tuple(found)


def states(data: Labelled, attributes: Sequence[Attribute], judged: Iterable[Cell]) -> States:
    """Whether each image is in an uncommon or a common setting of its class, for every attribute.

    An image with several values is in an uncommon setting if one of them is uncommon.
    """
    verdicts = {(c.label, c.attribute, c.value): c.verdict for c in judged}
    shape = (len(data), len(attributes))
    uncommon, common = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for k, attribute in enumerate(attributes):
        names = [[verdicts.get((c, attribute.name, v), UNDETERMINED) for v in attribute.values] for c in data.classes]
        table = np.array(names, dtype=object).reshape(len(data.classes), len(attribute.values))
        uncommon[:, k] = (attribute.members & (table == UNCOMMON)[data.label]).any(axis=1)
        common[:, k] = (attribute.members & (table == COMMON)[data.label]).any(axis=1) & ~uncommon[:, k]
    return States(uncommon, common)


@dataclass(frozen=True)
class _Shares:
    """Of one attribute, by class and value: burst counts, smoothed shares with bounds; ``overall`` by value."""

    counts: Float64
    share: Float64
    low: Float64
    high: Float64
    overall: Float64


def _cells_of(data: Labelled, attribute: Attribute, p_max_t: Float64, config: SettingsConfig) -> list[Cell]:
    is_class = (data.label[None, :] == np.arange(len(data.classes))[:, None]).astype(np.int64)
    images, known = is_class @ attribute.members, is_class @ attribute.is_known
    shares = _shares(data, attribute, config.prior)
    found = []
    for c, label in enumerate(data.classes):
        for s, value in enumerate(attribute.values):
            total = int(is_class[c].sum() if value == MISSING else known[c])
            cell = _cell(shares, c, s, is_measured=attribute.is_measured)
            place: dict[str, Any] = {"label": label, "attribute": attribute.name, "value": value}
            numbers: dict[str, Any] = {"n": int(images[c, s]), "n_known": total, "p_max_t": float(p_max_t[c, s])}
            verdict = _judge(place, cell, config) if total >= config.min_class else UNDETERMINED
            found.append(Cell(**place, **numbers, **cell, verdict=_own(place, config) or verdict))
    return found


def _cell(shares: _Shares, c: int, s: int, *, is_measured: bool) -> dict[str, Any]:
    p, overall = float(shares.share[c, s]), float(shares.overall[s])
    low, high = (float(bound[c, s]) if is_measured else None for bound in (shares.low, shares.high))
    return {
        "n_bursts": float(shares.counts[c, s]),
        "p": p,
        "low": low,
        "high": high,
        "pmi": _log_ratio(p, overall),
        "pmi_low": None if low is None else _log_ratio(low, overall),
        "pmi_high": None if high is None else _log_ratio(high, overall),
    }


def _shares(data: Labelled, attribute: Attribute, prior: float) -> _Shares:
    """Shares of the known images; a burst known in part counts in part. ``MISSING`` is a share of all images."""
    classes = burst_weights(data.label, data.burst, len(data.classes))
    counts = np.asarray((classes.T @ burst_shares(attribute.members, data.burst)).toarray())
    known = np.asarray((classes.T @ burst_shares(attribute.is_known[:, None], data.burst)).toarray())[:, 0]
    every = np.asarray(classes.sum(axis=0)).ravel()
    is_missing = np.array(attribute.values) == MISSING
    share, low, high, overall = np.zeros_like(counts), np.zeros_like(counts), np.zeros_like(counts), is_missing * 0.0
    for columns, totals in ((~is_missing, known), (is_missing, every)):
        if columns.any():
            overall[columns] = counts[:, columns].sum(axis=0) / max(float(totals.sum()), 1e-9)
            share[:, columns], low[:, columns], high[:, columns] = conditional_share(
                counts[:, columns], overall[columns], prior=prior, level=LEVEL, totals=totals
            )
    return _Shares(counts, share, low, high, overall)


def _judge(place: Mapping[str, str], cell: Mapping[str, Any], config: SettingsConfig) -> str:
    if cell["low"] is None or place["value"] == MISSING:
        return UNDETERMINED
    if cell["high"] < config.tau:
        return UNCOMMON
    return COMMON if cell["low"] >= config.tau else UNDETERMINED


def _own(place: Mapping[str, str], config: SettingsConfig) -> str | None:
    """The verdict of the user's own table where it speaks of the class and the attribute."""
    table = config.uncommon.get(place["label"], {})
    if place["attribute"] not in table or place["value"] == MISSING:
        return None
    return UNCOMMON if place["value"] in table[place["attribute"]] else COMMON


def _log_ratio(share: float, overall: float) -> float:
    return float(np.log2(max(share, 1e-12) / max(overall, 1e-12)))
