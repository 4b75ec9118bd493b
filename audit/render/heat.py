"""Where something is in a picture, drawn over its thumbnail: outlined, with everything else in the dark.

Neither needs a colour, so it reads the same for every eye, in both themes and in print.
"""

from __future__ import annotations

from markupsafe import Markup

from audit.report import Heat

DARKEST = 0.72
"""Opacity of the dark over a place of level 0."""

OUTLINED = 5
"""Level from which a place lies within the outline."""

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
    line = Markup('<path d="{}" vector-effect="non-scaling-stroke"/>').format(_outline(grid))
    return Markup(frame).format(n_columns, n_rows, softened + line)  # noqa: S704 (our own text)


def _outline(grid: Heat) -> str:
    """The edges between places of the outline's level and lower ones, as a path; the picture's border is none."""
    high = [[level >= OUTLINED for level in row] for row in grid]
    across = [
        f"M{column} {row + 1}h1"
        for row in range(len(grid) - 1)
        for column in range(len(grid[0]))
        if high[row][column] != high[row + 1][column]
    ]
    down = [
        f"M{column + 1} {row}v1"
        for row in range(len(grid))
        for column in range(len(grid[0]) - 1)
        if high[row][column] != high[row][column + 1]
    ]
    return "".join((*across, *down))


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
