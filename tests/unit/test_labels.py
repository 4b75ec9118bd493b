"""Label errors: planted ones come first, bursts do not vouch for each other, small classes are left alone."""

import numpy as np
import pytest

from audit.analyses.labels import ANALYSIS, LabelsConfig, compute, section
from audit.maths import label_scores, probes
from audit.maths.neighbours import nearest
from audit.report import Severity
from tests.views import make_view, view_of

RNG = np.random.default_rng


def run(view):
    return compute([view], LabelsConfig(), RNG(0))


def test_wrong_labels_are_ranked_first_with_the_right_class_suggested():
    table = run(make_view(wrong=4)).tables["labels"]
    assert {p[-9:-4] for p in table["path"].to_pylist()[:4]} == {"00000", "00001", "00002", "00003"}
    assert table["suggested"].to_pylist()[:4] == ["boat"] * 4


def test_right_labels_are_not_disputed():
    assert run(make_view(wrong=0)).result.n_disputed == 0


def test_the_upper_bound_holds_the_planted_number():
    assert run(make_view(wrong=4)).result.upper_bound >= 4


def test_a_copy_with_the_same_wrong_label_does_not_vouch_for_it():
    rng = RNG(1)
    centres = np.repeat(np.eye(8)[:2] * 3, 60, axis=0)
    vectors = np.concatenate([centres + 0.3 * rng.normal(size=(120, 8)), np.zeros((8, 8))])
    vectors[120:] = vectors[0]
    table = run(view_of(vectors, labels=["a"] * 60 + ["b"] * 60 + ["b"] * 8)).tables["labels"]
    assert {int(p[-9:-4]) for p in table["path"].to_pylist()[:8]} == set(range(120, 128))


def test_images_of_a_class_with_four_pictures_are_not_judged():
    vectors = RNG(0).normal(size=(94, 8))
    computed = run(view_of(vectors, labels=["a"] * 45 + ["b"] * 45 + ["rare"] * 4))
    assert "rare" not in computed.tables["labels"]["label"].to_pylist()
    assert computed.result.n_not_judged == 4


def test_one_class_is_too_few_and_says_so():
    section = ANALYSIS.section(run(view_of(RNG(0).normal(size=(80, 8)), labels=["a"] * 80)).result)
    assert "too few" in section.summary


def test_distance_ratio_of_points_on_a_line_by_hand(monkeypatch):
    monkeypatch.setattr(label_scores, "NEAREST", 1)
    vectors = np.array([[0.0], [1.0], [3.0], [4.0]], dtype=np.float32)
    table = nearest(vectors, 3, threads=1)
    ratio = label_scores.distance_ratio(table, np.array([0, 0, 1, 1]), np.arange(4), vectors)
    assert ratio == pytest.approx([1 / (1 + 9), 1 / (1 + 4), 1 / (1 + 4), 1 / (1 + 9)])


def test_distance_ratio_searches_the_class_when_the_table_holds_none_of_it(monkeypatch):
    monkeypatch.setattr(label_scores, "NEAREST", 1)
    vectors = np.array([[0.0], [1.0], [1.1], [9.0]], dtype=np.float32)
    classes = np.array([1, 0, 0, 1])
    ratio = label_scores.distance_ratio(nearest(vectors, 2, threads=1), classes, np.arange(4), vectors)
    assert ratio[0] == pytest.approx(81 / (81 + 1))


def test_folds_keep_bursts_whole_and_spread_classes():
    bursts = np.repeat(np.arange(40), 3)
    classes = (bursts >= 20).astype(np.int64)
    folds = probes.deal_folds(bursts, classes, 5, RNG(0))
    assert all(len(set(folds[bursts == b])) == 1 for b in range(40))
    assert np.bincount(folds * 2 + classes).tolist() == [12] * 10


def test_the_probe_never_learns_from_the_fold_it_judges():
    rng = RNG(0)
    vectors = rng.normal(size=(60, 40)).astype(np.float32)
    classes = np.arange(60) % 2
    margins = [probes.judge(vectors, classes, np.arange(60) % 5).margin]
    changed = classes.copy()
    changed[5] = 1 - changed[5]
    margins.append(probes.judge(vectors, changed, np.arange(60) % 5).margin)
    assert margins[1][5] == pytest.approx(-margins[0][5], abs=1e-6)


def test_blocks_do_not_change_what_the_probe_says(monkeypatch):
    rng = RNG(2)
    vectors = rng.normal(size=(90, 6)).astype(np.float32)
    classes = np.arange(90) % 3
    expected = probes.judge(vectors, classes, np.arange(90) % 4).margin
    monkeypatch.setattr(probes, "BLOCK", 7)
    np.testing.assert_allclose(probes.judge(vectors, classes, np.arange(90) % 4).margin, expected, rtol=1e-9)


def test_a_probe_of_one_class_is_refused():
    with pytest.raises(ValueError, match="two classes"):
        probes.judge(np.ones((4, 2), np.float32), np.zeros(4, np.int64), np.arange(4) % 2)


def test_every_suspect_is_shown_beside_both_classes():
    group = run(make_view(wrong=4)).result.suspects[0]
    assert group[0].marked
    assert [p.caption for p in group[1:]] == ["car (its label)"] * 2 + ["boat (suggested)"] * 2


@pytest.mark.parametrize(
    ("agreement", "severity", "words"),
    [
        (0.95, Severity.PROBLEM, "look wrong"),
        (0.80, Severity.ATTENTION, "are in doubt"),
        (0.60, Severity.INFO, "a list to look through, not a count of errors"),
    ],
)
def test_disputes_claim_no_more_than_the_probe_knows(agreement: float, severity: Severity, words: str) -> None:
    found = run(make_view(3, wrong=4)).result
    finding = section(found.model_copy(update={"agreement_low": agreement, "n_disputed": 4})).findings[0]
    assert finding.severity is severity
    assert words in finding.sentence


def test_disputes_are_a_problem_only_when_the_agreement_is_high_with_its_whole_interval() -> None:
    found = run(make_view(3, wrong=4)).result
    doubtful = found.model_copy(update={"agreement": 0.92, "agreement_low": 0.88, "n_disputed": 4})
    assert section(doubtful).findings[0].severity is Severity.ATTENTION


def test_one_disputed_label_more_or_less_does_not_make_a_problem() -> None:
    found = run(make_view(3, wrong=4)).result.model_copy(update={"agreement_low": 0.95, "n": 600})
    severities = [section(found.model_copy(update={"n_disputed": k})).findings[0].severity for k in (5, 6, 7)]
    assert severities == [Severity.ATTENTION] * 3


def test_the_agreement_is_shown_with_its_interval() -> None:
    found = run(make_view(3, wrong=4)).result
    assert found.agreement_low < found.agreement < found.agreement_high
    text = section(found).blocks[0].text
    assert f"(95 % interval {found.agreement_low:.1%} to {found.agreement_high:.1%})" in text


def test_the_probe_is_not_called_independent_of_the_nearest_pictures() -> None:
    shown = section(run(make_view(3, wrong=4)).result)
    assert "independent" not in shown.findings[0].sentence
    assert "same embedding" in shown.blocks[0].text
