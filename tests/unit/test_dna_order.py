"""The order and the tree of many datasets."""

from __future__ import annotations

import doctest
import re

import numpy as np
import pytest

from audit.dna import order
from audit.dna.order import tree
from audit.render.dendrogram import ROW, WIDTH, dendrogram_svg


def test_the_tree_of_the_example() -> None:
    assert doctest.testmod(order).failed == 0


def test_a_line_of_datasets_is_put_in_order_whatever_order_it_comes_in() -> None:
    places = np.array([0.0, 1.0, 2.1, 3.3, 4.6, 6.0])
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(6)
        found = tree(np.abs(places[mixed][:, None] - places[mixed]).tolist())
        there = mixed[list(found.order)].tolist()
        assert there in (list(range(6)), list(range(5, -1, -1)))


def test_both_directions_of_a_distance_count_alike() -> None:
    assert tree([[0, 1], [3, 0]]).joins == ((0, 1, 2.0),)


def test_a_distance_that_is_not_known_counts_as_the_farthest() -> None:
    assert tree([[0, 1, None], [1, 0, 4], [None, 4, 0]]).joins == ((0, 1, 1.0), (2, 3, 4.0))
    assert [distance for *_, distance in tree([[0, None], [None, 0]]).joins] == [0.0]


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_datasets_have_no_joins(n: int) -> None:
    assert tree([[0.0] * n] * n) == order.Tree(tuple(range(n)), ())


def test_the_drawing_has_a_row_for_each_name_and_a_join_at_its_distance() -> None:
    found = tree([[0, 1, 4], [1, 0, 4], [4, 4, 0]])
    drawn = str(dendrogram_svg(found, ["a<b", "second", "third"]))
    heights = {name: float(y) for y, name in re.findall(r'y="([\d.]+)"[^>]*><title>([^<]+)<', drawn)}
    assert sorted(heights.values()) == [0.5 * ROW + 4, 1.5 * ROW + 4, 2.5 * ROW + 4]
    assert abs(heights["a&lt;b"] - heights["second"]) == ROW
    joins = [float(x) for x in re.findall(r"H([\d.]+)V", drawn)]
    assert joins[1] == WIDTH - 8
    assert (joins[0] - 130) / (joins[1] - 130) == pytest.approx(0.25, abs=0.01)
    assert ">4 SD<" in drawn


def test_datasets_that_are_the_same_are_drawn_without_a_scale() -> None:
    assert "SD" not in dendrogram_svg(tree([[0, 0], [0, 0]]), ["a", "b"])
