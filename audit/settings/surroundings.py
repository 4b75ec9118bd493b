"""Groups of surroundings as a setting: what is kept, what it is called, and which pictures show it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.maths.partitions import contingency
from audit.model import DatasetView
from audit.report import Picture
from audit.settings.attributes import Attribute, attribute_of
from audit.settings.config import SettingsConfig
from audit.settings.contexts import Groups, find_groups, kept_groups
from audit.settings.results import ContextGroup, Contexts
from audit.settings.selection import Picked
from audit.settings.verdicts import Labelled
from audit.shown import picture

NAME = "context"
ONE_SIDED = 0.95
"""A class with this share of its images in one group says nothing of surroundings: the group may be the class."""
N_PICTURES = 12
N_CLASSES = 4

NO_BORDER = "the extractor has no map of at least 4 x 4 places whose border could be read"
ONE_CLASS_EACH = (
    "pictures whose edges look alike are mostly of one class, so surroundings and class cannot be told apart"
)
TURNED_OFF = "turned off"

Int64 = npt.NDArray[np.int64]


def surroundings(
    view: DatasetView,
    data: Labelled,
    border: Picked | None,
    config: SettingsConfig,
    rng: np.random.Generator,
) -> tuple[Attribute | None, Contexts, Groups | None]:
    """The setting ``context``, what to say of it, and the group of every image; no setting where there is none.

    Parameters
    ----------
    border : Picked rows of floating (n, c), or None
        :attr:`audit.model.Neurons.border` of the labelled images.
    """
    if not config.contexts:
        return None, Contexts(reason=TURNED_OFF), None
    if border is None or border.array.shape[1] == 0:
        return None, Contexts(reason=NO_BORDER), None
    groups = find_groups(border, data.burst, rng, min_stability=config.min_stability)
    kept = kept_groups(groups.number, data.label, config.min_context)
    about = _about(data, groups, kept, config)
    if about.reason:
        return None, about, None
    cells = [(group_name(number),) if number in kept else () for number in groups.number.tolist()]
    shown = tuple(_group(view, data, groups, number) for number in kept)
    name = _free(NAME, view)
    return attribute_of(name, cells, source="context"), about.model_copy(update={"groups": shown}), groups


def group_name(number: int) -> str:
    """``context 1`` is the largest group."""
    return f"context {number + 1}"


def _about(data: Labelled, groups: Groups, kept: tuple[int, ...], config: SettingsConfig) -> Contexts:
    chosen = groups.chosen
    if chosen is None:
        return Contexts(reason=f"it takes {2 * config.min_context} pictures with a readable border")
    known = {"stability": groups.stability, "chosen": chosen[0], "agreement": chosen[1]}
    if chosen[1] < config.min_stability:
        reason = (
            f"the borders of the pictures fall into no groups that resamples agree on (agreement {chosen[1]:.2f} at "
            f"most, {config.min_stability:.2f} needed)"
        )
        return Contexts(reason=reason, **known)
    table = contingency(np.maximum(groups.number, 0), data.label)
    n_one_sided = int((table.max(axis=0) >= ONE_SIDED * table.sum(axis=0)).sum())
    sides = {"n_one_sided": n_one_sided, "n_classes": len(data.classes)}
    if len(kept) < 2:
        is_mixed = 2 * table.max(axis=1).sum() <= table.sum()
        small = f"no two groups of alike edges have {config.min_context} pictures from each of two classes"
        return Contexts(reason=small if is_mixed else ONE_CLASS_EACH, **known, **sides)
    return Contexts(**known, **sides)


def _group(view: DatasetView, data: Labelled, groups: Groups, number: int) -> ContextGroup:
    inside = groups.number == number
    here = np.bincount(data.label[inside], minlength=len(data.classes))
    of = np.bincount(data.label, minlength=len(data.classes))
    order = np.lexsort((np.arange(len(of)), -here / np.maximum(of, 1)))
    classes = tuple((data.classes[c], int(here[c]), int(of[c])) for c in order if here[c])
    return ContextGroup(
        name=group_name(number),
        n=int(inside.sum()),
        classes=classes[:20],
        pictures=_nearest(view, data, np.flatnonzero(inside), groups),
    )


def _nearest(view: DatasetView, data: Labelled, rows: Int64, groups: Groups) -> tuple[Picture, ...]:
    """The pictures nearest the centre, from the classes with most pictures in turn."""
    names, counts = np.unique(data.label[rows], return_counts=True)
    classes = names[np.lexsort((names, -counts))][:N_CLASSES]
    each = -(-N_PICTURES // len(classes))
    nearest = [_near(rows[data.label[rows] == c], groups)[:each] for c in classes]
    turns = [int(members[i]) for i in range(each) for members in nearest if i < len(members)]
    return tuple(picture(view, row, data.classes[data.label[row]]) for row in turns[:N_PICTURES])


def _near(rows: Int64, groups: Groups) -> Int64:
    return rows[np.lexsort((rows, groups.distance[rows]))]


def _free(name: str, view: DatasetView) -> str:
    return f"{name} of the border" if f"meta.{name}" in view.images.column_names else name
