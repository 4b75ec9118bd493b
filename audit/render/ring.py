"""A ring around the place of a picture where something is strongest, drawn over its thumbnail.

White within black, so that it shows on every picture, in both themes and in print.
"""

from __future__ import annotations

import math

from markupsafe import Markup

from audit.report import Place

SMALLEST = 9.0
"""Radius that a ring has at least, in percent of the picture's mean side."""

_DOWN = ("upper", "", "lower")
_RIGHT = ("left", "", "right")


def ring_svg(place: Place | None) -> Markup:
    """The ring as an SVG element, to lie over the whole picture; nothing for no place.

    Percentages of a length that is neither across nor down are of the mean side, so it is round on every picture.
    """
    if place is None:
        return Markup("")
    x, y = 50 * (place[0] + place[2]), 50 * (place[1] + place[3])
    radius = max(SMALLEST, 50 * math.sqrt((place[2] - place[0]) * (place[3] - place[1])))
    circle = Markup('<circle cx="{0}%" cy="{1}%" r="{2}%"/>').format(round(x, 1), round(y, 1), round(radius, 1))
    return Markup('<svg class="ring" aria-hidden="true">{0}{0}</svg>').format(circle)


def ring_words(place: Place) -> str:
    """Where a place is, for those who cannot see the ring.

    >>> ring_words((0.0, 0.0, 0.2, 0.2)), ring_words((0.4, 0.7, 0.6, 0.9)), ring_words((0.4, 0.4, 0.6, 0.6))
    ('strongest at the upper left', 'strongest at the lower middle', 'strongest in the middle')
    """
    down, right = (min(int(1.5 * (place[i] + place[i + 2])), 2) for i in (1, 0))
    if down == right == 1:
        return "strongest in the middle"
    return f"strongest at the {_DOWN[down] or 'middle'} {_RIGHT[right] or 'middle'}"
