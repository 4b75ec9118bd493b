"""Merging: the DNA of parts of a dataset adds up exactly to that of the whole."""

from __future__ import annotations

from collections.abc import Iterable

from audit.dna.state import STATE, Dna, zeros
from audit.errors import FingerprintMismatchError
from audit.maths.histograms import Ints


def check_comparable(left: Dna, right: Dna) -> None:
    """Refuse two DNA that were made by different extractors or counted in different ranges.

    Raises
    ------
    FingerprintMismatchError
    """
    check_same_space((left.extractor, left.ranges.sha256), (right.extractor, right.ranges.sha256))


def check_same_space(left: tuple[str, str], right: tuple[str, str]) -> None:
    """Refuse two pairs of the fingerprints of an extractor and of its ranges that are not equal.

    Raises
    ------
    FingerprintMismatchError
    """
    for what, one, other in zip(("extractors", "neuron ranges"), left, right, strict=True):
        if one != other:
            raise FingerprintMismatchError(f"the {what} of two Visual DNA", one, other)


def merge(parts: Iterable[Dna]) -> Dna:
    """Add up parts of a dataset; exact, and equal in any order and grouping.

    Raises
    ------
    ValueError
        If there are no parts.
    FingerprintMismatchError
        If the parts come from different extractors or ranges.
    OverflowError
        If a sum could pass the largest int64.
    """
    first: Dna | None = None
    state: dict[str, Ints] = {}
    largest = dict.fromkeys(STATE, 0)
    for part in parts:
        if first is None:
            first, state = part, zeros(part.ranges.n_neurons)
        check_comparable(first, part)
        for name in STATE:
            largest[name] += int(getattr(part, name).max(initial=0)) - int(getattr(part, name).min(initial=0))
            if largest[name] >= 2**63:
                raise OverflowError(f"the sum of {name} would pass 2**63; merge fewer images")
            state[name] += getattr(part, name)
    if first is None:
        raise ValueError("there is no DNA to merge; count an empty batch to get an empty one")
    return Dna(ranges=first.ranges, extractor=first.extractor, **state)
