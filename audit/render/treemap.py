"""Parts of a whole as rectangles near to squares.

Source: Bruls, Huizing, van Wijk, "Squarified Treemaps" (2000), the row-by-row algorithm of section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from audit.render.names import visible
from audit.render.numbers import number
from audit.render.widths import shortened, text_width
from audit.report import TreemapItem

N_SHADES = 5
_NAME_SIZE, _SIZE_SIZE = 13.8, 12.0
"""Font sizes of the style sheet; a name's is larger by the tenth by which it is bold."""
_PADDING = 8.0
_GAP = 2.0


class Rectangle(NamedTuple):
    """A rectangle in pixels, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


def squarify(areas: Sequence[float], frame: Rectangle) -> list[Rectangle]:
    """Cut a frame into rectangles of given shares, each as near to a square as the algorithm gets.

    Parameters
    ----------
    areas : positive numbers, largest first
        Only their ratios count.
    frame : Rectangle

    Returns
    -------
    list of Rectangle
        In the order of ``areas``; together they fill the frame exactly.
    """
    total = sum(areas)
    scaled = [area * frame.width * frame.height / total for area in areas]
    placed: list[Rectangle] = []
    start = 0
    while start < len(scaled):
        side = min(frame.width, frame.height)
        stop = start + 1
        while stop < len(scaled) and _worst(scaled[start : stop + 1], side) <= _worst(scaled[start:stop], side):
            stop += 1
        row, frame = _lay(scaled[start:stop], frame)
        placed += row
        start = stop
    return placed


def treemap_svg(items: Sequence[TreemapItem], *, width: int, height: int) -> Markup:
    """SVG of the items, largest first; shade from ``value``, labels where they fit, everything in tooltips."""
    kept = sorted((item for item in items if item.size > 0), key=lambda item: (-item.size, item.label))
    rectangles = squarify([item.size for item in kept], Rectangle(0, 0, width, height)) if kept else []
    shades = _shades(kept)
    cells = (_cell(item, box, shade) for item, box, shade in zip(kept, rectangles, shades, strict=True))
    return Markup('<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}">{cells}</svg>').format(
        w=width, h=height, cells=Markup("").join(cells)
    )


def _worst(areas: Sequence[float], side: float) -> float:
    """The largest aspect ratio in a row of these areas laid along a side: max(w²r/s², s²/(w²r))."""
    total = sum(areas)
    return max(side**2 * max(areas) / total**2, total**2 / (side**2 * min(areas)))


def _lay(areas: Sequence[float], frame: Rectangle) -> tuple[list[Rectangle], Rectangle]:
    """One row along the shorter side, and what remains of the frame."""
    x, y, width, height = frame
    depth = sum(areas) / min(width, height)
    row = []
    for area in areas:
        length = area / depth
        if width >= height:
            row.append(Rectangle(x, y, depth, length))
            y += length
        else:
            row.append(Rectangle(x, y, length, depth))
            x += length
    if width >= height:
        return row, Rectangle(frame.x + depth, frame.y, max(width - depth, 0.0), height)
    return row, Rectangle(frame.x, frame.y + depth, width, max(height - depth, 0.0))


def _shades(items: Sequence[TreemapItem]) -> list[int]:
    values = [item.value for item in items if item.value is not None]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    spread = high - low

    def shade(value: float | None) -> int:
        if value is None or spread == 0:
            return 1
        return min(int(N_SHADES * (value - low) / spread), N_SHADES - 1)

    return [shade(item.value) for item in items]


def _cell(item: TreemapItem, box: Rectangle, shade: int) -> Markup:
    label = visible(item.label)
    size = number(item.size)
    tooltip = f"{label}: {size}" if item.value is None else f"{label}: {size} ({number(item.value)})"
    width, height = max(box.width - _GAP, 0.5), max(box.height - _GAP, 0.5)
    lines = _lines(label, size, width, height)
    text = Markup("").join(
        Markup('<text class="{kind}" x="{x}" y="{y}">{line}</text>').format(
            kind="share" if place else "name",
            x=round(box.x + _PADDING, 1),
            y=round(box.y + 18 + 15 * place, 1),
            line=line,
        )
        for place, line in enumerate(lines)
    )
    return Markup(
        '<g><title>{tip}</title><rect class="shade-{shade}" x="{x}" y="{y}" width="{w}" height="{h}" rx="3"/>{text}</g>'
    ).format(
        tip=escape(tooltip),
        shade=shade,
        x=round(box.x, 1),
        y=round(box.y, 1),
        w=round(width, 1),
        h=round(height, 1),
        text=text,
    )


def _lines(label: str, size: str, width: float, height: float) -> list[str]:
    room = width - 2 * _PADDING
    if height < 26 or room < text_width(f"{label[:3]}…" if len(label) > 4 else label, _NAME_SIZE):
        return []
    name = shortened(label, room, _NAME_SIZE)
    return [name, size] if height >= 42 and text_width(size, _SIZE_SIZE) <= room else [name]
