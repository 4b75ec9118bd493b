"""What a model said of each picture, and what people said of its setting: columns named in the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.errors import ConfigError
from audit.model import META_PREFIX
from audit.settings.attributes import Attribute, attribute_of
from audit.settings.gaps import Noise, noise_of
from audit.settings.verdicts import Cell, Labelled, States, states

_RIGHT = {"true": 1.0, "1": 1.0, "1.0": 1.0, "yes": 1.0, "correct": 1.0, "right": 1.0}
_WRONG = {"false": 0.0, "0": 0.0, "0.0": 0.0, "no": 0.0, "incorrect": 0.0, "wrong": 0.0}
_WORDS = _RIGHT | _WRONG


def correctness(images: pa.Table, column: str) -> npt.NDArray[np.float64]:
    """Whether the model was right about each image: 1, 0, or NaN where the column is empty; float64 (n,).

    The column holds predicted labels, or says itself whether the model was right (true/false, 1/0, yes/no,
    correct/wrong); the latter if it holds nothing else and none of these words is a class.

    Raises
    ------
    ConfigError
        If there is no such column.
    """
    said = column_of(images, column, "predictions")
    labels = [str(label) for label in images.column("label").to_pylist()]
    words = {value.casefold() for value in said if value is not None}
    if words <= _WORDS.keys() and not words & {label.casefold() for label in labels}:
        return np.array([np.nan if v is None else _WORDS[v.casefold()] for v in said])
    return np.array([np.nan if v is None else float(v == label) for v, label in zip(said, labels, strict=True)])


def noises(
    images: pa.Table,
    data: Labelled,
    looked_at: tuple[Sequence[Attribute], Sequence[Cell], States],
    audited: Mapping[str, str],
) -> dict[str, Noise]:
    """How reliable the states of each audited attribute are.

    Parameters
    ----------
    looked_at : attributes, their cells, and the states of the images
    audited : mapping of attribute to column
        The column has a person's own value of the setting, and is empty where nobody looked.

    Raises
    ------
    ConfigError
        If there is no such column, or no such setting.
    """
    attributes, cells, estimated = looked_at
    place = {attribute.name: k for k, attribute in enumerate(attributes)}
    found = {}
    for name, column in sorted(audited.items()):
        if name not in place:
            raise ConfigError(f"settings: audited names {name!r}, which is no setting; there are: {', '.join(place)}")
        values = column_of(images, column, "audited")
        truth = attribute_of(name, [() if v is None else tuple(v.split("|")) for v in values])
        true = states(data, (truth,), cells)
        k = place[name]
        noise = noise_of(estimated.uncommon[:, k], estimated.common[:, k], true.uncommon[:, 0], true.common[:, 0])
        if noise is not None:
            found[name] = noise
    return found


def column_of(images: pa.Table, name: str, field: str) -> list[str | None]:
    """The values of a metadata column that the configuration names, None where empty.

    Raises
    ------
    ConfigError
        If there is no such column; the message names the field and the columns there are.
    """
    if META_PREFIX + name not in images.column_names:
        known = ", ".join(c.removeprefix(META_PREFIX) for c in images.column_names if c.startswith(META_PREFIX))
        raise ConfigError(f"settings: {field} names the column {name!r}; the metadata columns are: {known or 'none'}")
    values = images.column(META_PREFIX + name).to_pylist()
    return [None if v is None or str(v) == "" else str(v) for v in values]
