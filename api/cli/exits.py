"""Exit codes of the command line, and the sentence each error is told with.

====  ===========================================================================================
code  meaning
====  ===========================================================================================
0     fine, whatever was found
1     ``--fail-on`` was given and the verdict is that bad, or ``doctor`` found something broken
2     bad usage: an argument, option or configuration that cannot be used
3     the source cannot be read, or holds no usable picture (the report says why)
4     the extractor cannot be had
5     the audit failed, or Assay itself did
130   interrupted with Ctrl-C; what is done is kept
====  ===========================================================================================
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; stable, documented in ``docs/cli.md``."""

    FINE = 0
    FOUND = 1
    USAGE = 2
    SOURCE = 3
    EXTRACTOR = 4
    FAILED = 5
    INTERRUPTED = 130


DEBUG_VARIABLE = "ASSAY_DEBUG"
"""Set to anything, it adds tracebacks and events to what a command says."""

RESUME = "Stopped. What is done is kept: give the same command again and it goes on where it stopped."


class CommandError(Exception):
    """A command that ends with a sentence and an exit code.

    Attributes
    ----------
    code : Exit
        What the process exits with.
    """

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
