"""Commands about the installation: ``extractors``, ``analyses``, ``doctor``, ``version``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import Exit
from api.cli.opening import say, write_json

if TYPE_CHECKING:
    from api.cli.doctor import Check

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]

_MARKS = {"ok": "ok      ", "warning": "warning ", "broken": "BROKEN  "}


def extractors(context: typer.Context, as_json: Json = False) -> None:
    """List the extractors that can be asked for; calibrate one, or look at its layers, on your own pictures."""
    if context.invoked_subcommand is not None:
        return
    from api.catalogue import extractor_rows

    rows = extractor_rows()
    if as_json:
        write_json({"extractors": rows})
        return
    for row in rows:
        say(f"{row['name']}\n    {row['summary']}")
        if row["needs"]:
            say(f"    Needs: {row['needs']}")


def analyses(as_json: Json = False) -> None:
    """List the analyses: the question each answers and what can be configured."""
    from api.catalogue import analysis_rows

    rows = analysis_rows()
    if as_json:
        write_json({"analyses": rows})
        return
    for row in rows:
        reads = "one dataset" if row["datasets"] == 1 else "two datasets"
        say(f"{row['name']} ({reads})\n    {row['question']}")
        for name, field in row["config"].get("properties", {}).items():
            said = f"{name} = {field.get('default')!r}: {field.get('description', '')}".rstrip(": ")
            say(f"      {said}")


def doctor(as_json: Json = False) -> int:
    """Check this installation: packages, devices, home folder, database, blobs, broker, disk, package names."""
    from api.cli.examination import examine

    seen = []
    for check in examine():
        seen.append(check)
        if not as_json:
            _tell(check)
    if as_json:
        write_json({"checks": [vars(check) for check in seen], "ok": all(check.state != "broken" for check in seen)})
    return Exit.FOUND if any(check.state == "broken" for check in seen) else Exit.FINE


def _tell(check: Check) -> None:
    say(f"{_MARKS[check.state]} {check.name}: {check.detail}")
    if check.action and check.state != "ok":
        say(f"          {check.action}")
    sys.stdout.flush()


def version() -> None:
    """Print the version."""
    from api.version import version as running

    say(f"assay {running()}")
