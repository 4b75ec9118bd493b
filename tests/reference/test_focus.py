"""FOCUS's own counts: the estimated shares rank its human table of uncommon settings; its partitions come out.

The table and the counts are facts of Kattakinda and Feizi, ICML 2022, read from the folder beside the checkout.
"""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from audit.analyses.settings import compute
from audit.model import IMAGES_SCHEMA, DatasetView
from audit.settings.attributes import MISSING
from audit.settings.config import SettingsConfig
from audit.settings.prompts import CARRIERS, FOCUS

pytestmark = pytest.mark.data

ATTRIBUTES = ("time", "weather", "location")
QUICK = {"n_permutations": 99}


@pytest.fixture(scope="module")
def counts(shared_data):
    """Rows of the published counts."""
    with (shared_data / "focus" / "counts.csv").open(encoding="utf-8", newline="") as file:
        return [row | {"images": int(row["images"])} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def vocabulary(shared_data):
    """The words, the human table and the partitions."""
    return json.loads((shared_data / "focus" / "vocabulary.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def table(vocabulary):
    """The human table as the analysis takes it."""
    names = {"time": "time", "weather": "weather", "locations": "location"}
    return {c: {names[a]: tuple(v) for a, v in row.items()} for c, row in vocabulary["uncommon"].items()}


def test_the_vocabulary_has_every_word_of_focus(vocabulary):
    words = {name: set(one.values) for name, one in FOCUS.items()}
    theirs = {"time": "times", "weather": "weathers", "location": "locations"}
    assert words == {name: set(vocabulary[key]) - {"none"} for name, key in theirs.items()}
    assert FOCUS["location"].exclusive is not vocabulary["locations_are_multilabel"]
    assert set(CARRIERS) == set(vocabulary["categories"])


def dealt(counts, category, attribute, n):
    """The values of n images of one category that have exactly the published counts.

    Values are dealt one after another to the images that have any; where they are more than images (an image may have
    several locations), the dealing goes round again.
    """
    cells = [[] for _ in range(n)]
    chosen = [r for r in counts if r["attribute"] == attribute and r["category"] == category and r["value"] != "none"]
    n_none = next(
        r["images"] for r in counts if (r["attribute"], r["category"], r["value"]) == (attribute, category, "none")
    )
    room, at = max(n - n_none, 1), 0
    for row in chosen:
        for _ in range(row["images"]):
            cells[at % room].append(row["value"])
            at += 1
    return cells


@pytest.fixture(scope="module")
def view(counts):
    """Images with FOCUS's counts in every attribute by itself (the published facts say no more)."""
    sizes = Counter()
    for row in counts:
        if row["attribute"] == "time":
            sizes[row["category"]] += row["images"]
    labels = [category for category, n in sorted(sizes.items()) for _ in range(n)]
    n = len(labels)
    columns = {name: pa.nulls(n, IMAGES_SCHEMA.field(name).type) for name in IMAGES_SCHEMA.names}
    columns |= {"image_id": pa.array([f"{i:016x}" for i in range(n)]), "path": pa.array([f"{i}.jpg" for i in range(n)])}
    columns |= {"label": pa.array(labels)}
    for attribute in ATTRIBUTES:
        cells = [cell for c, size in sorted(sizes.items()) for cell in dealt(counts, c, attribute, size)]
        columns[f"meta.{attribute}"] = pa.array([sorted(set(cell)) for cell in cells], pa.list_(pa.string()))
    return DatasetView("focus", "f", pa.table(columns), IMAGES_SCHEMA.empty_table())


@pytest.fixture(scope="module")
def judged(view):
    """Rows of the settings table, estimated from the counts alone."""
    found = compute([view], SettingsConfig(**QUICK), np.random.default_rng(0)).tables["settings"].to_pylist()
    return [row for row in found if row["value"] != MISSING]


def test_the_images_that_were_dealt_have_the_published_counts(counts, judged):
    found = {(row["attribute"], row["class"], row["value"]): row["n"] for row in judged}
    published = {(r["attribute"], r["category"], r["value"]): r["images"] for r in counts if r["value"] != "none"}
    assert found == published


@pytest.mark.parametrize(("attribute", "least"), [("time", 1.0), ("weather", 0.985), ("location", 0.96)])
def test_the_share_ranks_the_uncommon_cells_of_the_human_table(table, judged, attribute, least):
    rows = [row for row in judged if row["attribute"] == attribute]
    human = [row["value"] in table[row["class"]][attribute] for row in rows]
    by_share = roc_auc_score(human, [-row["p"] for row in rows])
    assert by_share >= least
    assert by_share > roc_auc_score(human, [-row["pmi"] for row in rows]) + 0.09


@pytest.mark.parametrize(("attribute", "least"), [("time", 0.99), ("weather", 0.91), ("location", 0.87)])
def test_verdicts_agree_with_the_human_table_where_there_is_one(table, judged, attribute, least):
    rows = [row for row in judged if row["attribute"] == attribute and row["verdict"] != "undetermined"]
    same = [(row["verdict"] == "uncommon") == (row["value"] in table[row["class"]][attribute]) for row in rows]
    assert len(rows) >= 0.8 * sum(row["attribute"] == attribute for row in judged)
    assert np.mean(same) >= least


def test_the_partitions_come_out_of_images_with_the_published_combinations(vocabulary, table):
    detail = vocabulary["partition_detail"]
    parts = {
        "common": (), "time only": ("time",), "weather only": ("weather",), "location only": ("location",),
        "time+weather": ("time", "weather"), "weather+location": ("weather", "location"),
        "time+location": ("time", "location"), "all three": ATTRIBUTES,
    }  # fmt: skip
    usual = {"time": "day", "weather": "sunny", "location": "street"}
    odd = {attribute: table["truck"][attribute][0] for attribute in ATTRIBUTES}
    rows = [
        {a: (odd if a in which else usual)[a] for a in ATTRIBUTES}
        for name, which in parts.items()
        for _ in range(detail[name])
    ]
    n = len(rows)
    columns = {name: pa.nulls(n, IMAGES_SCHEMA.field(name).type) for name in IMAGES_SCHEMA.names}
    columns |= {"image_id": pa.array([f"{i:016x}" for i in range(n)]), "path": pa.array([f"{i}.jpg" for i in range(n)])}
    columns |= {"label": pa.array(["truck"] * n)}
    columns |= {f"meta.{a}": pa.array([row[a] for row in rows]) for a in ATTRIBUTES}
    dataset = DatasetView("focus", "f", pa.table(columns), IMAGES_SCHEMA.empty_table())
    config = SettingsConfig(uncommon=table, **QUICK)
    splits = compute([dataset], config, np.random.default_rng(0)).tables["splits"]
    published = vocabulary["partition_sizes_of_20813_images"]
    sizes = Counter(splits["n_uncommon"].to_pylist())
    assert [sizes[k] for k in range(4)] == [published[k] for k in ("0 uncommon", "1", "2", "3")]
