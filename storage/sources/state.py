"""Whether anything has been touched since a source was scanned, told from names, sizes and times alone.

The kernel sets the time of a file's last change (ctime) whenever its bytes, name or times are changed, and programs
cannot set it; so files with equal names, sizes and times hold equal bytes. What was changed so lately that a second
change would get the same time is not vouched for, as in Git's index.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from storage.sources.base import Source

LATELY_S = 0.1
"""Clocks of file systems tick every 10 ms or oftener ..."""

LATELY_IN_WHOLE_SECONDS_S = 2.0
"""... but those that keep whole seconds only tick as seldom as every two."""

_SECOND_NS = 10**9
_DIGITS = 256


def state(source: Source, *, clock: Callable[[], float] = time.time) -> str:
    """A digest of the names, sizes and times of everything a source reads; reads no picture.

    Parameters
    ----------
    source : Source
    clock : () -> float
        Seconds since 1970.

    Returns
    -------
    str
        Equal for equal states, whatever order things are listed in; empty where it cannot be vouched for.
    """
    total, newest = 0, 0
    for name, found in source.touched():
        said = b"gone"
        if found is not None:
            said = b"%d:%d:%d:%d" % (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
        total += int.from_bytes(hashlib.sha256(b"%d:%s:%s" % (len(name), name, said)).digest())
    margin = LATELY_S if newest % _SECOND_NS else LATELY_IN_WHOLE_SECONDS_S
    if newest > (clock() - margin) * _SECOND_NS:
        return ""
    return f"{total % 2**_DIGITS:064x}"
