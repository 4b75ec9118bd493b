"""Classes that are shown in one setting far more often than the other classes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from audit.model import DatasetView
from audit.settings.attributes import MISSING, Attribute
from audit.settings.config import SettingsConfig
from audit.settings.results import Tie
from audit.settings.verdicts import Cell, Labelled
from audit.shown import picture

N_PICTURES = 6
ECHO = 0.7
"""Overlap of images at which a context and a named setting say the same of a class."""


def is_dominant(tie: Tie, config: SettingsConfig) -> bool:
    """Whether nearly all of the class is in the setting, and hardly anything else."""
    return tie.low >= config.dominant and tie.elsewhere < config.elsewhere


def find_ties(
    view: DatasetView, data: Labelled, attributes: Sequence[Attribute], cells: Sequence[Cell], config: SettingsConfig
) -> list[Tie]:
    """The cells that are tied beyond chance and by far, the strongest first."""
    by_name = {attribute.name: attribute for attribute in attributes}
    found = []
    for cell in cells:
        if cell.p_max_t > config.alpha or cell.value == MISSING or cell.pmi <= 0 or cell.n_known == 0:
            continue
        tie = _tie(view, data, by_name[cell.attribute], cell)
        if tie is None:
            continue
        judged = tie.n >= config.min_class and tie.low - tie.elsewhere >= config.stronger
        if judged or is_dominant(tie, config):
            found.append(tie)
    said_once = _without_echoes(data, by_name, found)
    return sorted(said_once, key=lambda tie: (-tie.low, tie.label, tie.attribute))


def _without_echoes(data: Labelled, by_name: Mapping[str, Attribute], found: Sequence[Tie]) -> list[Tie]:
    """Without the contexts that say of a class again, in nearly the same images, what a named setting says."""
    images = [by_name[t.attribute].members[:, by_name[t.attribute].values.index(t.value)] for t in found]
    named = [k for k, tie in enumerate(found) if tie.source != "context"]
    kept = []
    for k, tie in enumerate(found):
        inside = data.label == data.classes.index(tie.label)
        same = [n for n in named if found[n].label == tie.label and _overlap(images[n], images[k], inside) >= ECHO]
        if tie.source != "context" or not same:
            kept.append(tie)
    return kept


def _overlap(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]) -> float:
    """Images of both over images of either, within the class."""
    either = (first | second) & inside
    return float((first & second & inside).sum() / max(either.sum(), 1))


def _tie(view: DatasetView, data: Labelled, attribute: Attribute, cell: Cell) -> Tie | None:
    """The cell with its pictures; None where its share has no bounds."""
    if cell.low is None or cell.high is None:
        return None
    has_value = attribute.members[:, attribute.values.index(cell.value)]
    known = attribute.is_known
    inside = known & (data.label == data.classes.index(cell.label))
    others = known & ~inside & (data.label != data.classes.index(cell.label))
    return Tie(
        label=cell.label,
        attribute=cell.attribute,
        source=attribute.source,
        value=cell.value,
        n=cell.n_known,
        n_value=cell.n,
        smoothed=cell.p,
        low=cell.low,
        high=cell.high,
        elsewhere=float(has_value[others].mean()) if others.any() else 1.0,
        p_max_t=cell.p_max_t,
        pictures=tuple(picture(view, int(i), cell.value) for i in np.flatnonzero(inside & has_value)[:N_PICTURES]),
        exceptions=tuple(
            picture(view, int(i), f"an exception: {attribute.shown(int(i)).partition(' = ')[2]}")
            for i in np.flatnonzero(inside & ~has_value)[:N_PICTURES]
        ),
    )
