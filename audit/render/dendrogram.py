"""A tree of datasets as a drawing: names at the left, joined the farther right the farther apart they are."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from audit.dna.order import Tree
from audit.render.names import visible
from audit.render.numbers import number
from audit.render.widths import shortened

WIDTH, ROW = 324, 26
_NAMES, _RIGHT, _AXIS = 130, 8, 24
_SIZE = 12.0


def dendrogram_svg(tree: Tree, names: Sequence[str]) -> Markup:
    """The drawing as an SVG element; ``names`` are those of the tree's datasets."""
    n = len(names)
    height = n * ROW + _AXIS
    y: dict[int, float] = {leaf: (row + 0.5) * ROW for row, leaf in enumerate(tree.order)}
    x: dict[int, float] = dict.fromkeys(range(n), float(_NAMES))
    scale = (WIDTH - _NAMES - _RIGHT) / max((distance for *_, distance in tree.joins), default=1.0) if _far(tree) else 0
    lines = []
    for node, (left, right, distance) in enumerate(tree.joins, start=n):
        x[node], y[node] = _NAMES + distance * scale, (y[left] + y[right]) / 2
        lines.append(f"M{x[left]:.1f} {y[left]:.1f}H{x[node]:.1f}V{y[right]:.1f}H{x[right]:.1f}")
    texts = [
        Markup('<text x="{}" y="{}" text-anchor="end"><title>{}</title>{}</text>').format(
            _NAMES - 10, y[leaf] + 4, visible(names[leaf]), shortened(visible(names[leaf]), _NAMES - 14, _SIZE)
        )
        for leaf in tree.order
    ]
    drawn = Markup('<path class="joins" d="{}"/>').format("".join(lines))
    return Markup('<svg class="tree" viewBox="0 0 {} {}" width="{}" height="{}">{}{}{}</svg>').format(
        WIDTH, height, WIDTH, height, Markup("").join(texts), drawn, _axis(tree, n * ROW)
    )


def _far(tree: Tree) -> bool:
    return any(distance > 0 for *_, distance in tree.joins)


def _axis(tree: Tree, top: float) -> Markup:
    """Where the distance is none and where it is the largest."""
    if not _far(tree):
        return Markup("")
    farthest = max(distance for *_, distance in tree.joins)
    ends = ((_NAMES, "start", "0"), (WIDTH - _RIGHT, "end", f"{number(farthest)} SD"))
    words = [
        Markup('<text class="end" x="{}" y="{}" text-anchor="{}">{}</text>').format(x, top + 16, a, w)
        for x, a, w in ends
    ]
    return Markup("").join(words)
