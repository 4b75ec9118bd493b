"""Names of files as people may safely see them: control and direction-changing characters are made visible."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})
_WIDE_PERCENT = re.compile(r"(?<=\d) %(?!\w)")
_HYPHEN_MINUS = re.compile(r"(?<![^\s(\[])-(?=\d)")
_JOINERS = frozenset({"\u200c", "\u200d"})


def visible(text: str) -> str:
    r"""The text with every control, format and line-breaking character written as an escape.

    A name that holds a direction override would otherwise be shown in another order than it has.

    >>> visible("cat\u202egpj.png")
    'cat\\u202egpj.png'
    """
    if text.isprintable():
        return text
    return "".join(_escaped(char) if _is_hidden(char) else char for char in text)


def prose(text: str) -> str:
    """A sentence with percent and minus signs written as everywhere on the page.

    >>> prose("-8.9% (-12.3% to 95 %), re-saved, 2020-01-02")
    '−8.9% (−12.3% to 95%), re-saved, 2020-01-02'
    """
    return _HYPHEN_MINUS.sub("\N{MINUS SIGN}", _WIDE_PERCENT.sub("%", text))


def heading(text: str, kept: Collection[str] = ()) -> str:
    """A heading that begins with a capital, unless its first word is a symbol or one of the names to be kept.

    >>> heading("null from"), heading("p (family-wise)"), heading("night also in day", {"night"})
    ('Null from', 'p (family-wise)', 'night also in day')
    """
    first = text.split(" ", 1)[0]
    is_word = len(first) > 1 and first.isalpha() and first.islower() and first not in kept
    return text[0].upper() + text[1:] if is_word else text


def file_name(path: str) -> str:
    """The last part of a path; the whole of it when it ends in a separator."""
    return path.rsplit("/", 1)[-1] or path


def folder(path: str) -> str:
    """Everything before the last part of a path, with its separator."""
    return path[: len(path) - len(file_name(path))]


def slug(text: str) -> str:
    """An identifier of letters, digits and hyphens, the same for the same text."""
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in text.lower())
    return "-".join(part for part in kept.split("-") if part) or "x"


def _is_hidden(char: str) -> bool:
    return char not in _JOINERS and unicodedata.category(char) in _HIDDEN


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
