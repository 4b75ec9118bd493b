"""Which evidence becomes findings: one for each class, the class with the strongest tie first.

What is chosen says nothing new: every level of evidence is that of :mod:`audit.spurious.study`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.spurious.candidates import BACKGROUND, METADATA, NEURON, PATTERN
from audit.spurious.evidence import REJECTED, Evidence, Study
from audit.spurious.harm import NO_CONFLICT

STRONG = 0.8
"""Least |2 AUC − 1| at which a tie is shown whose harm cannot be measured: right in nine of ten pairs of pictures."""

SHOWN, SHOWN_IMAGE_WIDE = 3, 1
"""Findings at most, and those among them of nothing but the look of whole pictures."""

ALSO = 3
"""Further things that are named in one finding."""

SHORTCUT, SUSPECT, IMAGE_WIDE = 0, 1, 2
"""Ranks of evidence: may be called spurious; in the background, harmful, or a strong circumstance; the look alone."""


@dataclass(frozen=True)
class Tie:
    """What goes with one class: the strongest evidence, and the strongest of each other kind."""

    lead: Evidence
    also: tuple[Evidence, ...] = ()

    @property
    def strength(self) -> float:
        """The greatest |2 AUC − 1| of what a picture's background or circumstances tell of the class."""
        members = (self.lead, *self.also)
        return max(
            strength(one)
            for one in members
            if one is self.lead or one.candidate.kind == BACKGROUND or rank(one) != IMAGE_WIDE
        )


def strength(one: Evidence) -> float:
    """How well it tells its class, |2 AUC − 1|: from the background alone where it lies there."""
    return one.background if one.is_contextual else one.g


def rank(one: Evidence) -> int | None:
    """How much the evidence is worth; None where it is no finding.

    What lies on the object is none, nor what was not examined. A tie whose harm could not be measured is one if it is
    strong; of a column that people gave (metadata) more is known than of the look of a picture, which objects change.
    """
    if one.cue is None or one.verdict == REJECTED:
        return None
    if one.is_spurious or one.is_risk:
        return SHORTCUT if one.is_spurious else SUSPECT
    if "E1" not in one.levels or _is_object(one):
        return None
    if "E4" in one.levels:
        return SUSPECT
    is_open = one.harm is not None and one.harm.reason.startswith(NO_CONFLICT) and one.g >= STRONG
    return (SUSPECT if one.candidate.kind == METADATA else IMAGE_WIDE) if is_open else None


def _is_object(one: Evidence) -> bool:
    """Whether it is not known to lie elsewhere than on the object: a neuron, or a pattern that is no denser outside."""
    kind = one.candidate.kind
    return kind == NEURON or (kind == PATTERN and not one.candidate.outside > 1)


def chosen(found: Study) -> list[Tie]:
    """One tie for each class that has one, the strongest evidence first; of two classes both are the same tie."""
    by_class: dict[str, list[Evidence]] = {}
    for one in found.found:
        by_class.setdefault(one.label if len(found.names) > 2 else "", []).append(one)
    ties = [tie for evidence in by_class.values() if (tie := _tie(evidence))]
    ties.sort(key=lambda tie: (rank(tie.lead), -tie.strength, tie.lead.number))
    looks = [tie for tie in ties if rank(tie.lead) == IMAGE_WIDE]
    kept = [tie for tie in ties if rank(tie.lead) != IMAGE_WIDE] + looks[:SHOWN_IMAGE_WIDE]
    return kept[:SHOWN]


def leads(ties: Iterable[Tie]) -> list[Evidence]:
    """The strongest evidence of each tie."""
    return [tie.lead for tie in ties]


def _tie(evidence: Sequence[Evidence]) -> Tie | None:
    """The tie of one class: what a person confirmed first, then by rank, the levels E1 and E2 first, and strength."""
    ranked = [(r, one) for one in evidence if (r := rank(one)) is not None]
    if not ranked:
        return None
    ranked.sort(key=lambda pair: ("E5" not in pair[1].levels, pair[0], *_place(pair[1])))
    lead = ranked[0][1]
    behind = [one for one in evidence if _is_background(one) and rank(one) is None]
    also: dict[str, Evidence] = {}
    for one in [*(one for _, one in ranked), *behind]:
        if one is not lead and one.candidate.kind not in (lead.candidate.kind, NEURON):
            also.setdefault(one.candidate.kind, one)
    return Tie(lead, tuple(also.values())[:ALSO])


def _place(one: Evidence) -> tuple[float, ...]:
    return -one.is_risk, -strength(one), one.number


def _is_background(one: Evidence) -> bool:
    """Whether it is the background as a whole, told beyond chance, even where the object tells as much."""
    return one.candidate.kind == BACKGROUND and "E1" in one.levels and one.cue is not None and one.verdict != REJECTED
