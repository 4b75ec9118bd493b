"""Patterns of the last map as candidates for spurious features, on maps in which they are drawn."""

import dataclasses
import re

import numpy as np
import pytest

from audit.analyses.spurious import compute
from audit.spurious.candidates import PATTERN, Candidate
from audit.spurious.choice import rank
from audit.spurious.evidence import SpuriousConfig
from audit.spurious.patterns import Patterns, outside, patterns
from tests.spurious_views import planted
from tests.unit.test_spurious_choice import HARMFUL, evidence

SIDE, N_NEURONS = 6, 12
BOX = np.array([2, 2, 4, 4], np.float32) / SIDE


def drawn(seed=0, n=600, rho=0.85):
    """A planted view whose maps show each class inside the box and each background around it, by own neurons."""
    plant = planted(seed, n=n, rho=rho)
    parts, rng = plant.view.parts, np.random.default_rng(seed)
    rows = parts.rows
    inside = np.zeros((SIDE, SIDE), bool)
    inside[2:4, 2:4] = True
    inside = inside.ravel()
    maps = 0.05 * rng.random((len(rows), SIDE**2, N_NEURONS))
    for c in range(2):
        seen = rng.uniform(0.5, 1, len(rows))[:, None, None]
        maps[:, inside, 3 * c : 3 * c + 2] += seen * (plant.classes[rows] == c)[:, None, None]
        maps[:, ~inside, 6 + 3 * c : 8 + 3 * c] += seen * (plant.backgrounds[rows] == c)[:, None, None]
    boxes = np.tile(BOX, (len(rows), 1))
    parts = dataclasses.replace(parts, maps=maps.astype(np.float16), boxes=boxes)
    return dataclasses.replace(plant, view=dataclasses.replace(plant.view, parts=parts))


def found(plant, **more):
    parts = plant.view.parts
    return patterns(parts, np.arange(len(parts.rows)), np.arange(len(plant.view)), np.random.default_rng(0), **more)


def test_heat_outside_a_box_is_compared_with_heat_spread_evenly():
    weights = np.zeros((1, 4, 3))
    weights[0, :, 0] = 1, 1, 1, 1
    weights[0, :, 1] = 0, 1, 1, 1
    weights[0, :, 2] = 3, 1, 0, 0
    boxes = np.array([[0, 0, 0.5, 0.5]], np.float32)
    np.testing.assert_allclose(outside(weights, boxes), [1, 4 / 3, 1 / 3])


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0.3, 0.3, 0.4, 0.4)])
def test_where_all_or_nothing_is_outside_no_preference_is_known(box):
    assert np.isnan(outside(np.ones((1, 4, 2)), np.array([box], np.float32))).all()
    assert np.isnan(outside(np.ones((1, 3, 2)), np.array([box], np.float32))).all()


def test_patterns_of_backgrounds_lie_outside_the_boxes_and_patterns_of_objects_inside():
    plant = drawn()
    seen = found(plant)
    rows = plant.view.parts.rows
    for truth, lies in ((plant.backgrounds[rows], lambda o: o > 1), (plant.classes[rows], lambda o: o < 0.5)):
        correlations = [abs(np.corrcoef(strengths, truth)[0, 1]) for strengths in seen.strengths.T]
        best = int(np.argmax(correlations))
        assert correlations[best] > 0.8
        assert lies(seen.outside[best])


def test_pictures_that_patterns_were_not_found_on_are_weighed_by_them(monkeypatch):
    plant = drawn()
    everything = found(plant)
    monkeypatch.setattr("audit.spurious.patterns.FITTED", 150)
    some = found(plant)
    assert some.strengths.shape[0] == everything.strengths.shape[0]
    truth = plant.backgrounds[plant.view.parts.rows]
    assert max(abs(np.corrcoef(one, truth)[0, 1]) for one in some.strengths.T) > 0.8


def test_few_pictures_or_empty_maps_have_no_patterns():
    parts = drawn().view.parts
    few = patterns(parts, np.arange(20), np.arange(600), np.random.default_rng(0))
    assert isinstance(few, Patterns)
    assert few.strengths.shape == (20, 0)
    empty = dataclasses.replace(parts, maps=parts.maps[:, :0])
    assert patterns(empty, np.arange(600), np.arange(600), np.random.default_rng(0)).strengths.shape == (600, 0)


def test_a_pattern_is_a_candidate_with_its_place_and_never_contextual():
    quick = SpuriousConfig(n_permutations=199, n_null=39, examined=30)
    table = compute([drawn(1).view], quick, np.random.default_rng(0)).tables["spurious"].to_pylist()
    seen = [row for row in table if row["kind"] == PATTERN]
    assert all(re.fullmatch("pattern [A-L]", row["feature"]) for row in seen)
    assert len(seen) >= 2
    assert max(row["g"] for row in seen) > 0.5
    assert any(row["heat_outside"] > 1 and "E1" in row["level"] for row in seen)
    assert not [row for row in seen if "E2" in row["level"] or row["g_background"] is not None]
    assert all(row["heat_outside"] is None for row in table if row["kind"] != PATTERN)


@pytest.mark.parametrize(("heat", "is_shown"), [(1.4, True), (0.7, False), (float("nan"), False)])
def test_only_a_pattern_that_lies_outside_the_objects_becomes_a_finding(heat, is_shown):
    one = evidence(kind=PATTERN, levels="E1+E4", harm=HARMFUL)
    one = dataclasses.replace(one, candidate=Candidate("pattern A", PATTERN, outside=heat))
    assert (rank(one) is not None) is is_shown
