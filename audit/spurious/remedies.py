"""What to do about a feature, as tables: images to collect or up-weight, a balanced split, weights.

Source: B. Idrissi et al., "Simple data balancing achieves competitive worst-group-accuracy", CLeaR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.maths.probes import deal_folds
from audit.maths.rows import image_rows
from audit.spurious.candidates import SAMPLED
from audit.spurious.evidence import Evidence, Sample, Study
from audit.spurious.harm import CONFLICTING, GROUPS, balanced_weights

TEST_FOLDS = 5
"""One image in so many is for testing."""

_IMAGE = [("image_id", pa.string()), ("path", pa.string()), ("label", pa.string())]
CONFLICTS_SCHEMA = pa.schema(
    [("feature", pa.string()), *_IMAGE, ("has_feature", pa.bool_()), ("rank", pa.int64()), ("weight", pa.float64())]
)
SPLIT_SCHEMA = pa.schema(
    [("feature", pa.string()), *_IMAGE, ("group", pa.string()), ("part", pa.string()), ("used", pa.bool_())]
)
WEIGHTS_SCHEMA = pa.schema([("feature", pa.string()), *_IMAGE, ("group", pa.string()), ("weight", pa.float64())])

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def grouped(sample: Sample, found: Study, one: Evidence) -> tuple[Int64, Int64, Float64]:
    """Every image whose group is known, not only of the sample: rows, groups, and how clearly it has the feature.

    Returns
    -------
    rows : int64 (m,)
        Ascending.
    groups : int64 (m,)
        See :data:`audit.spurious.harm.GROUPS`.
    strength : float64 (m,)
        Oriented value less the threshold: positive where the image has the feature.
    """
    if one.cue is None:
        raise ValueError(f"{one.candidate.name!r} was not examined")
    values = one.sign * found.candidates.column(one.number)
    rows = np.flatnonzero(sample.class_of >= 0)
    if one.candidate.kind in SAMPLED:
        rows = rows[np.isfinite(values[rows])]
    strength = np.nan_to_num(values[rows], nan=-np.inf) - one.sign * one.cue.threshold
    is_class = sample.class_of[rows] == sample.names.index(one.label)
    return rows, 2 * is_class.astype(np.int64) + (strength > 0), strength


def empty() -> dict[str, pa.Table]:
    """The three tables where nothing could be judged."""
    schemas = {"conflicts": CONFLICTS_SCHEMA, "balanced_split": SPLIT_SCHEMA, "sample_weights": WEIGHTS_SCHEMA}
    return {name: schema.empty_table() for name, schema in schemas.items()}


def conflicts(sample: Sample, found: Study, chosen: Sequence[Evidence]) -> pa.Table:
    """The images that disagree with each chosen feature, the clearest first within each group."""
    tables = [CONFLICTS_SCHEMA.empty_table()]
    for one in chosen:
        rows, groups, strength = grouped(sample, found, one)
        weights = balanced_weights(groups)
        at = np.flatnonzero(np.isin(groups, CONFLICTING))
        at = at[np.lexsort((rows[at], -np.abs(strength[at]), groups[at]))]
        columns = {
            "feature": [one.candidate.name] * len(at),
            "has_feature": groups[at] % 2 == 1,
            "rank": np.arange(1, len(at) + 1),
            "weight": weights[at],
        }
        tables.append(image_rows(sample.view.images, rows[at], columns, CONFLICTS_SCHEMA))
    return pa.concat_tables(tables).combine_chunks()


def sample_weights(sample: Sample, found: Study, chosen: Sequence[Evidence]) -> pa.Table:
    """Weights that make the four groups of each chosen feature count the same; mean 1."""
    tables = [WEIGHTS_SCHEMA.empty_table()]
    for one in chosen:
        rows, groups, _ = grouped(sample, found, one)
        columns = {**_names(one, groups), "weight": balanced_weights(groups)}
        tables.append(image_rows(sample.view.images, rows, columns, WEIGHTS_SCHEMA))
    return pa.concat_tables(tables).combine_chunks()


def balanced_split(sample: Sample, found: Study, chosen: Sequence[Evidence], rng: np.random.Generator) -> pa.Table:
    """For each chosen feature a train and a test part, bursts whole, with as many used images of each group.

    A fifth of the bursts of every group is for testing. In each part as many images of every group are used as the
    smallest group that has any there holds; the others are listed as not used.
    """
    tables = [SPLIT_SCHEMA.empty_table()]
    for one in chosen:
        rows, groups, _ = grouped(sample, found, one)
        is_test = deal_folds(sample.burst_of[rows], groups, TEST_FOLDS, rng) == 0
        used = np.zeros(len(rows), dtype=bool)
        for part in (is_test, ~is_test):
            size = np.bincount(groups[part], minlength=4)
            least = int(size[size > 0].min(initial=len(rows)))
            for group in np.flatnonzero(size):
                used[rng.permutation(np.flatnonzero(part & (groups == group)))[:least]] = True
        columns = {**_names(one, groups), "part": np.where(is_test, "test", "train").tolist(), "used": used}
        tables.append(image_rows(sample.view.images, rows, columns, SPLIT_SCHEMA))
    return pa.concat_tables(tables).combine_chunks()


def _names(one: Evidence, groups: Int64) -> dict[str, list[str]]:
    return {"feature": [one.candidate.name] * len(groups), "group": [GROUPS[g] for g in groups]}
