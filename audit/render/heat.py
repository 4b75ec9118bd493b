"""Where something is in a picture, drawn over its thumbnail: what is not meant lies in the dark.

Darkness needs no colour, so it reads the same for every eye, in both themes and in print.
"""

from __future__ import annotations

from markupsafe import Markup

from audit.report import Heat

DARKEST = 0.72
"""Opacity of the dark over a place of level 0."""

_TOP = 9
_ROWS = ("upper", "", "lower")
_COLUMNS = ("left", "", "right")


def heat_svg(grid: Heat) -> Markup:
    """The overlay of a heat grid as an SVG element, to lie over the whole picture; nothing for an empty grid.

    Places at the border reach one place beyond it, so that the softening of the page leaves no bright edge.
    """
    if not grid:
        return Markup("")
    n_rows, n_columns = len(grid), len(grid[0])
    rects = [
        Markup('<rect x="{}" width="{}" y="{}" height="{}" fill-opacity="{}"/>').format(
            *_span(column, n_columns), *_span(row, n_rows), round(DARKEST * (1 - level / _TOP), 2)
        )
        for row, levels in enumerate(grid)
        for column, level in enumerate(levels)
        if level < _TOP
    ]
    frame = '<svg class="heat" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    softened = Markup('<g filter="url(#soft)">{}</g>').format(Markup("").join(rects))
    return Markup(frame).format(n_columns, n_rows, softened)  # noqa: S704 (our own text)


def _span(place: int, n: int) -> tuple[int, int]:
    """Where a place begins and how long it is, along one side of n places."""
    start = -1 if place == 0 else place
    return start, (n + 1 if place == n - 1 else place + 1) - start


def where(grid: Heat) -> str:
    """Where a grid is strongest, in words for those who cannot see it.

    >>> where(((9, 1, 1), (1, 0, 0), (0, 0, 0))), where(((0, 0), (0, 0))), where(((1, 1), (1, 1)))
    ('brightest at the upper left', 'nowhere bright', 'brightest in the middle')
    """
    total = sum(map(sum, grid))
    if not total:
        return "nowhere bright"
    down = sum((row + 0.5) * sum(levels) for row, levels in enumerate(grid)) / (total * len(grid))
    right = sum((column + 0.5) * level for levels in grid for column, level in enumerate(levels))
    right /= total * len(grid[0])
    said = f"{_ROWS[min(int(3 * down), 2)]} {_COLUMNS[min(int(3 * right), 2)]}".strip()
    return f"brightest at the {said}" if said else "brightest in the middle"
