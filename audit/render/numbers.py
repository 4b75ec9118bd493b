"""How numbers are written for people: three significant digits, thousands separated, shares as percent."""

from __future__ import annotations

import math
from typing import Literal

from audit.report import Metric

MISSING = "–"
SHARE_UNITS = frozenset({"share", "fraction", "%"})
"""Units whose values lie in [0, 1] and are shown as percent."""

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MINUS = "\N{MINUS SIGN}"
_BYTE_UNITS = ("B", "KB", "MB", "GB", "TB")

Cell = str | int | float | None
Format = Literal["text", "integer", "number", "percent", "scientific", "bytes"]


def number(value: float) -> str:
    """Three significant digits; whole numbers in full with thousands separated; far from 1, a power of ten.

    Zeros at the end say how exact a number is, except below a hundredth, where they only make it long.

    >>> number(12480), number(0.01934), number(1234.5), number(0.0000123), number(0.85), number(0.001)
    ('12,480', '0.0193', '1,234', '1.23 × 10⁻⁵', '0.850', '0.001')
    """
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else ("∞" if value > 0 else f"{_MINUS}∞")
    size = abs(value)
    if size != 0 and (size < 1e-3 or size >= 1e12):
        return scientific(value)
    if size >= 999.5 or value == int(value):
        return _signed(f"{value:,.0f}")
    power = int(f"{size:.2e}".split("e")[1])
    text = f"{value:,.{2 - power}f}"
    return _signed(text.rstrip("0") if size < 0.01 else text)


def scientific(value: float) -> str:
    """A mantissa of three digits and a power of ten.

    >>> scientific(0.000213)
    '2.13 × 10⁻⁴'
    """
    if value == 0 or not math.isfinite(value):
        return number(value)
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{_signed(mantissa)} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def percent(share: float) -> str:
    """A share in [0, 1] as percent: one decimal, as in the sentences of findings; one digit below 0.1 %.

    >>> percent(0.0193), percent(0.5), percent(0.0026), percent(0.00041), percent(1.0)
    ('1.9%', '50.0%', '0.3%', '0.04%', '100%')
    """
    if not math.isfinite(share):
        return MISSING
    value = 100 * share
    size = abs(value)
    if size < 1e-10:
        return "0%"
    if size >= 99.95:
        return _signed(f"{value:,.0f}%")
    if size < 1e-4:
        return f"{scientific(value)}%"
    decimals = max(1, -int(f"{size:.0e}".split("e")[1]))
    return _signed(f"{value:.{decimals}f}%")


def size_in_bytes(value: float) -> str:
    """Bytes in decimal units.

    >>> size_in_bytes(999), size_in_bytes(2_340_000)
    ('999 B', '2.34 MB')
    """
    place = 0
    while value >= 1000 and place < len(_BYTE_UNITS) - 1:
        value, place = value / 1000, place + 1
    return f"{number(value)} {_BYTE_UNITS[place]}"


def quantity(value: float | None, unit: str) -> str:
    """A value in the unit of its metric, without the unit's name; percent for shares."""
    if value is None:
        return MISSING
    return percent(value) if unit in SHARE_UNITS else number(value)


def interval(metric: Metric) -> str:
    """The interval of a metric, ``"1.7% – 2.2%"``, or nothing when it has none."""
    if metric.low is None or metric.high is None:
        return ""
    return f"{quantity(metric.low, metric.unit)} – {quantity(metric.high, metric.unit)}"


def unit_name(metric: Metric) -> str:
    """What to write after the value: nothing for shares, where the percent sign says it."""
    return "" if metric.unit in SHARE_UNITS else metric.unit


def cell(value: Cell, form: Format) -> str:
    """One table cell as its column asks; text stays as it is.

    A measured number that happens to be whole keeps the decimals of those above and below it; a count has none.

    >>> cell(1.0, "number"), cell(1, "number"), cell(16.0, "number")
    ('1.00', '1', '16')
    """
    if value is None:
        return MISSING
    if form == "number" and isinstance(value, float) and value.is_integer() and 0 < abs(value) < 10:
        return _signed(f"{value:.2f}")
    if isinstance(value, str) or form == "text":
        return value if isinstance(value, str) else number(value)
    writers = {"integer": number, "number": number, "percent": percent, "bytes": size_in_bytes}
    return writers.get(form, scientific)(value)


def _signed(text: str) -> str:
    return text.replace("-", _MINUS)
