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


def view_of_an_object_at_the_edges_of_its_box(through: float, *, is_given: bool):
    """No shortcut; the neuron of class 0 is blind to the object alone, and the background lets so many sd through."""
    one = planted(0, n=600, rho=None, core=3.0)
    parts, column = one.view.parts, 10
    rng = np.random.default_rng(1)
    is_first = one.classes[parts.rows] == 0
    blind = parts.foreground.neurons.copy()
    blind[:, column] = 0.5 + 0.1 * rng.normal(size=len(blind))
    backs = [back.neurons.copy() for back in parts.backgrounds]
    for back in backs:
        back[:, column] += (0.1 * through * is_first).astype(np.float16)
    left, right = (PartFeatures(one.vectors, back) for one, back in zip(parts.backgrounds, backs, strict=True))
    parts = dataclasses.replace(
        parts,
        foreground=PartFeatures(parts.foreground.vectors, blind),
        backgrounds=(left, right),
        is_given=np.full(len(parts.rows), is_given),
    )
    return dataclasses.replace(one.view, parts=parts)


@pytest.mark.parametrize(
    ("through", "is_given", "expected"),
    [(0.7, False, False), (0.7, True, True), (2.0, False, True)],
    ids=["a part through the hole of a found box", "the same beside a given box", "most of it"],
)
def test_of_a_found_box_the_background_must_tell_most_of_what_the_whole_picture_tells(through, is_given, expected):
    view = view_of_an_object_at_the_edges_of_its_box(through, is_given=is_given)
    levels = compute([view], QUICK, np.random.default_rng(0)).tables["spurious"].column("level").to_pylist()
    assert any("E2" in level for level in levels) is expected
