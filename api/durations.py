"""Time spans in words."""

from __future__ import annotations

MINUTE = 60
HOUR = 3600
DAY = 86_400


def duration(seconds: float) -> str:
    """Write a time span for people.

    Examples
    --------
    >>> duration(7.2), duration(125), duration(7300)
    ('7 s', '2 min 05 s', '2 h 01 min')
    """
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"


def ago(seconds: float) -> str:
    """How long ago something was, roughly.

    Examples
    --------
    >>> ago(20), ago(650), ago(8000), ago(200_000)
    ('just now', '10 min ago', '2 h ago', '2 days ago')
    """
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min ago"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h ago"
    days = int(seconds // DAY)
    return f"{days} day{'s' if days > 1 else ''} ago"
