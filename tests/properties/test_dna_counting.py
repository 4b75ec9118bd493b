"""The compiled pass agrees with numpy on every bit, whatever it is given, and describes each image by itself."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audit.maths.histograms import SHAPES, ByImage, Sums, border, count
from tests import dna_reference as reference

ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)
NEAR = st.floats(-4, 4, width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0])


@st.composite
def layers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    b, p, c = draw(st.integers(0, 5)), draw(st.sampled_from([0, 1, 3, 9, 16])), draw(st.sampled_from([0, 1, 5, 70]))
    values = draw(arrays(np.float32, (b, p, c), elements=draw(st.sampled_from([ANY, NEAR]))))
    low = draw(arrays(np.float32, c, elements=st.floats(-3, 3, width=32)))
    width = draw(arrays(np.float32, c, elements=st.sampled_from([np.float32(v) for v in (1e-30, 0.01, 1, 2.5, 1e30)])))
    high = np.maximum(low + width, np.nextafter(low, np.float32(np.inf)))
    return values, low, high, draw(arrays(np.int64, b, elements=st.integers(0, 15)))


def zeros(c: int) -> Sums:
    return Sums(*(np.zeros((c, *shape), np.int64) for shape in SHAPES))


def counted(case: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> tuple[Sums, ByImage]:
    values, low, high, buckets = case
    sums = zeros(len(low))
    return sums, count(values, (low, high), buckets, border(values.shape[1]), sums)


@given(layers())
@settings(max_examples=200, deadline=None)
def test_every_sum_is_the_one_that_numpy_gives(case) -> None:
    sums, _ = counted(case)
    for name, expected in reference.sums(*case).items():
        np.testing.assert_array_equal(getattr(sums, name), expected, err_msg=name)


@given(layers())
@settings(max_examples=100, deadline=None)
def test_the_largest_activation_and_its_place_are_those_that_numpy_finds(case) -> None:
    values, low, high, _ = case
    _, images = counted(case)
    u = reference.positions(values, low, high)
    seen = ~np.isnan(u)
    filled = np.where(seen, u, -np.inf)
    for i, k in np.ndindex(images.top.shape):
        if not seen[i, :, k].any():
            assert np.isnan(images.top[i, k])
            assert images.place[i, k] == -1
            continue
        assert images.place[i, k] == filled[i, :, k].argmax()
        assert images.top[i, k] == np.float32(filled[i, :, k].max() / np.float64(reference.RANGE))


@given(layers())
@settings(max_examples=100, deadline=None)
def test_means_over_an_image_and_its_border_are_those_of_the_cut_positions(case) -> None:
    values, low, high, _ = case
    _, images = counted(case)
    ring = border(values.shape[1])
    cut = (np.floor(reference.positions(values, low, high).astype(np.float64)) + 0.5) / reference.RANGE
    assert images.border.shape[1] == (len(low) if ring.any() else 0)
    for got, places in [(images.mean, slice(None)), (images.border, ring)][: 1 + ring.any()]:
        for i, k in np.ndindex(got.shape):
            here = cut[i, places, k]
            expected = here[~np.isnan(here)].mean() if not np.isnan(here).all() else np.nan
            np.testing.assert_allclose(got[i, k], expected, rtol=2e-6, atol=1e-7)


@given(layers(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_what_an_image_gives_does_not_depend_on_its_batch(case, random) -> None:
    values, low, high, buckets = case
    _, images = counted(case)
    order = list(range(len(values)))
    random.shuffle(order)
    _, again = counted((values[order], low, high, buckets[order]))
    singles = [counted((values[[i]], low, high, buckets[[i]]))[1] for i in order]
    for name in ByImage._fields:
        np.testing.assert_array_equal(getattr(again, name), getattr(images, name)[order])
        for one, i in zip(singles, order, strict=True):
            np.testing.assert_array_equal(getattr(one, name)[0], getattr(images, name)[i])
