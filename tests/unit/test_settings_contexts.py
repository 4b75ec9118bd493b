"""Contexts: planted surroundings are found whatever the order, noise gives none, classes are no surroundings."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from audit.analyses.settings import compute, section
from audit.maths.partitions import adjusted_rand, contingency
from audit.model import DatasetView, Neurons
from audit.report import ImagesBlock, Severity
from audit.settings.config import SettingsConfig
from audit.settings.contexts import find_groups, kept_groups
from audit.settings.surroundings import NO_BORDER, ONE_CLASS_EACH
from tests.views import view_of

QUICK = SettingsConfig(n_permutations=99)
C = 24


def borders(places: npt.NDArray[np.int64], seed: int = 0) -> npt.NDArray[np.float16]:
    """A border for each place, with noise, float16 (n, 24)."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(77).normal(0.5, 0.3, (int(places.max()) + 1, C))
    return (centres[places] + 0.08 * rng.normal(size=(len(places), C))).astype(np.float16)


def seen(labels: list[str | None], border: npt.NDArray[np.float16]) -> DatasetView:
    """A dataset of pictures with these borders."""
    view = view_of(np.random.default_rng(5).normal(size=(len(labels), 12)), labels=labels)
    return dataclasses.replace(view, neurons=Neurons(np.zeros((len(labels), 0), np.float16), {}, border))


def birds(n: int = 120) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """Two classes: of the first nine in ten are at place 0, of the second nine in ten at place 1."""
    labels: list[str | None] = ["gull"] * n + ["finch"] * n
    at = (np.arange(n) % 5 == 0).astype(np.int64)
    return labels, np.concatenate([at, 1 - at])


def test_planted_places_are_found_again() -> None:
    _, places = birds()
    found = find_groups(borders(places), np.arange(len(places)), np.random.default_rng(0), min_stability=0.8)
    assert found.chosen is not None
    assert found.chosen[0] == 2
    assert adjusted_rand(contingency(found.number, places)) == pytest.approx(1)
    assert np.isfinite(found.distance).all()


def test_noise_has_no_groups() -> None:
    border = np.random.default_rng(1).normal(0.5, 0.1, (400, C)).astype(np.float16)
    found = find_groups(border, np.arange(400), np.random.default_rng(0), min_stability=0.8)
    assert (found.number == -1).all()
    assert found.chosen is not None
    assert found.chosen[1] < 0.8


def test_images_without_a_border_are_in_no_group() -> None:
    _, places = birds()
    border = borders(places)
    border[3] = np.nan
    found = find_groups(border, np.arange(len(places)), np.random.default_rng(0), min_stability=0.8)
    assert found.number[3] == -1
    assert np.isnan(found.distance[3])
    assert (np.delete(found.number, 3) >= 0).all()


def test_the_largest_group_comes_first() -> None:
    places = np.repeat([0, 1, 2], [40, 150, 90])
    found = find_groups(borders(places), np.arange(280), np.random.default_rng(0), min_stability=0.8)
    assert np.bincount(found.number).tolist() == [150, 90, 40]


def test_a_group_is_kept_only_with_enough_images_of_two_classes() -> None:
    number = np.repeat([0, 1, -1], [50, 50, 5])
    label = np.concatenate([np.repeat([0, 1], [30, 20]), np.repeat([0, 1], [31, 19]), np.zeros(5, np.int64)])
    assert kept_groups(number, label, 20) == (0,)
    assert kept_groups(number, label, 19) == (0, 1)


def test_places_of_the_border_become_a_setting_with_its_verdicts() -> None:
    labels, places = birds()
    computed = compute([seen(labels, borders(places))], QUICK, np.random.default_rng(0))
    rows = {(r["class"], r["value"]): r for r in computed.tables["settings"].to_pylist()}
    assert {r["source"] for r in rows.values()} == {"context"}
    assert sorted(rows["gull", value]["n"] for value in ("context 1", "context 2")) == [24, 96]
    contexts = computed.tables["contexts"].to_pylist()
    by_path = {row["path"]: row["context"] for row in contexts}
    assert len({by_path[f"reference/{i:05d}.png"] for i in np.flatnonzero(places == 0)}) == 1


def test_the_report_says_which_class_goes_with_which_surroundings_and_shows_them() -> None:
    labels, places = birds()
    shown = section(compute([seen(labels, borders(places))], QUICK, np.random.default_rng(0)).result)
    finding = next(f for f in shown.findings if f.id == "settings.leaning")
    assert finding.severity is Severity.ATTENTION
    assert "80% of finch with like surroundings (context " in finding.sentence
    block = next(b for b in shown.blocks if isinstance(b, ImagesBlock) and b.title.startswith("Contexts"))
    assert [len(group) for group in block.groups] == [12, 12]
    assert {p.caption for p in block.groups[0]} == {"gull", "finch"}


def test_groups_that_are_the_classes_are_no_surroundings() -> None:
    labels, _ = birds()
    places = np.repeat([0, 1], 120)
    result = compute([seen(labels, borders(places))], QUICK, np.random.default_rng(0)).result
    assert result.attributes == ()
    assert ONE_CLASS_EACH in section(result).summary


def test_equal_pictures_of_two_classes_are_not_said_to_be_of_one_class_each() -> None:
    alike = np.full((80, C), 0.5, np.float16)
    result = compute([seen(["gull", "finch"] * 40, alike)], QUICK, np.random.default_rng(0)).result
    assert "no two groups of alike edges have 20 pictures from each of two classes" in section(result).summary


def test_groups_too_small_for_every_class_are_not_said_to_be_of_one_class_each() -> None:
    places = np.arange(240) % 2
    labels = [f"class {number // 6}" for number in range(240)]
    result = compute([seen(labels, borders(places))], QUICK, np.random.default_rng(0)).result
    assert "no two groups of alike edges have 20 pictures" in section(result).summary


def test_ties_to_groups_that_most_classes_fill_alone_are_a_hint_only() -> None:
    labels: list[str | None] = [c for c in ("gull", "tern", "finch", "wren") for _ in range(60)]
    places = np.repeat([0, 0, 1, 1], 60)
    shown = section(compute([seen(labels, borders(places))], QUICK, np.random.default_rng(0)).result)
    assert shown.findings
    assert {f.severity for f in shown.findings} == {Severity.INFO}


def test_the_order_of_the_rows_changes_nothing() -> None:
    labels, places = birds()
    view = seen(labels, borders(places))
    order = np.random.default_rng(3).permutation(len(labels))
    assert view.neurons is not None
    assert view.embeddings is not None
    mixed = DatasetView(
        view.name,
        view.fingerprint,
        view.images.take(order),
        view.excluded,
        neurons=dataclasses.replace(view.neurons, border=view.neurons.border[order]),
    )
    plain = dataclasses.replace(view, neighbours=None, embeddings=None)
    one, other = (compute([v], QUICK, np.random.default_rng(0)) for v in (plain, mixed))
    assert one.result == other.result
    assert all(one.tables[name].equals(other.tables[name]) for name in one.tables)


@pytest.mark.parametrize("border", [None, np.zeros((240, 0), np.float16)])
def test_without_a_border_the_report_says_so(border: npt.NDArray[np.float16] | None) -> None:
    labels, _ = birds()
    view = view_of(np.random.default_rng(5).normal(size=(240, 12)), labels=labels)
    if border is not None:
        view = seen(labels, border)
    computed = compute([view], QUICK, np.random.default_rng(0))
    assert computed.tables["contexts"].num_rows == 0
    assert NO_BORDER in section(computed.result).method


def test_contexts_can_be_turned_off() -> None:
    labels, places = birds()
    config = SettingsConfig(n_permutations=99, contexts=False)
    result = compute([seen(labels, borders(places))], config, np.random.default_rng(0)).result
    assert result.attributes == ()
    assert result.contexts.reason == "turned off"


def test_what_a_named_setting_says_is_not_said_again_of_the_context() -> None:
    labels, places = birds()
    view = seen(labels, borders(places))
    words = pa.array([["wood", "shore"][place] for place in places])
    named = dataclasses.replace(view, images=view.images.append_column("meta.place", words))
    result = compute([named], QUICK, np.random.default_rng(0)).result
    assert {about.name for about in result.attributes} == {"place", "context"}
    assert {tie.attribute for tie in (*result.dominant, *result.leaning)} == {"place"}
