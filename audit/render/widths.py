"""How much room text needs in any font that a reader may have: widths no usual sans-serif exceeds.

A report is drawn on one machine and opened on others, whose fonts differ. Charts are therefore laid out in a font of
our own, ``fonts/measure.ttf``, that nothing is ever shown in: it has a width for every character and an empty shape.
It is made from the widths below by ``infra/measuring_font.py``, so that what vl-convert measures depends on no font
of the machine.

Source: advance widths of DejaVu Sans 2.37, the widest of the fonts in the style sheet (Verdana's differ from them by
less than 4 %), rounded up to fiftieths of an em.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

FAMILY = "Assay Measure"
FOLDER = Path(__file__).with_name("fonts")

_ASCII = {
    280: "ijl",
    300: "IJ'",
    320: " ,.",
    340: "/\\|:;",
    360: "-f",
    400: "()[]t!",
    420: "r",
    460: '"',
    500: "*^_`",
    540: "sz?",
    560: "Lc",
    580: "Fk",
    600: "vxyP",
    620: "aeoTY",
    640: "0123456789bdghnpquES$${}",
    660: "K",
    700: "ABCRVXZ",
    740: "U",
    760: "HN",
    780: "DG&",
    800: "OQ",
    820: "w",
    840: "#+<=>~",
    880: "M",
    960: "%",
    980: "m",
    1000: "W@",
}
BLOCKS: tuple[tuple[int, int, int], ...] = (
    (0x00A0, 0x024F, 780),
    (0x0250, 0x02FF, 700),
    (0x0300, 0x036F, 0),
    (0x0370, 0x03FF, 820),
    (0x0400, 0x052F, 900),
    (0x0530, 0x10FF, 880),
    (0x1100, 0x1DFF, 1000),
    (0x1E00, 0x1FFF, 820),
    (0x2000, 0x2012, 640),
    (0x2013, 0x206F, 1000),
    (0x2070, 0x209F, 540),
    (0x20A0, 0xFFFF, 1000),
    (0x10000, 0x10FFFF, 1400),
)
"""First and last character and width, in thousandths of an em, of what is not ASCII."""

ASCII = {char: width for width, chars in _ASCII.items() for char in chars}
WIDEST = 1400


def text_width(text: str, size: float) -> float:
    """Pixels that a text of a font size in pixels needs at most.

    >>> text_width("mug", 10)
    22.6
    """
    return sum(_width(char) for char in text) * size / 1000


def shortened(text: str, room: float, size: float) -> str:
    """The text, or as much of its beginning as fits a number of pixels, ended by an ellipsis.

    >>> shortened("mushroom", 50, 10), shortened("mushroom", 60, 10)
    ('mushro…', 'mushroom')
    """
    if text_width(text, size) <= room:
        return text
    kept = text
    while kept and text_width(f"{kept}…", size) > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def wrapped(text: str, room: float, size: float) -> list[str]:
    """The text in lines that fit a number of pixels, broken between words alone.

    >>> wrapped("distance to the nearest", 90, 10)
    ['distance to the', 'nearest']
    """
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    if char in ASCII:
        return ASCII[char]
    return next((width for first, last, width in BLOCKS if first <= ord(char) <= last), WIDEST)
