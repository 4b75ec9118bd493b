"""Settings from metadata: hand-worked shares, an independent residual, and the joint test."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse, stats

from audit.analyses.settings import compute, section
from audit.maths.association import associate, burst_weights, conditional_share
from audit.model import IMAGES_SCHEMA, DatasetView
from audit.report import Severity
from audit.settings.config import SettingsConfig
from audit.settings.verdicts import COMMON, UNCOMMON, UNDETERMINED
from tests.views import view_of


def _view(labels: list[str | None], places: list[str | None], groups: list[str | None] | None = None) -> DatasetView:
    n = len(labels)
    columns = {name: pa.nulls(n, IMAGES_SCHEMA.field(name).type) for name in IMAGES_SCHEMA.names}
    columns |= {"image_id": pa.array([f"{i:016x}" for i in range(n)]), "path": pa.array([f"{i}.png" for i in range(n)])}
    columns |= {"label": pa.array(labels, pa.string()), "meta.place": pa.array(places, pa.string())}
    if groups is not None:
        columns["group"] = pa.array(groups, pa.string())
    return DatasetView("d", "f", pa.table(columns), IMAGES_SCHEMA.empty_table())


def _tied(n: int = 60) -> DatasetView:
    rng = np.random.default_rng(0)
    other = rng.choice(["street", "room", "meadow"], 2 * n)
    return _view(["boat"] * n + ["car", "mug"] * n, ["beach"] * n + other.tolist())


def test_the_share_is_the_hand_worked_posterior_mean() -> None:
    counts = np.array([[8.0, 2.0], [2.0, 8.0]])
    share, low, high = conditional_share(counts, np.array([0.5, 0.5]), prior=5, level=0.95)
    assert share[0] == pytest.approx([(8 + 2.5) / 15, (2 + 2.5) / 15])
    assert (low < share).all()
    assert (share < high).all()
    assert low[0, 0] == pytest.approx(stats.beta(10.5, 4.5).ppf(0.025))


def test_residuals_are_those_of_an_independent_implementation() -> None:
    rng = np.random.default_rng(1)
    classes, values = rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    single = np.arange(200)
    found = associate(burst_weights(classes, single, 3), burst_weights(values, single, 4), n_permutations=9, rng=rng)
    table = np.zeros((3, 4))
    np.add.at(table, (classes, values), 1)
    n, row, column = table.sum(), table.sum(1, keepdims=True), table.sum(0, keepdims=True)
    expected = stats.contingency.expected_freq(table)
    assert found.counts == pytest.approx(table)
    assert found.residuals == pytest.approx((table - expected) / np.sqrt(expected * (1 - row / n) * (1 - column / n)))


def test_a_burst_counts_one_however_many_pictures_it_has() -> None:
    weights = burst_weights(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1]), 2)
    assert weights.toarray() == pytest.approx(np.eye(2))


def test_independent_classes_and_settings_are_rarely_called_associated() -> None:
    rng = np.random.default_rng(2)
    smallest = []
    for _ in range(100):
        classes = burst_weights(rng.integers(0, 4, 120), np.arange(120), 4)
        values = burst_weights(rng.integers(0, 5, 120), np.arange(120), 5)
        smallest.append(associate(classes, values, n_permutations=99, rng=rng).p_max_t.min())
    # Under the null P(p <= .05) <= .05; 13 or more of 100 has probability 0.0015.
    assert np.sum(np.array(smallest) <= 0.05) < 13


def test_whole_bursts_move_so_repeated_frames_are_no_evidence() -> None:
    labels = ["a"] * 50 + ["b"] * 50
    places = ["x"] * 50 + ["y"] * 50
    groups = ["g1"] * 50 + ["g2"] * 50
    alone = compute([_view(labels, places)], SettingsConfig(n_permutations=199), np.random.default_rng(0))
    together = compute([_view(labels, places, groups)], SettingsConfig(n_permutations=199), np.random.default_rng(0))
    assert min(alone.tables["settings"]["p_max_t"].to_pylist()) < 0.05
    assert min(together.tables["settings"]["p_max_t"].to_pylist()) > 0.5


def test_a_class_that_is_always_shown_in_one_place_is_named() -> None:
    result = compute([_tied()], SettingsConfig(), np.random.default_rng(0)).result
    assert [(d.label, d.attribute, d.value) for d in result.dominant] == [("boat", "place", "beach")]
    finding = section(result).findings[0]
    assert finding.severity is Severity.ATTENTION
    assert "boat" in finding.sentence
    assert "beach" in finding.sentence


def test_a_column_that_may_only_be_another_name_of_the_class_is_said_to_be_so() -> None:
    twin = compute(
        [_view(["a"] * 50 + ["b"] * 50, ["A"] * 50 + ["B"] * 50)], SettingsConfig(), np.random.default_rng(0)
    )
    assert section(twin.result).findings[0].action.startswith("If place only names the class in other words, ")
    tied = compute([_tied()], SettingsConfig(), np.random.default_rng(0))
    assert not section(tied.result).findings[0].action.startswith("If")


def test_one_tied_class_is_said_in_the_singular() -> None:
    result = compute([_tied()], SettingsConfig(), np.random.default_rng(0)).result
    assert section(result).summary == "1 class is tied to one setting: boat to place = beach."


def test_verdicts_follow_the_bounds() -> None:
    table = compute([_tied(200)], SettingsConfig(), np.random.default_rng(0)).tables["settings"].to_pylist()
    verdicts = {(r["class"], r["value"]): r["verdict"] for r in table}
    assert verdicts["boat", "beach"] == COMMON
    assert verdicts["boat", "street"] == UNCOMMON
    assert all(r["low"] <= r["p"] <= r["high"] for r in table)


def test_a_class_too_small_is_not_judged() -> None:
    view = _view(["a"] * 5 + ["b"] * 40, ["x"] * 5 + ["x", "y"] * 20)
    table = compute([view], SettingsConfig(), np.random.default_rng(0)).tables["settings"].to_pylist()
    assert {r["verdict"] for r in table if r["class"] == "a"} == {UNDETERMINED}


def test_columns_that_are_no_settings_are_named_with_the_reason() -> None:
    view = _view(["a", "b"] * 20, [f"id{i}" for i in range(40)])
    result = compute([view], SettingsConfig(), np.random.default_rng(0)).result
    assert result.attributes == ()
    assert "40 different values" in result.ignored["place"]


def test_a_missing_value_is_a_state_of_its_own() -> None:
    table = compute([_view(["a", "b"] * 20, ["x", None] * 20)], SettingsConfig(), np.random.default_rng(0)).tables
    assert "(missing)" in table["settings"]["value"].to_pylist()


def test_weights_of_several_attributes_share_one_null() -> None:
    classes = burst_weights(np.array([0, 1] * 30), np.arange(60), 2)
    values = sparse.hstack([burst_weights(np.array([0, 1] * 30), np.arange(60), 2)] * 2, format="csr")
    found = associate(classes, values, n_permutations=99, rng=np.random.default_rng(0))
    assert found.p_max_t == pytest.approx(0.01)


def _leaning() -> DatasetView:
    """48 of 60 boats on the sea, 12 of 60 cars."""
    return _view(["boat"] * 60 + ["car"] * 60, ["sea"] * 48 + ["road"] * 12 + ["sea"] * 12 + ["road"] * 48)


def test_a_class_that_is_often_but_not_nearly_always_in_one_setting_is_named_with_its_numbers() -> None:
    shown = section(compute([_leaning()], SettingsConfig(), np.random.default_rng(0)).result)
    assert [(f.id, f.severity) for f in shown.findings] == [("settings.leaning", Severity.ATTENTION)]
    assert "80% of boat with place = sea, against 20% of the other classes" in shown.findings[0].sentence
    assert "2 classes are shown in one setting far more often" in shown.summary


def test_without_any_association_the_summary_denies_no_more_than_was_tested() -> None:
    view = _view(["boat", "car"] * 60, ["sea", "sea", "road", "road"] * 30)
    shown = section(compute([view], SettingsConfig(), np.random.default_rng(0)).result)
    assert shown.summary == (
        "No class is almost always in one setting (place), and no class and setting go together beyond chance."
    )
    assert shown.findings == ()


def test_the_share_shown_is_that_of_the_images_in_sentence_and_table() -> None:
    view = _view(["boat"] * 63 + ["car"] * 60, ["sea"] * 60 + ["road"] * 63)
    shown = section(compute([view], SettingsConfig(), np.random.default_rng(0)).result)
    finding = next(f for f in shown.findings if "of boat" in f.sentence)
    assert finding.sentence.startswith("95% of boat is shown with place = sea")
    assert finding.metric.value == 60 / 63
    rows = {(row[0], row[2]): row[3:6] for row in shown.blocks[0].rows}
    assert rows["boat", "sea"] == (60, 63, 60 / 63)
    assert rows["car", "sea"] == (0, 60, 0.0)


def test_a_share_outside_the_interval_of_the_smoothed_one_is_shown_without_it() -> None:
    labels, places = ["boat"] * 60 + ["car"] * 60, ["sea"] * 60 + ["road"] * 60
    shown = section(compute([_view(labels, places)], SettingsConfig(), np.random.default_rng(0)).result)
    metric = shown.findings[0].metric
    assert (metric.value, metric.low, metric.high) == (1.0, None, None)
    assert "smoothed share" in metric.note


def _with_column(labels: list[str | None], values: object, kind: pa.DataType) -> DatasetView:
    view = _view(labels, [None] * len(labels))
    images = view.images.drop_columns(["meta.place"]).append_column("meta.ground", pa.array(values, kind))
    return DatasetView("d", "f", images, view.excluded)


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.string())])
def test_each_of_several_values_of_an_image_is_judged_by_itself(kind: pa.DataType) -> None:
    cells = [["grass", "water"], ["grass"]] * 30 + [["grass"]] * 60
    values = cells if pa.types.is_list(kind) else ["|".join(cell) for cell in cells]
    config = SettingsConfig(multi_label=("ground",), n_permutations=99)
    table = compute([_with_column(["a"] * 60 + ["b"] * 60, values, kind)], config, np.random.default_rng(0)).tables
    rows = {(r["class"], r["value"]): r for r in table["settings"].to_pylist()}
    assert (rows["a", "grass"]["n"], rows["a", "water"]["n"], rows["b", "water"]["n"]) == (60, 30, 0)
    # Water: 30 of 120 in all, so (30 + 5 / 4) / 65 of a and (0 + 5 / 4) / 65 of b; grass is in every image.
    assert rows["a", "water"]["p"] == pytest.approx((30 + 1.25) / 65)
    assert rows["b", "water"]["p"] == pytest.approx(1.25 / 65)
    assert rows["a", "grass"]["p"] == pytest.approx(1)
    assert rows["b", "water"]["verdict"] == UNCOMMON


def test_shares_are_of_the_images_whose_setting_is_known() -> None:
    places = ["sea"] * 30 + ["road"] * 10 + [None] * 40 + ["sea", "road"] * 20
    table = compute([_view(["a"] * 80 + ["b"] * 40, places)], SettingsConfig(), np.random.default_rng(0)).tables
    rows = {(r["class"], r["value"]): r for r in table["settings"].to_pylist()}
    assert rows["a", "sea"]["n_known"] == 40
    assert rows["a", "sea"]["p"] == pytest.approx((30 + 5 * 50 / 80) / 45)
    assert rows["a", "(missing)"]["verdict"] == UNDETERMINED
    assert rows["a", "(missing)"]["p"] == pytest.approx((40 + 5 * 40 / 120) / 85)


def test_your_own_table_replaces_the_estimate_where_it_speaks() -> None:
    config = SettingsConfig(uncommon={"a": {"place": ("sea",)}})
    view = _view(["a"] * 60 + ["b"] * 60, (["sea"] * 40 + ["road"] * 20) * 2)
    computed = compute([view], config, np.random.default_rng(0))
    verdicts = {(r["class"], r["value"]): r["verdict"] for r in computed.tables["settings"].to_pylist()}
    assert verdicts == {("a", "sea"): UNCOMMON, ("a", "road"): COMMON, ("b", "sea"): COMMON, ("b", "road"): COMMON}
    splits = computed.tables["splits"].to_pylist()
    assert sum(row["state"] == UNCOMMON for row in splits) == 40
    assert {row["uncommon"] for row in splits} == {"", "place = sea"}


def test_an_image_of_which_nothing_is_known_is_neither_common_nor_uncommon() -> None:
    view = _view(["a", "b"] * 40, ["x", "x", None, None] * 10 + ["y", "y", None, None] * 10)
    states = compute([view], SettingsConfig(), np.random.default_rng(0)).tables["splits"]["state"].to_pylist()
    assert states.count(UNDETERMINED) == 40


def test_the_gallery_shows_usual_pictures_and_rare_ones_with_their_share() -> None:
    view = _view(["boat"] * 200 + ["car"] * 200, ["sea"] * 196 + ["road"] * 4 + ["road"] * 200)
    gallery = compute([view], SettingsConfig(), np.random.default_rng(0)).result.galleries[0]
    assert (gallery.label, gallery.n, gallery.n_rare, gallery.n_uncommon) == ("boat", 200, 4, 4)
    assert {p.caption for p in gallery.common} == {"usual: place = sea"}
    assert [p.path for p in gallery.rare] == ["196.png", "197.png", "198.png"]
    # (4 + 5 * 204 / 400) / 205
    assert {p.caption for p in gallery.rare} == {"rare: place = road (3%)"}


def test_a_gallery_shows_rare_settings_whose_verdict_is_open() -> None:
    view = _view(["boat"] * 60 + ["car"] * 60, ["sea"] * 54 + ["road"] * 6 + ["road"] * 60)
    gallery = next(g for g in compute([view], SettingsConfig(), np.random.default_rng(0)).result.galleries)
    assert (gallery.label, gallery.n_rare, gallery.n_uncommon) == ("boat", 6, 0)


def test_copies_count_as_one_picture() -> None:
    vectors = np.random.default_rng(2).normal(size=(80, 8))
    vectors[1:11] = vectors[0]
    view = view_of(vectors, labels=["a"] * 40 + ["b"] * 40)
    images = view.images.append_column("meta.place", pa.array((["sea"] * 11 + ["road"] * 29) * 2))
    rows = compute([dataclasses.replace(view, images=images)], SettingsConfig(), np.random.default_rng(0))
    found = {(r["class"], r["value"]): r for r in rows.tables["settings"].to_pylist()}
    assert (found["a", "sea"]["n"], found["a", "sea"]["n_bursts"]) == (11, pytest.approx(1))
    assert (found["b", "sea"]["n"], found["b", "sea"]["n_bursts"]) == (11, pytest.approx(11))
