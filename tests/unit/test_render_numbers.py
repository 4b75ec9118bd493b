"""Numbers and names as people read them."""

from __future__ import annotations

import doctest
import math

import pytest

from audit.render import intervals, names, numbers, widths
from audit.report import Metric


@pytest.mark.parametrize("module", [numbers, names, intervals, widths])
def test_the_examples_in_the_docstrings_hold(module) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0193, "−0.0193"),
        (999.6, "1,000"),
        (0.9996, "1.00"),
        (0.850, "0.850"),
        (0.001, "0.001"),
        (0.00120, "0.0012"),
        (-0.0050, "−0.005"),
        (1e15, "1.00 × 10¹⁵"),
        (math.nan, "–"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert numbers.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (1e-17, "0%"),
        (0.99999, "100%"),
        (0.0099, "1.0%"),
        (0.00996, "1.0%"),
        (0.00262, "0.3%"),
        (0.00094, "0.09%"),
        (0.00097, "0.1%"),
        (0.000046, "0.005%"),
        (1e-8, "1.00 × 10⁻⁶%"),
        (-0.02, "−2.0%"),
    ],
)
def test_shares_are_percent(share: float, text: str) -> None:
    assert numbers.percent(share) == text


def test_a_value_without_interval_has_none() -> None:
    assert numbers.interval(Metric(name="x", value=1.0, low=0.5)) == ""


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(None, "percent", "–"), ("=1+1", "number", "=1+1"), (0.5, "percent", "50.0%"), (1204, "bytes", "1.20 KB")],
)
def test_cells_follow_their_column(value, form, text: str) -> None:
    assert numbers.cell(value, form) == text


@pytest.mark.parametrize(("value", "text"), [(1.0, "1.00"), (-2.0, "−2.00"), (0.0, "0"), (64.0, "64"), (3, "3")])
def test_a_measured_number_that_is_whole_keeps_the_decimals_of_its_column(value, text: str) -> None:
    assert numbers.cell(value, "number") == text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("-17.4% (-21.6% to -13.4%)", "−17.4% (−21.6% to −13.4%)"),
        ("at 95 %, 1 % is usual", "at 95%, 1% is usual"),
        ("re-saved 2020-01-02 as a-3.jpg", "re-saved 2020-01-02 as a-3.jpg"),
        ("3-5 pictures", "3-5 pictures"),
    ],
)
def test_prose_has_true_minus_signs_and_no_space_before_percent(written: str, shown: str) -> None:
    assert names.prose(written) == shown


def test_a_heading_begins_with_a_capital_unless_a_name_or_a_symbol_does() -> None:
    assert names.heading("share of gull") == "Share of gull"
    assert names.heading("p (family-wise)") == "p (family-wise)"
    assert names.heading("night also in day", {"night", "day"}) == "night also in day"
    assert names.heading("iPhone_2 pictures") == "iPhone_2 pictures"
    assert names.heading("") == ""


def test_a_zero_in_a_scientific_column_is_a_zero() -> None:
    assert numbers.cell(0.0, "scientific") == "0"


@pytest.mark.parametrize("hidden", ["\u202e", "\n", "\x00", "\u200b", "\udc80", "\u2028", "\U000e0041"])
def test_characters_that_hide_or_turn_text_become_visible(hidden: str) -> None:
    shown = names.visible(f"a{hidden}b")
    assert hidden not in shown
    assert shown.startswith("a\\")


@pytest.mark.parametrize("text", ["صور/طائر.jpg", "naïve café.png", "犬/🐕.webp", "می\u200cخواهم.jpg"])
def test_ordinary_names_of_every_script_stay_as_they_are(text: str) -> None:
    assert names.visible(text) == text


def test_a_path_is_its_folder_and_its_name() -> None:
    path = "train/gull/a.jpg"
    assert (names.folder(path), names.file_name(path)) == ("train/gull/", "a.jpg")


def test_the_scale_of_a_share_ends_at_one() -> None:
    metric = Metric(name="x", value=0.97, low=0.95, high=0.99, unit="share")
    assert intervals.scale(metric) == (0.0, 1.0)


def test_the_scale_of_a_difference_reaches_below_zero() -> None:
    assert intervals.scale(Metric(name="x", value=0.5, low=-0.9, high=1.5)) == (-1.0, 1.5)


def test_the_interval_is_drawn_where_it_lies_on_a_line_from_zero_to_eighty_percent() -> None:
    drawn = str(intervals.interval_bar(Metric(name="x", value=0.5, low=0.25, high=0.75, unit="share")))
    assert 'class="band" x="55.0" y="2" width="110.0"' in drawn
    assert 'class="tick" x="109.0"' in drawn


def test_a_number_without_interval_is_not_drawn() -> None:
    assert intervals.interval_bar(Metric(name="x", value=3.0)) == ""
