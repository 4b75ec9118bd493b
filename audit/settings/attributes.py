"""Settings as values of images: one attribute (time, weather, place) and which of its values each image has."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.model import META_PREFIX, DatasetView

MISSING = "(missing)"
"""The state of an image of which nothing is known: no setting, never common or uncommon, never in a share."""

_NOTHING = frozenset({"", "none", "null", "nan", "n/a"})
_BETWEEN = re.compile(r"\s*\|\s*")

Source = Literal["metadata", "text", "context"]


def says_nothing(value: object) -> bool:
    """Whether a value of the metadata is a word for having none: empty, none, null, nan or n/a."""
    return value is None or str(value).strip().casefold() in _NOTHING


@dataclass(frozen=True)
class Attribute:
    """One circumstance and what it is in each image.

    Attributes
    ----------
    name : str
    values : tuple of str
        Sorted; ``MISSING`` is among them if it occurs.
    members : bool (n, n_values)
        Whether each image has each value; one at least.
    source : "metadata", "text" or "context"
    exclusive : bool
        Whether an image has exactly one value.
    is_measured : bool
        Whether the values are known well enough for intervals and verdicts.
    """

    name: str
    values: tuple[str, ...]
    members: npt.NDArray[np.bool_]
    source: Source = "metadata"
    exclusive: bool = True
    is_measured: bool = True

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Whether anything is known of each image, bool (n,)."""
        known: npt.NDArray[np.bool_] = (self.members & (np.array(self.values) != MISSING)[None, :]).any(axis=1)
        return known

    def shown(self, row: int) -> str:
        """The values of one image in words: ``place = water``, with a question mark where nobody calibrated them."""
        doubt = "" if self.is_measured else "?"
        return f"{self.name} = {' + '.join(np.array(self.values)[self.members[row]].tolist())}{doubt}"


def attribute_of(
    name: str, cells: Sequence[Collection[str]], *, source: Source = "metadata", exclusive: bool = True
) -> Attribute:
    """An attribute from the values of each image; an image without any is ``MISSING``."""
    filled = [cell or (MISSING,) for cell in cells]
    values = sorted({value for cell in filled for value in cell})
    place = {value: i for i, value in enumerate(values)}
    members = np.zeros((len(filled), len(values)), np.bool_)
    for row, cell in enumerate(filled):
        members[row, [place[value] for value in cell]] = True
    return Attribute(name, tuple(values), members, source, exclusive)


def from_metadata(
    view: DatasetView, *, max_values: int, multi_label: Collection[str] = ()
) -> tuple[tuple[Attribute, ...], dict[str, str]]:
    """The settings among the circumstances of a dataset, by name, and the columns that are none, with the reason.

    Parameters
    ----------
    view : DatasetView
    max_values : int
        A column with more values is no setting.
    multi_label : collection of str
        Columns whose text holds several values with ``|`` between them; columns of lists need no mention.
    """
    found, ignored = [], {}
    for column in view.circumstances:
        name = column.removeprefix(META_PREFIX)
        kind = view.images.column(column).type
        several = name in multi_label or pa.types.is_list(kind) or pa.types.is_large_list(kind)
        cells = [_cell(value, several=several) for value in view.column(column)]
        n_values = len({value for cell in cells for value in cell} | ({MISSING} if not all(cells) else set()))
        if n_values > max_values:
            ignored[name] = f"{n_values} different values, more than {max_values}"
        elif n_values < 2:
            ignored[name] = "the same value everywhere"
        else:
            found.append(attribute_of(name, cells, exclusive=not several))
    return tuple(found), ignored


def _cell(value: Any, *, several: bool) -> tuple[str, ...]:
    if value is None:
        return ()
    parts = [str(v) for v in value] if isinstance(value, list) else _BETWEEN.split(str(value)) if several else [value]
    return tuple(str(part) for part in parts if not says_nothing(part))
