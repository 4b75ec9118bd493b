"""The pictures that stand beside the two names on the first screen of a comparison: what the difference looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.assemble import PlacedFinding, rank_findings
from audit.report import SERIOUS, ImagesBlock, Picture, Report

MAX_TELLING = 5


@dataclass(frozen=True)
class Telling:
    """Pictures of one dataset, and the section that says what they tell.

    Attributes
    ----------
    pictures : of one dataset, the most telling first
    title, section : of the section; its id
    """

    pictures: tuple[Picture, ...]
    title: str
    section: str


def in_turns(pictures: Sequence[Picture], n: int) -> tuple[Picture, ...]:
    """The first n pictures where datasets take turns, so that a few show them all; of one dataset, the first n."""
    turn: dict[str, int] = {}
    keyed = []
    for place, picture in enumerate(pictures):
        turn[picture.dataset] = turn.get(picture.dataset, 0) + 1
        keyed.append((turn[picture.dataset], place, picture))
    return tuple(picture for *_, picture in sorted(keyed, key=lambda key: key[:2]))[:n]


def telling(report: Report) -> Mapping[str, Telling]:
    """By dataset, the pictures that show how it differs from the other.

    They are those of the worst finding that shows both datasets; where there is none, of the worst that shows this
    one, and else of the evidence in the sections of such findings. A dataset of which no serious finding says anything
    has none, and so have two datasets of one name.
    """
    names = [dataset.name for dataset in report.datasets]
    if len(set(names)) != 2:
        return {}
    serious = [place for place in rank_findings(report.sections) if place.finding.severity in SERIOUS]
    shown = [(place, place.finding.pictures) for place in serious]
    both = [(place, pictures) for place, pictures in shown if {p.dataset for p in pictures} >= set(names)]
    offers = [*both, *shown, *_evidence(serious)]
    found = {name: _first(offers, name) for name in names}
    return {name: one for name, one in found.items() if one is not None}


def _evidence(serious: Sequence[PlacedFinding]) -> Iterator[tuple[PlacedFinding, tuple[Picture, ...]]]:
    for place in serious:
        for block in place.section.blocks:
            if isinstance(block, ImagesBlock):
                yield from ((place, group) for group in block.groups)


def _first(offers: Sequence[tuple[PlacedFinding, tuple[Picture, ...]]], name: str) -> Telling | None:
    for place, pictures in offers:
        own = tuple(picture for picture in pictures if picture.dataset == name)[:MAX_TELLING]
        if own:
            return Telling(own, place.section.title, place.section.id)
    return None
