"""The end of an extractor's name after ``#``: options that change what it computes, so they show in every report."""

from __future__ import annotations

import re
from collections.abc import Iterable

from audit.errors import UnknownExtractorError

BF16 = "bf16"
"""Compute in bfloat16 where that is safe (autocast)."""
PRE = "pre"
"""Features before the projection into the space shared with text."""
SIZE = "size=N"
"""Side of the input in pixels, where it is not the model's own; N is a number."""
OPTIONS = (BF16, PRE, SIZE)
SMALLEST, LARGEST = 16, 2048
"""Sides that can be asked for."""


def split_options(name: str, rest: str, allowed: Iterable[str]) -> tuple[str, frozenset[str]]:
    """Take ``#option,option`` off the end of a name; what follows the last ``#`` of a path with one stays.

    Raises
    ------
    UnknownExtractorError
        If there is no such option, one is given twice, or a size is beyond 16 to 2 048.

    Examples
    --------
    >>> split_options("timm:resnet18#bf16", "resnet18#bf16", ["bf16"])
    ('resnet18', frozenset({'bf16'}))
    """
    base, mark, tail = rest.rpartition("#")
    if not mark or "/" in tail or "." in tail:
        return rest, frozenset()
    known, options = sorted(allowed), frozenset(tail.split(","))
    kinds = {re.sub(r"=[1-9][0-9]*$", "=N", option) for option in options}
    if not kinds <= set(known) or len(kinds) < len(options) or SIZE in options:
        there = f"there are: #{', #'.join(known)}" if known else "there are none"
        raise UnknownExtractorError(name, f"{name!r} ends with an unknown option; {there}")
    size = size_of(options)
    if size is not None and not SMALLEST <= size <= LARGEST:
        raise UnknownExtractorError(name, f"{name!r} asks for a side of {size} pixels; give {SMALLEST} to {LARGEST}")
    return base, options


def size_of(options: Iterable[str]) -> int | None:
    """The side of the input that the options ask for, in pixels; None where it is the model's own."""
    sizes = [int(option.partition("=")[2]) for option in options if option.startswith("size=")]
    return sizes[0] if sizes else None


def suffix(options: Iterable[str]) -> str:
    """The options as the end of a name, in one order."""
    return f"#{','.join(sorted(options))}" if options else ""
