"""``assay verdict``: what a person says of a feature that an audit suspects."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from api.cli.opening import find_audit, opened, say, write_json
from api.cli.reading import SHOWN_ID, AuditName, Json


class Said(StrEnum):
    """What can be said of a feature."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


def verdict(
    audit: AuditName,
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="Its name in the table spurious of the audit.")],
    said: Annotated[
        Said, typer.Argument(metavar="VERDICT", help="confirmed, rejected, or withdrawn to take back what was said.")
    ],
    note: Annotated[str, typer.Option(help="Why, for those who read it later.")] = "",
    as_json: Json = False,
) -> None:
    """Say of a feature that an audit suspects whether it is spurious; the next audit of the dataset takes it up."""
    with opened() as service:
        record = find_audit(service, audit)
        held = service.record_verdict(record.id, feature, said.value, note)
    if as_json:
        write_json({"audit": record.id, "verdicts": [one.model_dump(mode="json") for one in held]})
        return
    for one in held:
        say(f"{one.verdict}: {one.feature}{f' ({one.note})' if one.note else ''}")
    holding = "1 verdict holds" if len(held) == 1 else f"{len(held)} verdicts hold"
    say(f"{holding} for the dataset of {record.id[:SHOWN_ID]}; audit it again for a report that takes this up.")
