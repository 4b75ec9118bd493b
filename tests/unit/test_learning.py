"""Data-size curve and disagreement: a planted power law comes back, bursts stay whole, no probe judges what it saw."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from audit.analyses.learning import ANALYSIS, LearningConfig, compute
from audit.maths import learning, probes
from audit.report import Severity
from tests.views import view_of

RNG = np.random.default_rng


def clusters(n, *, spread=1.0, n_classes=3, seed=0, d=12):
    rng = RNG(seed)
    classes = np.arange(n) % n_classes
    centres = np.random.default_rng(99).normal(size=(n_classes, d))
    return (centres[classes] + spread * rng.normal(size=(n, d))).astype(np.float32), classes.astype(np.int64)


def view(n=300, n_bare=0, *, spread=1.0, shift=0.0, **kwargs):
    vectors, classes = clusters(n + n_bare, spread=spread)
    vectors[n:] = vectors[n:] * (1 - shift) + shift * 3 * RNG(5).normal(size=vectors[n:].shape)
    labels = [f"class {c}" for c in classes[:n]] + [None] * n_bare
    return view_of(vectors, labels=labels, **kwargs)


def run(dataset):
    return compute([dataset], LearningConfig(), RNG(0))


def test_a_power_law_is_found_again():
    sizes = np.array([10.0, 20, 40, 80, 160])
    law = learning.fit_power_law(sizes, (0.9 - 0.8 * sizes ** -learning.EXPONENTS[20])[None])
    assert (law.a[0], law.b[0], law.c[0]) == pytest.approx((0.9, 0.8, learning.EXPONENTS[20]))
    assert law.at(320)[0] == pytest.approx(0.9 - 0.8 * 320 ** -learning.EXPONENTS[20])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_a_fitted_curve_never_falls_and_never_passes_one(accuracies):
    law = learning.fit_power_law(np.array([8.0, 16, 32, 64, 128]), np.array([accuracies]))
    values = [law.at(m)[0] for m in (8, 100, 256, 10_000)]
    assert all(later >= earlier - 1e-12 for earlier, later in itertools.pairwise(values))
    assert values[-1] <= 1 + 1e-12


def test_a_flat_curve_stays_flat():
    law = learning.fit_power_law(np.array([8.0, 16, 32, 64]), np.full((1, 4), 0.7))
    assert law.at(1000)[0] == pytest.approx(0.7)


def test_blocks_keep_bursts_whole():
    vectors, classes = clusters(600)
    own = np.repeat(np.arange(200), 3)
    blocks = learning.deal(vectors, classes, own, RNG(0)).blocks
    assert all(len(set(blocks[own == b])) == 1 for b in range(200))


def test_a_probe_of_blocks_is_the_discriminant_of_their_rows():
    vectors, classes = clusters(256)
    dealt = learning.deal(vectors, classes, np.arange(256), RNG(0))
    kept = dealt.blocks < 10
    weights, offsets = dealt.probe(np.arange(10))
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=probes.SHRINKAGE).fit(vectors[kept], classes[kept])
    said = (vectors @ weights + offsets).argmax(axis=1)
    assert np.mean(said == theirs.predict(vectors)) == 1.0


def test_labels_drawn_by_chance_are_never_learned():
    vectors, _ = clusters(512, spread=3.0)
    classes = RNG(3).integers(0, 2, 512)
    right = learning.correctness(learning.deal(vectors, classes, np.arange(512), RNG(0)), RNG(1))
    assert right.mean(axis=(0, 2))[-1] == pytest.approx(0.5, abs=0.08)


def test_copies_of_an_image_are_in_no_probe_that_judges_it():
    rng = RNG(0)
    vectors = np.repeat(rng.normal(size=(150, 40)), 2, axis=0).astype(np.float32)
    classes = np.repeat(rng.integers(0, 2, 150), 2)
    right = learning.correctness(learning.deal(vectors, classes, np.repeat(np.arange(150), 2), RNG(0)), RNG(1))
    assert right.mean() < 0.65


def test_bootstrap_means_draw_whole_bursts():
    values = np.array([[0.0], [0.0], [1.0], [1.0]])
    means = learning.resampled_means(values, np.array([0, 0, 1, 1]), RNG(0), 200)
    assert set(np.unique(means)) == {0.0, 0.5, 1.0}


def test_principal_directions_keep_distances_of_vectors_that_lie_in_them():
    low = RNG(0).normal(size=(50, 5)).astype(np.float32)
    wide = (low @ RNG(1).normal(size=(5, 30))).astype(np.float32)
    kept, _ = learning.principal(wide, wide[:1], 5)
    assert np.linalg.norm(kept[0] - kept[1]) == pytest.approx(np.linalg.norm(wide[0] - wide[1]), rel=1e-4)


def test_one_image_a_class_gives_a_probe_and_no_crash():
    vectors = np.eye(4, dtype=np.float32)
    moments = probes.moments(vectors, np.arange(4), np.ones(4, bool), 4)
    weights, offsets = probes.discriminant(moments)
    assert (vectors @ weights + offsets).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_halves_of_easy_classes_never_disagree():
    vectors, classes = clusters(256, spread=0.05)
    seen = learning.disagreement(learning.deal(vectors, classes, np.arange(256), RNG(0)), vectors[:0], RNG(1))
    assert seen.labelled.max() == 0
    assert not seen.wrong.any()


def test_the_expected_error_of_unlabelled_images_is_near_the_true_one():
    vectors, classes = clusters(900, spread=1.6)
    labels = [f"class {c}" for c in classes[:600]] + [None] * 300
    found = run(view_of(vectors, labels=labels)).result.expected
    dealt = learning.deal(vectors[:600], classes[:600], np.arange(600), RNG(0))
    weights, offsets = dealt.probe(np.arange(learning.N_BLOCKS))
    true = np.mean((vectors[600:] @ weights + offsets).argmax(axis=1) != classes[600:])
    assert found.expected.low - 0.03 <= true <= found.expected.high + 0.03


def test_unlabelled_images_of_another_kind_are_something_to_check():
    findings = {f.id: f for f in ANALYSIS.section(run(view(400, 200, spread=1.2, shift=0.9)).result).findings}
    assert findings["learning.unlabelled"].severity is Severity.ATTENTION
    assert "those shown here first" in findings["learning.unlabelled"].action


def test_without_unlabelled_images_nothing_is_said_of_them():
    assert "learning.unlabelled" not in {f.id for f in ANALYSIS.section(run(view()).result).findings}


def test_twice_the_images_of_learned_classes_hardly_help():
    section = ANALYSIS.section(run(view(600, spread=0.1)).result)
    assert any("hardly help" in f.sentence for f in section.findings)


def test_a_linear_probe_is_explained_where_its_accuracy_is_told():
    section = ANALYSIS.section(run(view(600, spread=1.5)).result)
    assert "a simple classifier (a linear probe)" in section.summary
    assert any("accuracy of a simple classifier (a linear probe) from" in f.sentence for f in section.findings)


def test_the_curve_rises_where_classes_overlap():
    curve = run(view(600, spread=1.8)).result.curve
    assert curve[-1].accuracy.value > curve[0].accuracy.value


def test_a_handful_of_labels_says_how_many_it_takes():
    assert "takes 128" in ANALYSIS.section(run(view(90)).result).summary


def test_the_table_holds_the_curve_to_twice_the_images():
    table = run(view(600, spread=1.5)).tables["learning"]
    assert max(table["n_images"].to_pylist()) == 1200
    assert set(table["kind"].to_pylist()) == {"measured", "fitted"}


def test_a_sample_too_small_for_the_classes_says_what_to_raise():
    vectors, classes = clusters(2400, n_classes=80)
    dataset = view_of(vectors, labels=[f"class {c:02d}" for c in classes])
    result = compute([dataset], LearningConfig(max_images=1000), RNG(0)).result
    assert "raise max_images" in result.reason
    assert ANALYSIS.section(result).findings == ()
