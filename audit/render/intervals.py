"""A number and its interval drawn as one line: where it lies on its scale, and how surely."""

from __future__ import annotations

import math

from markupsafe import Markup

from audit.render.numbers import SHARE_UNITS, number
from audit.report import Metric

WIDTH = 176
HEIGHT = 10
_NICE_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def nice_ceiling(value: float) -> float:
    """The smallest of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 × 10^k that is not below a positive value.

    >>> nice_ceiling(0.022), nice_ceiling(7), nice_ceiling(10)
    (0.025, 8.0, 10.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _NICE_STEPS if value <= step * power * (1 + 1e-12))


def scale(metric: Metric) -> tuple[float, float]:
    """The ends of the line a metric is drawn on.

    From zero (or a round number below it) to a round number not below the interval; shares end at 1 at most.
    """
    values = [value for value in (metric.low, metric.value, metric.high) if value is not None]
    top, bottom = max(values), min(values)
    end = nice_ceiling(top) if top > 0 else 0.0
    start = -nice_ceiling(-bottom) if bottom < 0 else 0.0
    if metric.unit in SHARE_UNITS:
        end = min(end, 1.0)
    return start, end if end > start else start + 1.0


def interval_bar(metric: Metric) -> Markup:
    """SVG of the interval with its value as a tick and the ends of the scale beside it; nothing without interval."""
    if metric.value is None or metric.low is None or metric.high is None:
        return Markup("")
    start, end = scale(metric)

    def place(value: float) -> float:
        return round(WIDTH * min(max((value - start) / (end - start), 0.0), 1.0), 1)

    low, high, value = place(metric.low), place(metric.high), place(metric.value)
    band = max(high - low, 3.0)
    return Markup(
        '<span class="interval" aria-hidden="true"><span class="scale-end">{start}</span>'
        '<svg width="{w}" height="{h}" viewBox="-1 0 {view} {h}">'
        '<rect class="track" y="4" width="{w}" height="2" rx="1"/>'
        '<rect class="band" x="{x}" y="2" width="{band}" height="6" rx="3"/>'
        '<rect class="tick" x="{tick}" width="2" height="{h}" rx="1"/></svg>'
        '<span class="scale-end">{end}</span></span>'
    ).format(
        start=_end(start, metric.unit),
        end=_end(end, metric.unit),
        w=WIDTH,
        h=HEIGHT,
        view=WIDTH + 2,
        x=round(max((low + high - band) / 2, 0.0), 1),
        band=round(band, 1),
        tick=round(value - 1, 1),
    )


def _end(value: float, unit: str) -> str:
    """A round number without the zeros that say how sure a measured one is."""
    if unit in SHARE_UNITS:
        return f"{100 * value:g}%".replace("-", "−")
    return f"{value:g}".replace("-", "−") if 1e-3 <= abs(value) < 1000 or value == 0 else number(value)
