"""Which pictures are looked at closely."""

from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.parts.sample import PER_CLASS, choose


def hashes(n: int) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(n)]


def test_a_small_dataset_is_taken_whole() -> None:
    assert choose(hashes(4), ["a", None, "b", "a"], 10).tolist() == [0, 1, 2, 3]


def test_of_equal_pictures_the_first_is_taken() -> None:
    same = hashes(1) * 2
    assert choose([*hashes(3)[1:], *same], [None] * 4, 10).tolist() == [0, 1, 2]


def test_a_rare_class_has_its_share() -> None:
    labels = ["rare"] * 40 + ["common"] * 5_000
    seen = Counter(labels[row] for row in choose(hashes(5_040), labels, 500))
    assert seen["rare"] >= PER_CLASS
    assert sum(seen.values()) == 500


def test_more_classes_than_places_still_fill_the_places() -> None:
    labels = [str(i) for i in range(100)]
    assert len(choose(hashes(100), labels, 10)) == 10


def test_nothing_is_chosen_of_nothing() -> None:
    assert choose([], [], 10).tolist() == []


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(60)), st.integers(1, 40))
def test_order_has_no_part_in_the_choice(order: list[int], n: int) -> None:
    names = hashes(60)
    labels = ["ab"[i % 2] if i % 7 else None for i in range(60)]
    before = {names[row] for row in choose(names, labels, n)}
    shuffled = [names[i] for i in order]
    assert {shuffled[row] for row in choose(shuffled, [labels[i] for i in order], n)} == before
