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
        "n_bursts": [60, 90],
        "design_effect": [4.0, 1.5],
        "weights_fingerprint": "a" * 64,
        "layers": [{"layer": "edges", "distance": 0.7, "floor": 0.1}, {"layer": "colour", "distance": 0.3}],
    },
    "two_sample": {"auc": 0.9, "auc_low": 0.85, "auc_high": 0.94, "p_value": 0.001, "mmd": 0.2},
    "frechet": {"value": 0.2, "low": 0.18, "high": 0.22, "null_low": 0.01, "null_high": 0.03},
    "kernel_distances": {
        "kid": {"value": 0.1, "low": 0.09, "high": 0.12, "null_low": -0.01, "null_high": 0.01, "p_value": 0.001},
        "cmmd": {"value": 2.0, "low": 1.5, "high": 2.5, "null_low": -0.1, "null_high": 0.1, "p_value": 0.002},
    },
    "coverage": {
        "shares": [
            {"name": "coverage", "direction": "candidate against reference", "value": 0.8, "null_low": 0.9},
            {"name": "coverage", "direction": "reference against candidate", "value": 0.7, "null_low": 0.92},
        ]
    },
}


def test_every_number_promised_is_there() -> None:
    value = comparison_json(RESULTS)
    assert (value["dna"]["distance"], value["dna"]["floor"], value["dna"]["corrected"]) == (0.5, 0.1, 0.49)
    assert value["dna"]["layers"] == {"edges": 0.7, "colour": 0.3}
    assert (value["dna"]["n_bursts"], value["dna"]["design_effect"]) == ([60, 90], [4.0, 1.5])
    assert value["dna"]["weights"] == "a" * 64
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
    for name in ("two_sample", "frechet", "kid", "cmmd", "class_parts"):
        assert set(value[name].values()) == {None}
    assert value["coverage"]["precision"]["value"] is None
    assert value["coverage"]["reverse"]["recall"]["null_high"] is None


def test_kernel_distances_come_with_interval_null_band_and_p_value() -> None:
    value = comparison_json(RESULTS)
    assert value["kid"] == RESULTS["kernel_distances"]["kid"]
    assert value["cmmd"] == RESULTS["kernel_distances"]["cmmd"]


def test_distances_that_there_were_too_few_images_for_are_null() -> None:
    value = comparison_json({"kernel_distances": {"kid": None, "cmmd": None}})
    assert set(value["kid"].values()) == {None}


def test_what_is_left_with_equal_class_shares_is_given() -> None:
    found = comparison_json({"class_parts": {"share": 0.7, "share_low": 0.6, "n_left_out": 3}})["class_parts"]
    assert (found["share"], found["share_low"], found["p_value"]) == (0.7, 0.6, None)
    assert "n_left_out" not in found


def test_coverage_is_given_both_ways() -> None:
    found = comparison_json(RESULTS)["coverage"]
    assert (found["coverage"]["value"], found["coverage"]["null_low"]) == (0.8, 0.9)
    assert found["reverse"]["coverage"]["value"] == 0.7
