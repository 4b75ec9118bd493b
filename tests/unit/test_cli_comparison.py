"""The numbers of a comparison under names that do not change."""

from __future__ import annotations

from api.cli.comparison import NO_P_VALUE, comparison_json

RESULTS = {
    "visual_dna": {
        "distance": 0.5,
        "floor": 0.1,
        "corrected": 0.49,
        "ratio": 5.0,
        "low": 0.45,
        "high": 0.53,
        "layers": [{"layer": "edges", "distance": 0.7, "floor": 0.1}, {"layer": "colour", "distance": 0.3}],
    },
    "two_sample": {"auc": 0.9, "auc_low": 0.85, "auc_high": 0.94, "p_value": 0.001, "mmd": 0.2},
    "frechet": {"value": 0.2, "low": 0.18, "high": 0.22, "null_low": 0.01, "null_high": 0.03},
}


def test_every_number_promised_is_there() -> None:
    value = comparison_json(RESULTS)
    assert (value["dna"]["distance"], value["dna"]["floor"], value["dna"]["corrected"]) == (0.5, 0.1, 0.49)
    assert value["dna"]["layers"] == {"edges": 0.7, "colour": 0.3}
    assert (value["two_sample"]["auc"], value["two_sample"]["p_value"]) == (0.9, 0.001)
    frechet = value["frechet"]
    assert (frechet["value"], frechet["null_low"], frechet["null_high"]) == (0.2, 0.01, 0.03)


def test_a_p_value_that_is_not_available_is_null_with_the_reason() -> None:
    dna = comparison_json(RESULTS)["dna"]
    assert (dna["p_value"], dna["p_value_note"]) == (None, NO_P_VALUE)


def test_a_p_value_that_is_there_has_no_note() -> None:
    dna = comparison_json({"visual_dna": RESULTS["visual_dna"] | {"p_value": 0.01}})["dna"]
    assert (dna["p_value"], dna["p_value_note"]) == (0.01, "")


def test_numbers_of_an_analysis_that_failed_are_null() -> None:
    value = comparison_json({})
    assert value["dna"]["distance"] is None
    assert value["dna"]["layers"] == {}
    assert value["two_sample"] == {"auc": None, "auc_low": None, "auc_high": None, "p_value": None}
    assert set(value["frechet"].values()) == {None}
