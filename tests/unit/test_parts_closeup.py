"""Looking closely: what of a picture is embedded, and where its object is."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from audit.dna import LayerRanges, NeuronRanges
from audit.extractors.base import ExtractorSpec, Features, InputSpec, Layer
from audit.parts.boxes import core, widened
from audit.parts.closeup import GRID, joined, look_closely, pooled
from audit.parts.fillings import BACKGROUND_FILLINGS, fill
from workers.steps.parts import _kept

SIZE, SIDE = 32, 4


class Cells:
    """Three neurons: the mean red, green and blue of each cell of a grid; the embedding is their mean."""

    def __init__(self, side: int = SIDE) -> None:
        self.side = side
        low, high = np.zeros(3, np.float32), np.full(3, 255, np.float32)
        self.ranges = NeuronRanges({"cells": LayerRanges(low, high, np.zeros(3, np.bool_))}, "drawn")
        self.spec = ExtractorSpec(
            name="cells",
            architecture="cells",
            weights_sha256="0" * 64,
            input=InputSpec(size=SIZE),
            dimension=3,
            layers=(Layer(name="cells", n_neurons=3),),
            ranges_sha256=self.ranges.sha256,
        )

    def features(self, batch: npt.NDArray[np.uint8]) -> Features:
        cell = SIZE // self.side
        cells = batch.reshape(len(batch), self.side, cell, self.side, cell, 3).mean(axis=(2, 4), dtype=np.float64)
        cells = cells.reshape(len(batch), -1, 3).astype(np.float32)
        return Features(cells.mean(axis=1), {"cells": cells})


def pictures() -> npt.NDArray[np.uint8]:
    """Two dark pictures with a bright square: in the second cell from the left and the top, and at the bottom right."""
    batch = np.full((2, SIZE, SIZE, 3), 10, np.uint8)
    batch[0, 8:16, 8:16] = 240
    batch[1, 24:, 24:] = 240
    return batch


def test_the_object_is_where_the_map_is_strongest() -> None:
    seen = look_closely(Cells(), pictures(), [None, None])
    middle = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
    np.testing.assert_allclose(middle, [[0.375, 0.375], [0.875, 0.875]], atol=0.07)
    assert not seen.is_given.any()
    assert seen.known.all()


def test_a_given_box_comes_before_what_the_network_sees() -> None:
    seen = look_closely(Cells(), pictures(), [(0.5, 0.5, 1.0, 1.0), None])
    assert seen.is_given.tolist() == [True, False]
    np.testing.assert_array_equal(seen.boxes[0], [0.5, 0.5, 1, 1])


def test_each_part_is_embedded_as_it_is_filled() -> None:
    extractor, batch = Cells(), pictures()
    seen = look_closely(extractor, batch, [None, None])
    wide = widened(seen.boxes)
    parts = [batch, *(np.stack([fill(p, b, "object") for p, b in zip(batch, core(seen.boxes), strict=True)]),)]
    parts += [np.stack([fill(p, b, how) for p, b in zip(batch, wide, strict=True)]) for how in BACKGROUND_FILLINGS]
    for one, part in zip(seen.features, parts, strict=True):
        np.testing.assert_array_equal(one.vectors, extractor.features(part).embedding)
        np.testing.assert_allclose(one.neurons, one.vectors / 255, atol=2e-3)


def test_the_object_alone_is_the_middle_of_a_box_that_was_found_and_the_whole_of_one_that_was_given() -> None:
    extractor, batch, given = Cells(), pictures(), (0.25, 0.25, 0.75, 0.75)
    found, told = (look_closely(extractor, batch[:1], [box]).features[1].vectors for box in (None, given))
    box = look_closely(extractor, batch[:1], [None]).boxes
    expected = [fill(batch[0], one, "object")[None] for one in (core(box)[0], given)]
    np.testing.assert_array_equal(found, extractor.features(expected[0]).embedding)
    np.testing.assert_array_equal(told, extractor.features(expected[1]).embedding)


def test_the_core_of_a_box_has_its_middle_and_half_its_sides() -> None:
    boxes = np.array([[0.0, 0.2, 0.8, 0.6], [0.5, 0.5, 0.5, 0.5]], np.float32)
    np.testing.assert_allclose(core(boxes), [[0.2, 0.3, 0.6, 0.5], [0.5, 0.5, 0.5, 0.5]], atol=1e-6)


def test_maps_are_in_parts_of_the_range_row_by_row() -> None:
    seen = look_closely(Cells(), pictures(), [None, None])
    assert (seen.map_layer, seen.maps.shape) == ("cells", (2, SIDE * SIDE, 3))
    assert seen.maps[0, 1 * SIDE + 1, 0] == pytest.approx(240 / 255, abs=1e-3)


def test_without_a_map_only_given_boxes_are_known() -> None:
    seen = look_closely(Cells(side=1), pictures(), [(0.25, 0.25, 0.5, 0.5), None])
    assert seen.known.tolist() == [True, False]
    assert (seen.map_layer, seen.maps.shape) == ("", (2, 0, 0))


def test_a_large_map_is_averaged_to_cells() -> None:
    maps = np.arange(14 * 14, dtype=np.float32).reshape(1, -1, 1)
    expected = maps.reshape(7, 2, 7, 2).mean(axis=(1, 3)).reshape(1, 49, 1)
    np.testing.assert_allclose(pooled(maps), expected)


def test_cells_of_an_uneven_map_take_every_place_once() -> None:
    weights = pooled(np.ones((1, 16 * 16, 1), np.float32))
    assert weights.shape == (1, GRID * GRID, 1)
    np.testing.assert_array_equal(weights, 1)


def test_places_that_are_no_number_do_not_count_in_a_cell() -> None:
    maps = np.ones((1, 14 * 14, 2), np.float32)
    maps[0, 0, 0] = np.nan
    maps[0, :2, 1] = maps[0, 14:16, 1] = np.nan
    mean = pooled(maps)
    assert mean[0, 0, 0] == 1
    assert np.isnan(mean[0, 0, 1])
    assert np.isfinite(mean[0, 1:]).all()


def test_a_part_without_direction_leaves_its_picture_out() -> None:
    batch = pictures()
    seen = look_closely(Cells(), batch, [None, None])
    blank = dataclasses.replace(seen.features[1], vectors=seen.features[1].vectors * np.array([[0], [1]], np.float32))
    kept = _kept(dataclasses.replace(seen, features=(seen.features[0], blank, *seen.features[2:])), np.array([4, 9]))
    assert kept.rows.tolist() == [9]
    assert np.linalg.norm(kept.whole.vectors, axis=1) == pytest.approx(1)


def test_samples_are_joined_in_their_order() -> None:
    seen = look_closely(Cells(), pictures(), [None, None])
    parts = _kept(seen, np.array([4, 9]))
    both = joined([parts, dataclasses.replace(parts, rows=np.array([11, 12]))])
    assert both is not None
    assert both.rows.tolist() == [4, 9, 11, 12]
    assert len(both.maps) == len(both.foreground.vectors) == 4
    assert joined([]) is None
