"""Measuring batches: threads count to the same sums, and what has no direction is not counted."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np

from audit.dna import LayerRanges, NeuronRanges
from audit.extractors.base import Features
from workers.steps.measuring import AT_ONCE, Measure, unit_vectors

RANGES = NeuronRanges(
    {"map": LayerRanges(np.zeros(2, np.float32), np.ones(2, np.float32), np.zeros(2, bool))}, "by hand"
)


class Extractor:
    """Pixels are its embedding and its only layer."""

    ranges = RANGES
    spec = SimpleNamespace(fingerprint="e")

    def features(self, batch: np.ndarray) -> Features:
        values = batch.reshape(len(batch), -1, 2).astype(np.float32) / 255
        return Features(values[:, 0], {"map": values})


def batches(n: int = 40) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(1, 256, (n, 8, 4, 4, 3), dtype=np.uint8))


def test_threads_count_to_the_same_sums_as_one() -> None:
    alone, together = Measure(Extractor()), Measure(Extractor())
    one_by_one = [alone(pixels) for pixels in batches()]
    with ThreadPoolExecutor(2 * AT_ONCE) as threads:
        side_by_side = list(threads.map(together, batches()))
    assert together.dna().same_as(alone.dna())
    for left, right in zip(one_by_one, side_by_side, strict=True):
        np.testing.assert_array_equal(left.neurons.values, right.neurons.values)


def test_a_picture_without_a_direction_is_not_counted() -> None:
    measure, pixels = Measure(Extractor()), batches(1)[0]
    pixels[3].flat[:2] = 0
    measured = measure(pixels)
    assert measured.usable.tolist() == [i != 3 for i in range(8)]
    assert len(measured.neurons.values) == measure.dna().size == 7
    np.testing.assert_array_equal(measured.neurons.values, Measure(Extractor())(np.delete(pixels, 3, 0)).neurons.values)


def test_a_shard_without_pictures_has_empty_dna() -> None:
    assert Measure(Extractor()).dna().size == 0


def test_vectors_have_unit_length_and_those_that_cannot_are_told() -> None:
    vectors, usable = unit_vectors(np.float32([[3, 4], [0, 0], [np.nan, 1], [np.inf, 0]]))
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 0], [0, 0], [0, 0]], rtol=1e-6)
    assert usable.tolist() == [True, False, False, False]
