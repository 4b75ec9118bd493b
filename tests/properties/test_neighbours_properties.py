"""Laws of neighbours, intervals and comparison measures, over drawn data."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audit.maths.discrepancy import frechet
from audit.maths.intervals import newcombe, wilson
from audit.maths.neighbours import nearest
from audit.maths.separability import auc
from audit.maths.tails import expected_above

whole = st.integers(-3, 3)
matrices = arrays(np.float32, st.tuples(st.integers(2, 24), st.integers(1, 4)), elements=st.integers(-2, 2).map(float))
quick = settings(deadline=None, max_examples=60)


@quick
@given(matrices, st.integers(1, 6))
def test_no_row_outside_the_table_is_nearer_than_its_last(vectors, k):
    table = nearest(vectors, k, threads=1)
    distances = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors[None], axis=2)
    for i in range(len(vectors)):
        found = table.indices[i][table.indices[i] >= 0]
        rest = np.setdiff1d(np.arange(len(vectors)), [*found, i])
        assert len(found) == min(k, len(vectors) - 1)
        assert len(rest) == 0 or distances[i, rest].min() >= distances[i, found].max() - 1e-6


@quick
@given(matrices, st.randoms(use_true_random=False))
def test_distances_do_not_depend_on_the_order_of_the_rows(vectors, random):
    order = list(range(len(vectors)))
    random.shuffle(order)
    table, mixed = nearest(vectors, 3, threads=1), nearest(vectors[order], 3, threads=1)
    assert mixed.distances.tobytes() == table.distances[order].tobytes()


@quick
@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_share_and_mirrors(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    mirrored = wilson(n - k, n)
    assert abs(mirrored[0] - (1 - high)) < 1e-12


@quick
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_newcombe_holds_the_difference_and_changes_sign_when_swapped(n1, n2, data):
    k1, k2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    low, high = newcombe(k1, n1, k2, n2)
    assert low - 1e-12 <= k1 / n1 - k2 / n2 <= high + 1e-12
    swapped = newcombe(k2, n2, k1, n1)
    assert np.allclose((swapped[0], swapped[1]), (-high, -low))


@quick
@given(st.integers(3, 12), st.integers(3, 12), st.integers(1, 15), st.integers(0, 10_000))
def test_frechet_is_symmetric_never_negative_and_moves_with_neither(n, m, d, seed):
    rng = np.random.default_rng(seed)
    x, y, shift = rng.normal(size=(n, d)), rng.normal(size=(m, d)), rng.normal(size=d)
    value = frechet(x, y)
    assert value >= 0
    assert np.isclose(value, frechet(y, x), atol=1e-8)
    assert np.isclose(value, frechet(x + shift, y + shift), atol=1e-8)
    assert np.isclose(frechet(x, x + shift), (shift**2).sum(), atol=1e-8)


@quick
@given(st.lists(whole, min_size=2, max_size=30), st.data())
def test_auc_of_swapped_groups_is_its_complement(scores, data):
    positive = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))))
    if positive.all() or not positive.any():
        positive[0] = not positive[0]
    values = np.array(scores, dtype=float)
    assert np.isclose(auc(values, positive) + auc(values, ~positive), 1)


@quick
@given(st.integers(40, 300), st.integers(0, 10_000))
def test_a_larger_score_is_never_more_expected(n, seed):
    scores = np.sort(np.random.default_rng(seed).gamma(2, size=n))
    assert np.all(np.diff(expected_above(scores)) <= 1e-9)
