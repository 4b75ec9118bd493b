"""What was audited, compared for people: two datasets in full, or many as a matrix."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.durations import ago
from api.lists import every
from audit.errors import PictureError
from storage.errors import StorageError
from storage.records import Audit, Status
from workers.errors import WorkersError

if TYPE_CHECKING:
    from markupsafe import Markup

    from audit.dna.order import Tree
    from audit.model import DatasetView
    from audit.report import Section
    from workers.service import Service

N_SHADES = 5
MOST_AUDITS = 1000
"""Audits that are looked through, the newest."""


@dataclass(frozen=True)
class Entry:
    """A dataset that was embedded for an audit.

    Attributes
    ----------
    value : str
        ``AUDIT:DATASET``, both by id.
    name : str
        Of the dataset, with a number where another has the same name.
    """

    value: str
    audit: str
    dataset: str
    name: str
    extractor: str
    n_images: int
    age: str


def audited(service: Service) -> list[Entry]:
    """Every dataset that a finished audit holds, once for each extractor, by the newest audit of it.

    The reference of a comparison through a translation is left out: there it is by another extractor than the audit's.
    """
    found: dict[tuple[str, str], Entry] = {}
    for _, audit in zip(range(MOST_AUDITS), every(service.audits), strict=False):
        if audit.status is not Status.DONE:
            continue
        age = ago(time.time() - audit.created_at)
        for dataset_id in _by_extractor_asked(audit):
            key = (dataset_id, audit.request.extractor)
            if key not in found:
                dataset = service.dataset(dataset_id)
                value = f"{audit.id}:{dataset_id}"
                found[key] = Entry(
                    value, audit.id, dataset_id, dataset.name, audit.request.extractor, dataset.n_ok or 0, age
                )
    return list(_told_apart(list(found.values())))


def _by_extractor_asked(audit: Audit) -> Sequence[str]:
    """The datasets that the audit's extractor embedded: through a translation another has embedded the reference."""
    if not audit.request.translation:
        return audit.dataset_ids
    return [one for one in audit.dataset_ids[1:] if one != audit.dataset_ids[0]]


def _told_apart(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries, with a number after a name that another dataset of the extractor has."""
    own = {(entry.extractor, entry.name) for entry in entries}
    taken: set[tuple[str, str]] = set()
    for entry in entries:
        name, n = entry.name, 1
        while (entry.extractor, name) in (taken | own if n > 1 else taken):
            n += 1
            name = f"{entry.name} ({n})"
        taken.add((entry.extractor, name))
        yield dataclasses.replace(entry, name=name)


def by_extractor(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The entries of each extractor, the newest first."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.extractor, []).append(entry)
    return found


def view_of(service: Service, entry: Entry) -> DatasetView:
    """A dataset with its Visual DNA, by the name that the page calls it."""
    return dataclasses.replace(service.dna(entry.audit, entry.dataset), name=entry.name)


def difference(service: Service, pair: tuple[Entry, Entry]) -> tuple[Markup, str]:
    """What Visual DNA says of two datasets, as a report says it: a piece of a page, and its style."""
    import numpy as np

    from audit.analyses.base import analysis
    from audit.render import render_section

    asked = analysis("visual_dna")
    views = [view_of(service, entry) for entry in pair]
    result = asked.compute(views, asked.config(), np.random.default_rng(0)).result
    dataset_of = {entry.name: entry.dataset for entry in pair}

    def thumbnail(name: str, image_id: str) -> bytes | None:
        try:
            return service.thumbnail(dataset_of[name], image_id, 224)
        except (PictureError, StorageError, WorkersError):
            return None

    return render_section(_without_files(asked.section(result)), [entry.name for entry in pair], thumbnail)


def _without_files(section: Section) -> Section:
    """The answer without what it says of the files of a report, which a page has not."""
    blocks = tuple(
        block.model_copy(update={"note": ""}) if "tables/" in getattr(block, "note", "") else block
        for block in section.blocks
    )
    findings = tuple(finding.model_copy(update={"table": ""}) for finding in section.findings)
    return section.model_copy(update={"blocks": blocks, "findings": findings})


@dataclass(frozen=True)
class Cell:
    """A distance beyond sampling; ``shade`` is 0 to 4 by its size, None where there is no distance."""

    entry: Entry
    value: float | None
    shade: int | None


@dataclass(frozen=True)
class HeatMap:
    """Distances between datasets, those that are alike side by side; ``few`` have too few pictures to say much."""

    entries: tuple[Entry, ...]
    rows: tuple[tuple[Cell, ...], ...]
    tree: Tree
    few: tuple[Entry, ...]


def heat_map(service: Service, entries: Sequence[Entry]) -> HeatMap:
    """Distances between all pairs; each row is in standard deviations of its own dataset."""
    from audit.dna.asking import matrix
    from audit.dna.classes import FEWEST
    from audit.dna.order import tree

    table = matrix([view_of(service, entry) for entry in entries])["corrected"]
    found = tree(table)
    largest = max((value for row in table for value in row if value), default=1.0)
    rows = tuple(
        tuple(Cell(entries[j], table[i][j], _shade(table[i][j], largest)) for j in found.order) for i in found.order
    )
    return HeatMap(tuple(entries), rows, found, tuple(entry for entry in entries if entry.n_images < FEWEST))


def _shade(value: float | None, largest: float) -> int | None:
    return None if value is None else min(int(N_SHADES * value / largest), N_SHADES - 1)
