"""Class shares of two datasets: counts by hand, p-values beside SciPy's, and what the section says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from audit.analyses.class_shares import ANALYSIS, ClassSharesConfig, compute, joint_test
from audit.report import ChartBlock, Severity
from tests.views import view_of

RNG = np.random.default_rng


def view(counts, name="reference", groups=None):
    labels = [label for label, n in counts.items() for _ in range(n)]
    labels = [label if label != "?" else None for label in labels]
    whole = view_of(RNG(0).normal(size=(len(labels), 2)), labels=labels, groups=groups, name=name, k=1)
    return dataclasses.replace(whole, embeddings=None, neighbours=None)


def compared(reference, candidate, *, groups=(None, None), **config):
    views = [view(reference, "reference", groups[0]), view(candidate, "candidate", groups[1])]
    return compute(views, ClassSharesConfig(**config), RNG(3))


def rows(computed):
    return {row["label"]: row for row in computed.tables["class_shares"].to_pylist()}


def findings(computed):
    return {f.id.removeprefix("class_shares."): f for f in ANALYSIS.section(computed.result).findings}


def residual(codes, groups):
    """Largest absolute standardised residual of classes against two groups, cell by cell."""
    found = []
    for c in np.unique(codes):
        observed, share, side = np.sum((codes == c) & (groups == 1)), np.mean(codes == c), np.mean(groups)
        found.append(abs(observed - len(codes) * share * side) / np.sqrt(len(codes) * share * side * (1 - side)))
    return max(f / np.sqrt(1 - np.mean(codes == c)) for f, c in zip(found, np.unique(codes), strict=True))


def test_counts_and_shares_by_hand():
    found = rows(compared({"a": 60, "b": 30, "flower": 10}, {"a": 30, "b": 20}))
    assert [found["a"][k] for k in ("n_reference", "n_candidate")] == [60, 30]
    assert [found["b"][k] for k in ("share_reference", "share_candidate")] == [0.3, 0.4]
    assert found["b"]["difference"] == pytest.approx(0.1)
    assert found["flower"]["difference"] == pytest.approx(-0.1)


def test_the_interval_is_the_one_newcombe_prints_and_candidate_minus_reference():
    found = rows(compared({"a": 48, "b": 32}, {"a": 56, "b": 14}))
    assert (found["a"]["low"], found["a"]["high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_interval_agrees_with_scipys_wilson_bounds():
    found = rows(compared({"a": 11, "b": 29, "c": 20}, {"a": 21, "b": 30, "c": 4}))["c"]
    one, other = (stats.binomtest(k, n).proportion_ci(method="wilson") for k, n in ((4, 55), (20, 60)))
    p, q = 4 / 55, 20 / 60
    low = p - q - np.hypot(p - one.low, other.high - q)
    high = p - q + np.hypot(one.high - p, q - other.low)
    assert (found["low"], found["high"]) == pytest.approx((low, high))


def test_with_two_classes_the_p_value_is_the_hypergeometric_one():
    found = rows(compared({"a": 18, "b": 22}, {"a": 26, "b": 14}, n_permutations=9999))
    null = stats.hypergeom(80, 44, 40)
    exact = null.cdf(18) + null.sf(25)
    assert found["a"]["p_max_t"] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999))


def test_the_smallest_p_value_of_three_classes_agrees_with_scipys_permutation_test():
    reference, candidate = {"a": 20, "b": 20, "c": 20}, {"a": 26, "b": 24, "c": 10}
    found = rows(compared(reference, candidate, n_permutations=4999))
    codes = np.repeat([0, 1, 2, 0, 1, 2], [*reference.values(), *candidate.values()])
    groups = np.repeat([0, 1], [60, 60])
    tested = stats.permutation_test(
        (groups,),
        lambda g: residual(codes, g),
        permutation_type="pairings",
        n_resamples=1999,
        alternative="greater",
        rng=RNG(5),
    )
    smallest = min(row["p_max_t"] for row in found.values())
    assert 0.02 < smallest < 0.3
    assert smallest == pytest.approx(tested.pvalue, abs=0.035)


def test_a_class_missing_in_the_candidate_is_a_problem_shown_with_pictures_of_the_reference():
    computed = compared({"car": 143, "mug": 143, "flower": 50}, {"car": 120, "mug": 120})
    finding = findings(computed)["missing"]
    assert rows(computed)["flower"]["state"] == "missing"
    assert finding.sentence == (
        "1 class of the reference is absent from the candidate: flower (14.9% of the reference)."
    )
    assert finding.severity is Severity.PROBLEM
    assert finding.metric.value == pytest.approx(50 / 336)
    assert {(p.dataset, p.caption) for p in finding.pictures} == {("reference", "flower")}
    assert len({p.image_id for p in finding.pictures}) == 12
    assert "class_shares" in (finding.table, *computed.tables)


def test_a_rare_class_that_can_be_missing_by_chance_is_only_to_be_checked():
    finding = findings(compared({"a": 100, "b": 99, "rare": 1}, {"a": 50, "b": 50}))["missing"]
    assert finding.severity is Severity.ATTENTION
    assert "by chance" in finding.sentence


def test_many_missing_classes_are_counted_and_the_largest_named():
    reference = {"kept": 100} | {f"gone{i}": 30 + i for i in range(5)}
    sentence = findings(compared(reference, {"kept": 100}))["missing"].sentence
    assert sentence.startswith("5 classes of the reference are absent from the candidate: gone4, gone3, gone2 and 2")


def test_pictures_of_several_missing_classes_are_shared_out():
    shown = findings(compared({"a": 50, "b": 50, "c": 2, "d": 40}, {"d": 40}))["missing"].pictures
    assert [p.caption for p in shown] == ["a"] * 4 + ["b"] * 4 + ["c"] * 2


def test_a_class_only_in_the_candidate_is_shown_with_its_pictures():
    finding = findings(compared({"a": 50, "b": 50}, {"a": 45, "b": 45, "dog": 10}))["new"]
    assert finding.sentence == "1 class is only in the candidate: dog (10.0% of the candidate)."
    assert {p.dataset for p in finding.pictures} == {"candidate"}


def test_a_renamed_class_is_pointed_out_as_a_matter_of_spelling():
    found = findings(compared({"a": 50, "Traffic light": 50}, {"a": 50, "traffic_light": 50}))
    assert "'Traffic light' and 'traffic_light' look like one class" in found["missing"].action
    assert "look like one class" in found["new"].action


def test_a_share_that_halves_beyond_chance_is_different_and_the_largest_change_is_named():
    computed = compared({"a": 200, "b": 100, "c": 100}, {"a": 260, "b": 40, "c": 100})
    finding = findings(computed)["different"]
    assert {label: row["state"] for label, row in rows(computed).items()} == {
        "a": "different",
        "b": "different",
        "c": "alike",
    }
    assert finding.sentence.startswith("2 classes have another share in the candidate; a is 50.0% of the reference")
    assert finding.metric.value == pytest.approx(0.15)
    assert 0 < finding.metric.low < 0.15 < finding.metric.high
    assert finding.metric.unit == "share"


def test_a_sure_change_below_the_floor_is_alike():
    counts = {"a": 300, "b": 300}, {"a": 390, "b": 210}
    sure = rows(compared(*counts, min_difference=0.16))["a"]
    assert (sure["p_max_t"], sure["state"]) == (pytest.approx(1 / 1000), "alike")
    assert rows(compared(*counts, min_difference=0.14))["a"]["state"] == "different"


def test_a_small_class_that_triples_is_different_by_its_ratio():
    found = rows(compared({"a": 490, "b": 10}, {"a": 465, "b": 35}))
    assert found["b"]["state"] == "different"
    assert found["a"]["state"] == "alike"


def test_one_long_sequence_is_no_proof_that_a_share_differs():
    groups = [f"s{i}" for i in range(80)] + ["long"] * 80
    computed = compared({"a": 80, "b": 80}, {"a": 80, "b": 80 + 80}, groups=(None, [*groups, *["long"] * 80]))
    assert rows(computed)["b"]["share_candidate"] == pytest.approx(2 / 3)
    alone = rows(compared({"a": 80, "b": 80}, {"a": 80, "b": 160}))
    assert alone["b"]["state"] == "different"
    assert {row["state"] for row in rows(computed).values()} == {"alike"}


def test_the_same_group_name_in_both_datasets_is_two_bursts():
    sides = np.zeros(40, np.int64), np.ones(40, np.int64)
    same = np.arange(40)
    _, p = joint_test(sides, (same, same), 2, config=ClassSharesConfig(), rng=RNG(0))
    assert p.tolist() == [1 / 1000, 1 / 1000]


def test_the_residual_is_positive_where_the_candidate_has_more():
    sides = np.repeat([0, 1], [30, 10]), np.repeat([0, 1], [10, 30])
    signed, _ = joint_test(sides, (np.arange(40), np.arange(40)), 2, config=ClassSharesConfig(), rng=RNG(0))
    assert signed[0] == -signed[1] < 0


def test_alike_datasets_of_bursts_of_any_length_are_rarely_called_different():
    smallest = []
    for seed in range(100):
        rng = RNG(seed)
        size = rng.integers(1, 20, (2, 40))
        own = [np.repeat(np.arange(40), s) for s in size]
        sides = [np.repeat(rng.integers(0, 6, 40), s) for s in size]
        _, p = joint_test(tuple(sides), tuple(own), 6, config=ClassSharesConfig(n_permutations=99), rng=rng)
        smallest.append(p.min())
    share = np.mean(np.array(smallest) <= 0.1)
    assert 0.03 <= share <= 0.18


def test_a_permuted_part_of_large_datasets_leaves_the_counts_whole():
    computed = compared({"a": 400, "b": 400}, {"a": 700, "b": 100}, max_images=150)
    assert rows(computed)["a"]["n_reference"] == 400
    assert rows(computed)["a"]["state"] == "different"


def test_a_burst_too_long_to_be_permuted_gives_no_p_value_below_one():
    sides = np.zeros(300, np.int64), np.ones(300, np.int64)
    one = np.zeros(300, np.int64)
    _, p = joint_test(sides, (one, one), 2, config=ClassSharesConfig(max_images=100), rng=RNG(0))
    assert p.tolist() == [1, 1]


def test_images_without_a_label_are_left_out_and_said():
    computed = compared({"a": 30, "b": 30, "?": 15}, {"a": 30, "b": 30})
    section = ANALYSIS.section(computed.result)
    assert rows(computed)["a"]["share_reference"] == 0.5
    assert "Left out without a label: 15 images of the reference." in section.summary
    assert section.findings == ()


def test_an_unlabelled_candidate_misses_no_class_and_is_said():
    computed = compared({"a": 30, "b": 30}, {"?": 50})
    section = ANALYSIS.section(computed.result)
    assert section.summary == "Not compared: no image of the candidate has a label."
    assert section.findings == section.blocks == ()
    assert section.headline[0].value is None
    assert computed.tables["class_shares"].num_rows == 0


def test_the_table_begins_with_missing_then_new_then_different_classes():
    table = compared({"a": 300, "b": 100, "old": 50, "e": 50}, {"a": 100, "b": 300, "new": 50, "e": 50}).tables
    assert table["class_shares"]["state"].to_pylist() == ["missing", "new", "different", "different", "alike"]


def test_the_chart_holds_both_shares_of_every_class():
    (chart,) = (
        b
        for b in ANALYSIS.section(compared({"a": 30, "b": 10}, {"a": 10, "b": 30}).result).blocks
        if isinstance(b, ChartBlock)
    )
    values = {(v["class"], v["dataset"]): v["share"] for v in chart.vega_lite["data"]["values"]}
    assert values == {
        ("a", "reference"): 0.75,
        ("a", "candidate"): 0.25,
        ("b", "reference"): 0.25,
        ("b", "candidate"): 0.75,
    }
