"""Outliers: what must stand out does, alone, as copies and in small groups; clean data stays quiet."""

import numpy as np
import pytest

from audit.analyses.outliers import ANALYSIS, OutliersConfig, compute
from audit.maths.isolation import close_gaps, joining, mean_outside
from audit.maths.neighbours import nearest
from audit.maths.tails import expected_above, score_at
from audit.report import Severity
from tests.views import view_of

RNG = np.random.default_rng


def points(seed=0, n=400, d=12, n_centres=4):
    rng = RNG(seed)
    centres = 2 * rng.normal(size=(n_centres, d)) + 2
    return centres[rng.integers(0, n_centres, n)] + rng.normal(size=(n, d))


def run(vectors, **kwargs):
    return compute([view_of(vectors, **kwargs)], OutliersConfig(), RNG(0))


def first(computed, n):
    return {int(path[-9:-4]) for path in computed.tables["outliers"]["path"].to_pylist()[:n]}


def test_joining_of_a_pair_far_from_three_points_is_its_gap():
    vectors = np.array([[0.0], [1.0], [2.0], [10.0], [10.5]], dtype=np.float32)
    heights, groups = joining(nearest(vectors, 4, threads=1), 2)
    assert heights.tolist() == [1.0, 1.0, 1.0, 8.0, 8.0]
    assert groups[3] == groups[4] == 3


def test_a_group_that_the_table_never_links_gets_its_true_gap():
    vectors = np.array([[0.0], [0.1], [0.2], [0.3], [5.0], [5.1], [5.2]], dtype=np.float32)
    heights, groups = joining(nearest(vectors, 2, threads=1), 3)
    assert np.isinf(heights[4:]).all()
    assert close_gaps(heights, groups, vectors, threads=1)[4:] == pytest.approx(4.7, rel=1e-6)


def test_mean_outside_skips_the_own_group_and_searches_beyond_the_table():
    vectors = np.array([[0.0], [0.1], [0.2], [4.0], [6.0]], dtype=np.float32)
    scores = mean_outside(nearest(vectors, 2, threads=1), np.array([0, 0, 0, 3, 4]), vectors, 2, threads=1)
    assert scores[0] == pytest.approx(5.0)
    assert scores[4] == pytest.approx((2.0 + 5.8) / 2)


def test_tail_of_an_exponential_sample_expects_one_score_above_its_largest_quantile():
    n = 10_000
    scores = -np.log1p(-(np.arange(n) + 0.5) / n)
    assert score_at(scores) == pytest.approx(np.log(n), abs=0.01)
    assert expected_above(np.append(scores, np.log(n / 10)))[-1] == pytest.approx(10, rel=0.02)


def test_nothing_is_extrapolated_from_few_scores():
    assert np.isnan(expected_above(np.arange(10.0))).all()


@pytest.mark.parametrize("d", [8, 32, 256])
def test_clean_gaussian_data_gives_at_most_one_false_outlier_on_average(d):
    counts = [run(RNG(seed).normal(size=(400, d))).result.n_outstanding for seed in range(4)]
    assert np.mean(counts) <= 1


def test_an_outlier_is_ranked_first_and_stands_out():
    computed = run(np.concatenate([points(), -4 * np.ones((1, 12))]))
    assert first(computed, 1) == {400}
    assert computed.tables["outliers"]["stands_out"][0].as_py()


def test_a_copy_of_an_outlier_does_not_hide_it():
    strange = -4 * np.ones((1, 12))
    assert first(run(np.concatenate([points(), strange, strange])), 2) == {400, 401}


def test_a_dozen_alike_outliers_do_not_hide_each_other():
    group = -4 * np.ones((12, 12)) + 0.7 * RNG(5).normal(size=(12, 12))
    computed = run(np.concatenate([points(n=600), group]))
    assert first(computed, 12) == set(range(600, 612))
    assert computed.result.n_groups == 1
    assert computed.tables["outliers"]["group_size"].to_pylist()[:12] == [12] * 12


def test_an_image_of_another_class_is_strange_for_its_class_and_not_for_the_dataset():
    rng = RNG(3)
    centres = np.repeat(np.eye(12)[:2] * 4, 100, axis=0)
    labels = ["a"] * 100 + ["b"] * 100
    labels[0] = "b"
    computed = run(centres + 0.4 * rng.normal(size=(200, 12)), labels=labels)
    assert computed.result.n_outstanding == 0
    assert [p.path for p in computed.result.strange_for_class] == ["reference/00000.png"]


def test_the_table_ranks_every_image_once():
    table = run(points()).tables["outliers"]
    assert table["rank"].to_pylist() == list(range(1, 401))
    assert len(set(table["image_id"].to_pylist())) == 400
    assert np.all(np.diff(table["score"].to_numpy()) <= 0)


def test_the_section_says_that_too_few_images_say_nothing():
    section = ANALYSIS.section(run(points(n=12)).result)
    assert "too few" in section.summary
    assert section.headline[0].value is None


def test_many_copies_of_few_images_are_too_few_different_ones():
    section = ANALYSIS.section(run(np.ones((60, 8))).result)
    assert "60 images: too few to say what is usual here (it takes 40 different ones)" in section.summary
    assert section.headline[0].note == "needs at least 40 different images"


@pytest.mark.parametrize(
    ("n_apart", "least", "severity"),
    [
        (3, 0.3, Severity.INFO),
        (4, 0.3, Severity.ATTENTION),
        (1, 0.06, Severity.INFO),
        (1, 0.05, Severity.ATTENTION),
    ],
)
def test_what_stands_out_is_to_be_checked_only_beyond_what_chance_explains(n_apart, least, severity):
    result = run(points()).result.model_copy(
        update={"n_outstanding": n_apart, "n_apart": n_apart, "least_expected": least}
    )
    section = ANALYSIS.section(result)
    assert section.findings[0].severity is severity
    assert ("chance explains" in section.findings[0].sentence) == (severity is Severity.INFO)
    assert ("chance explains" in section.summary) == (severity is Severity.INFO)


def test_an_isolated_group_counts_as_one_beside_what_chance_explains():
    group = -4 * np.ones((12, 12)) + 0.7 * RNG(5).normal(size=(12, 12))
    result = run(np.concatenate([points(n=600), group])).result
    assert (result.n_outstanding, result.n_apart) == (12, 1)


def test_clean_data_rarely_gets_a_finding_to_check():
    sections = [ANALYSIS.section(run(RNG(seed).normal(size=(400, 16))).result) for seed in range(12)]
    assert sum(f.severity is Severity.ATTENTION for section in sections for f in section.findings) <= 2


def test_one_picture_strange_for_its_class_looks_and_does_not_look():
    result = run(points()).result.model_copy(update={"n_strange_for_class": 1})
    (finding,) = [f for f in ANALYSIS.section(result).findings if f.id == "outliers.strange_for_class"]
    assert finding.sentence == "1 picture looks unlike the others of its class, no more than chance explains."
    assert "in all classes together" in finding.metric.note
