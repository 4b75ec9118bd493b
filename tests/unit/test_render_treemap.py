"""Rectangles of the treemap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.render.treemap import Rectangle, squarify, treemap_svg
from audit.report import TreemapItem


def test_the_example_of_the_paper_comes_out_as_drawn_there() -> None:
    """Bruls et al. 2000, figure 5: areas 6 6 4 3 2 2 1 in a rectangle of 6 × 4."""
    boxes = squarify([6, 6, 4, 3, 2, 2, 1], Rectangle(0, 0, 6, 4))
    sizes = [(round(box.width, 2), round(box.height, 2)) for box in boxes]
    assert sizes[:4] == [(3.0, 2.0), (3.0, 2.0), (1.71, 2.33), (1.29, 2.33)]
    assert boxes[1] == pytest.approx((0, 2, 3, 2))


@given(st.lists(st.floats(0.01, 1000), min_size=1, max_size=25))
def test_rectangles_have_their_shares_and_fill_the_frame(areas: list[float]) -> None:
    areas.sort(reverse=True)
    frame = Rectangle(0, 0, 640, 300)
    boxes = squarify(areas, frame)
    for area, box in zip(areas, boxes, strict=True):
        assert box.width * box.height == pytest.approx(area / sum(areas) * 640 * 300, rel=1e-6)
        assert box.x >= -1e-6
        assert box.y >= -1e-6
        assert box.x + box.width <= 640 + 1e-4
        assert box.y + box.height <= 300 + 1e-4
    for place, box in enumerate(boxes):
        for other in boxes[place + 1 :]:
            across = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
            down = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
            assert across <= 1e-4 or down <= 1e-4


def test_labels_are_escaped_and_hidden_where_they_do_not_fit() -> None:
    items = [TreemapItem(label="<b>gull</b>", size=1000), TreemapItem(label="phalarope", size=1)]
    drawn = str(treemap_svg(items, width=600, height=300))
    assert "<b>" not in drawn
    assert '<text class="name"' in drawn
    assert drawn.count("phalarope") == 1


def test_items_without_area_are_left_out_and_nothing_at_all_is_drawable() -> None:
    assert "<rect" not in treemap_svg([TreemapItem(label="none", size=0)], width=600, height=300)


def test_shade_follows_the_value() -> None:
    items = [TreemapItem(label=str(value), size=1, value=value) for value in (0.0, 0.5, 1.0)]
    drawn = str(treemap_svg(items, width=600, height=300))
    assert [drawn.count(f"shade-{shade}") for shade in range(5)] == [1, 0, 1, 0, 1]
