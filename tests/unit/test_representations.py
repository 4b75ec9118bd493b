"""Two representations of the same images: hand-worked numbers, invariances, and what a translation may claim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.agreement import MIN_SHARED, agree
from audit.errors import ConfigError, TooFewImagesError
from audit.maths import representations
from audit.model import Neurons
from tests.views import view_of, with_features

RNG = np.random.default_rng


def rotation(d, seed=0):
    return np.linalg.qr(RNG(seed).normal(size=(d, d)))[0]


@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_cka_sees_neither_rotation_nor_scale_nor_shift(seed, scale):
    x = RNG(seed).normal(size=(20, 4))
    y = np.column_stack([x[:, :2], RNG(seed + 1).normal(size=(20, 2))])
    moved = scale * y @ rotation(4, seed) + 3
    assert representations.cka(x, moved) == pytest.approx(representations.cka(x, y), abs=1e-6)


def test_cka_of_a_representation_with_itself_is_one():
    x = RNG(0).normal(size=(30, 5))
    assert representations.cka(x, x) == pytest.approx(1)


def test_cka_of_unrelated_representations_is_about_zero_in_high_dimension():
    values = [
        representations.cka(RNG(2 * s).normal(size=(40, 500)), RNG(2 * s + 1).normal(size=(40, 500))) for s in range(20)
    ]
    assert abs(np.mean(values)) < 0.02


def test_cka_of_a_constant_representation_is_nothing():
    assert representations.cka(RNG(0).normal(size=(10, 3)), np.ones((10, 2))) == 0


def test_cka_of_four_points_by_hand():
    """n(n−3)·HSIC₁: Σ K∘L = −4 and ΣK = ΣL = −4, rows −1 each: −4 + 16/6 − 4; Σ K∘K = 12: 12 + 16/6 − 4."""
    x, y = np.array([[-1.0], [-1], [1], [1]]), np.array([[-1.0], [1], [-1], [1]])
    assert representations.cka(x, y) == pytest.approx((-4 + 16 / 6 - 4) / (12 + 16 / 6 - 4))


def test_the_matrix_of_layers_holds_the_cka_of_every_pair():
    left = [RNG(s).normal(size=(30, 5)) for s in (1, 2)]
    right = [left[1] @ rotation(5), RNG(3).normal(size=(30, 7)), np.ones((30, 2))]
    found = representations.cka_matrix(left, right)
    expected = [[representations.cka(one, other) for other in right] for one in left]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[1, 0] == pytest.approx(1)


def test_layers_are_compared_where_both_views_bring_their_neurons():
    def neurons(view, sizes, values):
        ends = np.cumsum([0, *sizes.values()]).tolist()
        layers = {name: slice(*ends[i : i + 2]) for i, name in enumerate(sizes)}
        return with_features(view, neurons=Neurons(values, layers, np.zeros((len(values), 0), np.float16)))

    first, second = pair(0.1)
    values = RNG(0).normal(size=(200, 9)).astype(np.float16)
    values[0, 0] = np.nan
    found = agree([neurons(first, {"a": 4, "b": 5}, values), neurons(second, {"c": 5}, values[:, 4:])], RNG(0)).layers
    assert (found.first, found.second, found.n_images) == (("a", "b"), ("c",), 200)
    assert found.cka[1][0] == pytest.approx(1, abs=1e-3)
    assert abs(found.cka[0][0]) < 0.1
    assert agree([first, second], RNG(0)).layers is None


def test_the_interval_of_cka_is_as_wide_as_repeated_samples_are():
    def sample(seed):
        x = RNG(seed).normal(size=(150, 6))
        return x, x + RNG(seed + 500).normal(size=(150, 6))

    values = [representations.cka(*sample(s)) for s in range(60)]
    widths = [np.ptp(representations.cka_interval(*sample(s), np.arange(150), RNG(s))) for s in range(12)]
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(values), rel=0.35)


def test_svcca_of_a_linear_map_is_one_and_of_a_constant_nothing():
    x = RNG(1).normal(size=(50, 3))
    assert representations.svcca(x, x @ np.array([[1.0, 2, 0], [0, 1, 5], [1, 0, 1]])) == pytest.approx(1)
    assert representations.svcca(x, np.ones((50, 2))) == 0


def test_a_rotation_is_found_and_translated_without_error():
    x = RNG(2).normal(size=(40, 6))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = x @ rotation(6)
    np.testing.assert_allclose(representations.fit(x, y, "procrustes")(x), y, atol=1e-10)


def test_representations_of_other_numbers_of_images_are_refused():
    with pytest.raises(ValueError, match="got 10 and 9"):
        representations.cka(np.zeros((10, 2)), np.zeros((9, 2)))


def pair(noise, n=200, d=12):
    x = RNG(3).normal(size=(n, d))
    y = x @ rotation(d) + noise * RNG(4).normal(size=(n, d))
    return view_of(x, name="same"), view_of(y, name="same")


def test_nearly_the_same_extractor_can_be_translated_both_ways():
    found = agree(pair(0.02), RNG(0))
    assert [one.is_usable for one in found.translations] == [True, True]
    assert all(one.shared_low >= MIN_SHARED for one in found.translations)
    assert "can be translated" in found.sentence


def test_unrelated_extractors_are_refused_in_words():
    found = agree(pair(100.0), RNG(0))
    assert [one.is_usable for one in found.translations] == [False, False]
    assert abs(found.cka) < 0.05
    assert found.svcca == pytest.approx(found.svcca_chance, abs=0.1)
    assert "embed again" in found.sentence


def test_what_was_learnt_by_heart_is_no_translation():
    """With as many dimensions as images every map fits; held-out images show that nothing was learnt."""
    x, y = RNG(5).normal(size=(80, 120)), RNG(6).normal(size=(80, 120))
    found = representations.held_out(x, y, np.arange(80), np.arange(80) % 5, method="procrustes")
    fitted = representations.fit(x, y, "procrustes")(x)
    assert (fitted * y / np.linalg.norm(y, axis=1, keepdims=True)).sum(axis=1).mean() > 0.5
    assert abs(found.cosine.mean()) < 0.1


def test_copies_are_neither_folds_apart_nor_neighbours():
    x = np.repeat(RNG(7).normal(size=(50, 8)), 4, axis=0)
    y = RNG(8).permutation(50)[np.arange(200) // 4]
    noise = RNG(9).normal(size=(50, 8))[y]
    found = agree((view_of(x), view_of(noise)), RNG(0))
    assert found.n_bursts == 50
    assert all(one.cosine < 0.2 for one in found.translations)


def test_other_images_are_refused():
    with pytest.raises(ConfigError, match="same images"):
        agree((view_of(np.eye(50)), view_of(np.eye(50), name="others")), RNG(0))


def test_too_few_images_are_refused_with_their_number():
    with pytest.raises(TooFewImagesError, match="40 images; there are 12"):
        agree((view_of(np.eye(12)), view_of(np.eye(12))), RNG(0))
