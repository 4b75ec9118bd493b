"""The command line: ``assay``. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from api.cli.exits import DEBUG_VARIABLE, RESUME, CommandError, Exit

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; every error is one sentence on stderr.

    Set ``ASSAY_DEBUG`` to see the traceback as well.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.
    """
    from api.cli.app import app

    try:
        code = app(
            args=list(sys.argv[1:] if arguments is None else arguments), prog_name="assay", standalone_mode=False
        )
    except (KeyboardInterrupt, CommandError) as error:
        return _told(error)
    except (BrokenPipeError, SystemExit) as error:
        if not _is_closed_pipe(error):
            raise
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return Exit.FINE
    except Exception as error:
        return _told(error)
    if code == Exit.INTERRUPTED:
        sys.stderr.write(f"{RESUME}\n")
    return int(code or Exit.FINE)


def _is_closed_pipe(error: BaseException) -> bool:
    """Whether whoever reads the output has stopped (``| head``); click and rich leave with 1 on meeting that."""
    return isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError)


def _told(error: BaseException) -> int:
    """Tell what went wrong and give the exit code for it. This is the boundary of the process."""
    from api.cli.faults import exit_of, sentence_of

    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        traceback.print_exception(error)
    code = exit_of(error)
    sys.stderr.write(f"{RESUME if code is Exit.INTERRUPTED else sentence_of(error)}\n")
    return code
