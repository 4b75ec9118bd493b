"""Boxes from saliency, and pictures with one part filled."""

import numpy as np
import pytest

from audit.parts.boxes import areas, saliency, saliency_box, widened
from audit.parts.fillings import BACKGROUND_FILLINGS, GREY, fill


def noisy(height=32, width=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def hot_map(cells, side=4, c=6):
    """A map that is weak everywhere but in some cells."""
    grid = np.full((1, side, side, c), 0.05, np.float16)
    for row, column in cells:
        grid[0, row, column] = 0.9
    return grid.reshape(1, side * side, c)


def test_saliency_is_the_projection_on_the_first_right_singular_vector():
    maps = np.random.default_rng(1).random((3, 16, 40))
    for row, picture in zip(saliency(maps), maps, strict=True):
        u, s, v = np.linalg.svd(picture)
        np.testing.assert_allclose(row * s[0], np.abs(picture @ v[0]), atol=1e-9)
        assert abs(np.linalg.norm(u[:, 0]) - 1) < 1e-9


def test_the_box_of_one_strong_cell_lies_around_that_cell():
    x0, y0, x1, y1 = saliency_box(hot_map([(1, 2)]))[0]
    assert 0.45 <= x0 < 0.625 < x1 <= 0.8
    assert 0.2 <= y0 < 0.375 < y1 <= 0.55


def test_the_box_holds_the_greatest_region_and_not_a_weaker_one_far_away():
    maps = hot_map([(0, 0), (0, 1), (1, 0), (1, 1)])
    maps[0, 15] = 0.8
    x0, y0, x1, y1 = saliency_box(maps)[0]
    assert (x0, y0) == (0, 0)
    assert x1 < 0.7
    assert y1 < 0.7


def test_a_picture_that_is_alike_everywhere_is_its_own_box():
    np.testing.assert_array_equal(saliency_box(np.full((2, 16, 3), 0.4)), [[0, 0, 1, 1]] * 2)


def test_nothing_seen_counts_as_zero_and_no_pictures_give_no_boxes():
    maps = hot_map([(3, 3)])
    maps[0, 0] = np.nan
    assert saliency_box(maps)[0, 2] == 1
    assert saliency_box(np.zeros((0, 16, 3))).shape == (0, 4)


def test_a_map_that_is_no_square_is_refused():
    with pytest.raises(ValueError, match="12 positions"):
        saliency_box(np.zeros((1, 12, 3)))


def test_a_hole_is_the_wider_box_grown_to_a_square_of_a_multiple_of_an_eighth():
    boxes = np.array([[0.2, 0.4, 0.6, 0.5]], np.float32)
    np.testing.assert_allclose(widened(boxes), [[0.15, 0.2, 0.65, 0.7]], atol=1e-6)


def test_a_hole_stays_in_the_picture_at_its_full_size_and_covers_its_box():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 0.7, (200, 2))
    boxes = np.concatenate([corner, np.minimum(corner + rng.uniform(0.05, 0.4, (200, 2)), 1)], axis=1).astype(
        np.float32
    )
    holes = widened(boxes)
    sides = holes[:, 2:] - holes[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], atol=1e-6)
    np.testing.assert_allclose(sides * 8, np.round(sides * 8), atol=1e-5)
    assert (holes[:, :2] <= boxes[:, :2] + 1e-6).all()
    assert (holes[:, 2:] >= boxes[:, 2:] - 1e-6).all()
    assert holes.min() >= 0
    assert holes.max() <= 1


def test_a_box_too_large_for_a_square_with_a_background_is_only_widened():
    boxes = np.array([[0.05, 0.2, 0.95, 0.6], [0, 0, 1, 1]], np.float32)
    np.testing.assert_allclose(widened(boxes), [[0, 0.16, 1, 0.64], [0, 0, 1, 1]], atol=1e-6)
    np.testing.assert_allclose(areas(boxes), [0.36, 1], atol=1e-6)


def test_an_object_alone_keeps_its_pixels_and_nothing_else():
    pixels = noisy()
    alone = fill(pixels, (0.25, 0.5, 0.5, 1.0), "object")
    np.testing.assert_array_equal(alone[16:, 8:16], pixels[16:, 8:16])
    alone[16:, 8:16] = GREY
    assert (alone == GREY).all()


@pytest.mark.parametrize("how", BACKGROUND_FILLINGS)
@pytest.mark.parametrize("box", [(0.25, 0.25, 0.75, 0.75), (0, 0.5, 1, 1), (0, 0, 0.6, 0.6), (0.4, 0, 0.9, 1)])
def test_a_background_alone_does_not_depend_on_a_pixel_of_the_object(how, box):
    one, other = noisy(), noisy()
    inside = np.zeros((32, 32), bool)
    inside[int(32 * box[1]) : int(np.ceil(32 * box[3])), int(32 * box[0]) : int(np.ceil(32 * box[2]))] = True
    other[inside] = 255 - other[inside]
    np.testing.assert_array_equal(fill(one, box, how), fill(other, box, how))
    np.testing.assert_array_equal(fill(one, box, how)[~inside], one[~inside])


def test_the_smooth_filling_of_a_plain_surround_is_that_surround():
    pixels = noisy()
    outside = np.ones((32, 32), bool)
    outside[10:20, 10:20] = False
    pixels[outside] = (10, 200, 90)
    np.testing.assert_array_equal(
        fill(pixels, (10 / 32, 10 / 32, 20 / 32, 20 / 32), "smooth"), [[(10, 200, 90)] * 32] * 32
    )


def test_the_mirror_filling_shows_the_surround_mirrored_at_the_edge():
    pixels = noisy(8, 8)
    filled = fill(pixels, (0.5, 0, 1, 1), "mirror")
    np.testing.assert_array_equal(filled[:, 4:], pixels[:, 3::-1])


def test_the_mirror_folds_back_where_the_surround_is_narrow():
    pixels = noisy(8, 8)
    filled = fill(pixels, (0.25, 0, 1, 1), "mirror")
    np.testing.assert_array_equal(filled[:, 2:], pixels[:, [1, 0, 0, 1, 1, 0]])


@pytest.mark.parametrize("how", BACKGROUND_FILLINGS)
def test_a_box_that_is_the_whole_picture_leaves_grey(how):
    assert (fill(noisy(), (0, 0, 1, 1), how) == GREY).all()


def test_an_unknown_filling_is_refused_by_name():
    with pytest.raises(ValueError, match="'inpaint'"):
        fill(noisy(), (0, 0, 1, 1), "inpaint")
