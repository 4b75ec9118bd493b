"""Of boxes that were found: where the object alone tells too little of the label, nothing is said to be contextual."""

import dataclasses

import numpy as np
import pytest

from audit.analyses.spurious import compute, section
from audit.model import PartFeatures
from audit.spurious.evidence import SpuriousConfig
from tests.spurious_views import planted
from tests.views import unit

QUICK = SpuriousConfig(n_permutations=199, n_null=19, examined=3)
SAID = "too little of the label to be taken for it"


def view_with(*, is_given: bool, shows: bool):
    """A planted shortcut; the vectors of the object alone are those of the picture, or tell nothing of the label."""
    view = planted(0, n=400, rho=0.9).view
    parts = view.parts
    seen = parts.whole.vectors if shows else unit(np.random.default_rng(0).normal(size=parts.whole.vectors.shape))
    front = PartFeatures(seen, parts.foreground.neurons)
    parts = dataclasses.replace(parts, foreground=front, is_given=np.full(len(parts.rows), is_given))
    return dataclasses.replace(view, parts=parts)


@pytest.mark.parametrize(
    ("is_given", "shows", "expected"),
    [(False, True, True), (False, False, False), (True, False, True)],
    ids=["found, seen", "found, not seen", "given"],
)
def test_what_is_taken_for_the_object_must_tell_the_label(is_given, shows, expected):
    computed = compute([view_with(is_given=is_given, shows=shows)], QUICK, np.random.default_rng(0))
    assert any("E2" in level for level in computed.tables["spurious"].column("level").to_pylist()) is expected
    assert computed.result.read.shows_object is expected
    notes = [block.note for block in section(computed.result).blocks if block.kind == "table"]
    assert any(SAID in note for note in notes) is not expected
