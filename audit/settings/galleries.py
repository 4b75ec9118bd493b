"""The pictures that show a class as it is usually seen, and those that show it as it hardly ever is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.model import DatasetView
from audit.settings.attributes import Attribute
from audit.settings.results import Gallery
from audit.settings.verdicts import COMMON, UNCOMMON, Cell, Labelled, States
from audit.shown import picture

N_EACH = 4
N_CLASSES = 8

Float64 = npt.NDArray[np.float64]


def rarity(data: Labelled, attributes: Sequence[Attribute], cells: Sequence[Cell]) -> Float64:
    """How rare the settings of each image are for its class, float64 (n,), in bits, 0 at least.

    Σ over attributes of −log2 of the smoothed share; of the rarest value where an image has several. Missing values and
    values without a verdict add nothing.
    """
    total = np.zeros(len(data))
    for attribute in attributes:
        place = {value: i for i, value in enumerate(attribute.values)}
        bits = np.zeros((len(data.classes), len(attribute.values)))
        for cell in cells:
            if cell.attribute == attribute.name and cell.verdict in (COMMON, UNCOMMON):
                bits[data.classes.index(cell.label), place[cell.value]] = -np.log2(max(cell.p, 1e-6))
        total += np.where(attribute.members, bits[data.label], 0.0).max(axis=1, initial=0.0)
    return total


def galleries(
    view: DatasetView,
    data: Labelled,
    attributes: Sequence[Attribute],
    rare: Float64,
    states: States,
) -> tuple[Gallery, ...]:
    """The most common and the most uncommon pictures of each class that has uncommon ones, the most of them first.

    Parameters
    ----------
    rare : float64 (n,)
        Of :func:`rarity`.
    states : States
    """
    found = []
    for c, label in enumerate(data.classes):
        rows = np.flatnonzero(data.label == c)
        odd = rows[states.n_uncommon[rows] > 0]
        if not len(odd):
            continue
        usual = rows[states.is_common[rows]]
        usual, odd = usual[np.argsort(rare[usual], kind="stable")], odd[np.argsort(-rare[odd], kind="stable")]
        found.append(
            Gallery(
                label=label,
                n=len(rows),
                n_uncommon=len(odd),
                common=tuple(picture(view, int(i), "common: " + said(attributes, int(i))) for i in usual[:N_EACH]),
                uncommon=tuple(picture(view, int(i), "uncommon: " + said(attributes, int(i))) for i in odd[:N_EACH]),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.n_uncommon, one.label))[:N_CLASSES])


def said(attributes: Sequence[Attribute], row: int) -> str:
    """The settings of one image in words: ``place = water, time = night``."""
    return ", ".join(attribute.shown(row) for attribute in attributes)
