"""The end of an extractor's name after ``#``: options that change what it computes, so they show in every report."""

from __future__ import annotations

from collections.abc import Iterable

from audit.errors import UnknownExtractorError

BF16 = "bf16"
"""Compute in bfloat16 where that is safe (autocast)."""
PRE = "pre"
"""Features before the projection into the space shared with text."""
OPTIONS = (BF16, PRE)


def split_options(name: str, rest: str, allowed: Iterable[str]) -> tuple[str, frozenset[str]]:
    """Take ``#option,option`` off the end of a name; what follows the last ``#`` of a path with one stays.

    Raises
    ------
    UnknownExtractorError
        If there is no such option.

    Examples
    --------
    >>> split_options("timm:resnet18#bf16", "resnet18#bf16", ["bf16"])
    ('resnet18', frozenset({'bf16'}))
    """
    base, mark, tail = rest.rpartition("#")
    if not mark or "/" in tail or "." in tail:
        return rest, frozenset()
    known, options = sorted(allowed), frozenset(tail.split(","))
    if not options <= set(known):
        there = f"there are: #{', #'.join(known)}" if known else "there are none"
        raise UnknownExtractorError(name, f"{name!r} ends with an unknown option; {there}")
    return base, options


def suffix(options: Iterable[str]) -> str:
    """The options as the end of a name, in one order."""
    return f"#{','.join(sorted(options))}" if options else ""
