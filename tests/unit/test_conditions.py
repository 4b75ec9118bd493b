"""Whether splits and settings look different."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from audit.analyses.base import analysis
from audit.model import DatasetView, Neurons
from audit.report import Severity
from tests.views import make_view

CONDITIONS = analysis("conditions")
LAYERS = {"early": slice(0, 4), "late": slice(4, 10)}


def view(seed: int, *, night: float = 0.0, test: float = 0.0, n_per_class: int = 40) -> DatasetView:
    """Three classes; every third picture is of the night, every fifth of the test split; both may look different."""
    base = make_view(seed, n_per_class=n_per_class)
    n = len(base)
    values = np.random.default_rng(seed).normal(0.5, 0.1, (n, 10))
    is_night, is_test = np.arange(n) % 3 == 0, np.arange(n) % 5 == 0
    values += 0.1 * night * is_night[:, None] + 0.1 * test * is_test[:, None]
    images = base.images.append_column("meta.time", pa.array(["night" if one else "day" for one in is_night]))
    images = images.append_column("meta.id", pa.array([str(i) for i in range(n)]))
    neurons = Neurons(values.astype(np.float16), LAYERS, np.zeros((n, 0), np.float16), "")
    return dataclasses.replace(base, images=images, neurons=neurons)


def run(one: DatasetView, seed: int = 0):
    return CONDITIONS.compute([one], CONDITIONS.config(), np.random.default_rng(seed))


def test_a_setting_that_looks_different_is_found_with_its_size() -> None:
    result = run(view(1, night=1.5)).result
    first = result.conditions[0]
    assert first.attribute == "time"
    assert first.p_value <= 0.02
    # the values differ by 1.5 standard deviations within; across both groups (1/3, 2/3) one is √(1 + 1.5² · 2/9) larger
    assert first.corrected == pytest.approx(1.5 / np.sqrt(1 + 1.5**2 * 2 / 9), rel=0.1)


def test_splits_that_look_different_are_something_to_check() -> None:
    section = CONDITIONS.section(run(view(1, test=1.5)).result)
    assert section.findings[0].id == "conditions.split"
    assert section.findings[0].severity is Severity.ATTENTION
    assert "split = " in section.findings[0].sentence
    assert len(section.findings[0].pictures) == 12


def test_splits_and_settings_drawn_at_random_are_rarely_called_different() -> None:
    found = [CONDITIONS.section(run(view(seed), seed).result).findings[0].severity for seed in range(20)]
    assert found.count(Severity.OK) >= 17


def test_a_column_of_names_is_no_setting() -> None:
    assert {one.attribute for one in run(view(1)).result.conditions} == {"split", "time"}


@pytest.mark.parametrize("column", ["label", "split"])
def test_a_column_that_names_classes_or_splits_in_other_words_is_no_setting(column: str) -> None:
    one = view(1)
    twin = pa.array([value and value.upper() for value in one.column(column)])
    one = dataclasses.replace(one, images=one.images.append_column("meta.twin", twin))
    assert {found.attribute for found in run(one).result.conditions} == {"split", "time"}


def test_a_difference_is_found_among_many_columns_that_make_none() -> None:
    one = view(1, night=1.5)
    rng = np.random.default_rng(0)
    for number in range(11):
        column = pa.array(rng.choice(["yes", "no"], len(one)).tolist())
        one = dataclasses.replace(one, images=one.images.append_column(f"meta.noise{number}", column))
    result = run(one).result
    assert {(found.attribute, found.p_value) for found in result.conditions if found.p_value <= 0.05} == {
        ("time", 13 / 520)
    }


def test_of_very_many_columns_those_known_of_most_pictures_are_compared() -> None:
    one = view(1, n_per_class=30)
    for number in range(30):
        column = [None if row < number else str(row % 2) for row in range(len(one))]
        one = dataclasses.replace(one, images=one.images.append_column(f"meta.c{number:02d}", pa.array(column)))
    few = dataclasses.replace(one.neurons, values=one.neurons.values[:, :2], layers={"x": slice(0, 2)})
    found = {c.attribute for c in run(dataclasses.replace(one, neurons=few)).result.conditions}
    assert found == {"time", *(f"c{number:02d}" for number in range(24))}


def test_pictures_of_a_value_come_from_that_value() -> None:
    one = view(1, night=1.5)
    nights = {path for path, time in zip(one.column("path"), one.column("meta.time"), strict=True) if time == "night"}
    shown = next(c for c in run(one).result.conditions if c.value == "night").pictures
    assert {picture.path for picture in shown} <= nights


def test_the_order_of_the_rows_changes_nothing() -> None:
    one = dataclasses.replace(view(1, night=0.5), neighbours=None)
    order = np.random.default_rng(3).permutation(len(one))
    neurons = dataclasses.replace(one.neurons, values=one.neurons.values[order], border=one.neurons.border[order])
    mixed = dataclasses.replace(one, images=one.images.take(order), neurons=neurons)
    assert run(one).result == run(mixed).result


def test_more_pictures_than_are_judged_are_drawn_alike_from_every_value() -> None:
    config = CONDITIONS.config(max_images=60)
    result = CONDITIONS.compute([view(1)], config, np.random.default_rng(0)).result
    assert {one.n for one in result.conditions} <= {24, 30}


def test_a_dataset_without_splits_and_settings_says_so() -> None:
    bare = dataclasses.replace(view(1), neurons=None)
    section = CONDITIONS.section(run(bare).result)
    assert "no splits or settings" in section.summary
    assert section.findings == ()


def test_a_word_for_nothing_is_no_value() -> None:
    one = view(1, night=1.5)
    words = pa.array(["n/a" if time == "day" else time for time in one.column("meta.time")])
    place = one.images.schema.get_field_index("meta.time")
    blank = dataclasses.replace(one, images=one.images.set_column(place, "meta.time", words))
    assert "time" in {found.attribute for found in run(one).result.conditions}
    assert "time" not in {found.attribute for found in run(blank).result.conditions}
