"""What holds of groups and bursts whatever the pictures and links are."""

import dataclasses

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.analyses import duplicates
from audit.duplicates.find import NearConfig
from audit.maths.components import components, stars
from tests.duplicates_samples import COPIES, dataset, row_of, scene

N = 12
links = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda p: p[0] < p[1]), unique=True)


def array(pairs):
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


@given(links, st.permutations(range(N)), links)
def test_every_member_of_a_star_is_linked_or_confirmed_to_its_centre_and_is_in_one_star(pairs, worth, confirmed):
    def confirm(asked):
        return np.array([tuple(sorted(pair)) in confirmed for pair in asked.tolist()])

    groups = stars(array(pairs), np.array(worth), confirm)
    known = set(pairs) | set(confirmed)
    for centre, *others in (group.tolist() for group in groups):
        assert others
        assert all(tuple(sorted((centre, other))) in known for other in others)
    members = [node for group in groups for node in group.tolist()]
    assert len(members) == len(set(members))


@given(links, st.permutations(range(N)))
def test_when_all_but_the_centres_are_removed_no_linked_pair_is_left(pairs, worth):
    groups = stars(array(pairs), np.array(worth), lambda asked: np.zeros(len(asked), bool))
    removed = {node for group in groups for node in group[1:].tolist()}
    assert [pair for pair in pairs if not removed & set(pair)] == []


@given(links, st.permutations(range(N)))
def test_components_do_not_depend_on_the_order_of_links_or_names(pairs, order):
    order = np.array(order)
    one = components(N, array(pairs))
    other = components(N, order[array(pairs)[::-1]])
    assert ((one[:, None] == one) == (other[order][:, None] == other[order])).all()


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(10)))
def test_row_order_changes_no_table(order):
    rows = [row_of(scene(seed), f"scene{seed}.png", label=str(seed % 2)) for seed in range(6)]
    rows += [row_of(COPIES[kind](scene(seed), 1), f"{kind}.jpg") for seed, kind in enumerate(list(COPIES)[:4])]
    view = dataset(rows)
    mixed = dataclasses.replace(view, images=view.images.take(pa.array(order)))
    one, other = (duplicates.compute([v], NearConfig(), np.random.default_rng(0)) for v in (view, mixed))
    assert one.result == other.result
    assert all(one.tables[name].equals(other.tables[name]) for name in one.tables)
