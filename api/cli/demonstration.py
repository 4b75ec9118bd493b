"""``assay demo``: draw two datasets with planted problems, audit one, compare both, check what was found."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.opening import opened, say, write_json
from api.cli.places import check_writable
from api.cli.running import follow

if TYPE_CHECKING:
    from api.demo import Demo


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Write the pictures and both reports here.")] = Path(
        "demo-out"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")] = False,
) -> None:
    """Draw two small datasets with planted problems, audit one, compare both, and check what was found.

    Run twice, the second run uses what exists.
    """
    from api.demo import demo_json, run_demo

    check_writable("--out", out)
    with opened() as service:
        done = run_demo(service, out, watch=partial(follow, quiet=quiet), note=_note)
    if as_json:
        write_json(demo_json(done))
    else:
        _tell(done)


def _note(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def _tell(done: Demo) -> None:
    """Print what was planted and found, kind by kind, and where the reports are."""
    width = max(len(score.title) for score in done.scores)
    say(f"\n{'':2}{'planted problem':<{width}}  found  of  false")
    for score in done.scores:
        mark = "✔" if score.found == score.planted else "✖"
        say(f"{mark} {score.title:<{width}}  {score.found:>5}  {score.planted:>2}  {score.false:>5}")
    found, planted = (sum(getattr(score, name) for score in done.scores) for name in ("found", "planted"))
    spent = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in done.seconds.items())
    say(f"\nFound {found} of {planted} planted problems ({spent}).")
    say(f"Audit:      {done.audit_report}")
    say(f"Comparison: {done.comparison_report}")
