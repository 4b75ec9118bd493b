"""``assay clean``: delete what nothing needs any more."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.opening import opened, say, write_json
from api.cli.reading import Json


def clean(
    hours: Annotated[
        float | None, typer.Option(min=0, help="Keep what was used in the last so many hours [default: 24].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Delete results that no audit or dataset needs any more, and what killed processes left half made.

    Audits, datasets and pictures are never touched.
    """
    grace_s = None if hours is None else 3600 * hours
    with opened() as service:
        n_results, n_left = service.collect_garbage(grace_s), service.clear_scratch(grace_s)
    if as_json:
        write_json({"results": n_results, "left_by_killed_processes": n_left})
        return
    say(f"Deleted {n_results:,} stored results that nothing needs, and {n_left:,} left half made by killed processes.")
