"""The whole lists of the settings analysis: their columns, and how they are filled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from audit.model import DatasetView
from audit.settings.attributes import Attribute
from audit.settings.contexts import Groups
from audit.settings.gaps import Gap
from audit.settings.results import Contexts
from audit.settings.surroundings import group_name
from audit.settings.text import Reading
from audit.settings.verdicts import Cell, States

SETTINGS_SCHEMA = pa.schema(
    [
        ("class", pa.string()),
        ("attribute", pa.string()),
        ("value", pa.string()),
        ("n", pa.int64()),
        ("n_bursts", pa.float64()),
        ("p", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("pmi", pa.float64()),
        ("p_max_t", pa.float64()),
        ("verdict", pa.string()),
        ("n_known", pa.int64()),
        ("pmi_low", pa.float64()),
        ("pmi_high", pa.float64()),
        ("source", pa.string()),
    ]
)
"""Every class in every setting.

n, n_known : images of the class in the setting, and of which the attribute is known at all
n_bursts : as n, each burst counting 1 in all
p, low, high : smoothed share of the known images with its credible bounds (null where they cannot be given)
pmi : log2 of p over the overall share, with the values at both bounds
source : where the setting is from: ``metadata``, ``text`` or ``context``
"""

SPLITS_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("state", pa.string()),
        ("n_uncommon", pa.int32()),
        ("uncommon", pa.string()),
    ]
)
"""Every labelled image; ``uncommon`` names what is uncommon for its class. Columns of text settings follow."""

CONTEXTS_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("context", pa.string()),
        ("distance", pa.float64()),
    ]
)
"""Every labelled image with the group of its surroundings (null if none) and the distance from the group's centre."""


GAPS_SCHEMA = pa.schema(
    [
        ("class", pa.string()),
        ("attribute", pa.string()),
        ("n_common", pa.int64()),
        ("n_uncommon", pa.int64()),
        ("accuracy_common", pa.float64()),
        ("accuracy_uncommon", pa.float64()),
        ("gap", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("corrected", pa.float64()),
        ("corrected_low", pa.float64()),
        ("corrected_high", pa.float64()),
        ("interval", pa.string()),
        ("note", pa.string()),
    ]
)
"""Accuracy gaps of supplied predictions; an empty class is all of them, an empty attribute any setting."""


def settings_table(judged: Sequence[Cell], attributes: Sequence[Attribute]) -> pa.Table:
    """Every class in every setting."""
    source = {attribute.name: attribute.source for attribute in attributes}
    rows = [vars(cell) | {"class": cell.label, "source": source[cell.attribute]} for cell in judged]
    return pa.Table.from_pylist(rows, SETTINGS_SCHEMA)


def splits_table(
    view: DatasetView, attributes: Sequence[Attribute], state: States, readings: Sequence[Reading]
) -> pa.Table:
    """Every labelled image with its state, and what the texts say of it."""
    odd = [
        "; ".join(attributes[k].shown(i) for k in np.flatnonzero(row).tolist()) for i, row in enumerate(state.uncommon)
    ]
    columns = {
        "image_id": view.column("image_id"),
        "path": view.column("path"),
        "state": state.names,
        "n_uncommon": state.n_uncommon,
        "uncommon": odd,
    }
    table = pa.table([pa.array(columns[f.name], f.type) for f in SPLITS_SCHEMA], schema=SPLITS_SCHEMA)
    return _with_readings(table, readings)


def contexts_table(view: DatasetView, groups: Groups | None, contexts: Contexts) -> pa.Table:
    """Every labelled image with its group; no rows where there are no groups."""
    if groups is None:
        return CONTEXTS_SCHEMA.empty_table()
    kept = {group.name for group in contexts.groups}
    names = [group_name(number) for number in groups.number.tolist()]
    columns = {
        "image_id": view.column("image_id"),
        "path": view.column("path"),
        "context": [name if name in kept else None for name in names],
        "distance": groups.distance,
    }
    arrays = [pa.array(columns[f.name], f.type, from_pandas=True) for f in CONTEXTS_SCHEMA]
    return pa.table(arrays, schema=CONTEXTS_SCHEMA)


def gaps_table(gaps: Sequence[Gap]) -> pa.Table:
    """Every accuracy gap."""
    return pa.Table.from_pylist([vars(gap) | {"class": gap.label} for gap in gaps], GAPS_SCHEMA)


def _with_readings(splits: pa.Table, readings: Sequence[Reading]) -> pa.Table:
    """Beside each image what the texts say: ``text.NAME`` and the posterior of its likeliest value."""
    for reading in readings:
        name, values = reading.attribute.name, np.array(reading.attribute.values)
        told = [" + ".join(values[row].tolist()) for row in reading.attribute.members]
        splits = splits.append_column(f"text.{name}", pa.array(told, pa.string()))
        splits = splits.append_column(f"text.{name}.posterior", pa.array(reading.posterior.max(axis=1)))
    return splits
