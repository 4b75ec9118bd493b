"""The numbers of a comparison under names that do not change, for ``assay compare --json``.

Results of analyses may grow fields and change version; this is the one place that knows where each number is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.analyses.coverage import FORWARD

NO_P_VALUE = "Not available: judge the distance by its ratio to the floor, which is what sampling alone would show."

Results = Mapping[str, Mapping[str, Any]]
"""Analysis → its result as plain JSON."""


def comparison_json(results: Results) -> dict[str, Any]:
    """The numbers of a comparison; null where an analysis failed, was skipped or gives none.

    Parameters
    ----------
    results : mapping
        Result of each analysis that has one.
    """
    kernel = results.get("kernel_distances", {})
    return {
        "dna": _dna(results.get("visual_dna", {})),
        "two_sample": _taken(results.get("two_sample"), *_TWO_SAMPLE),
        "frechet": _taken(results.get("frechet"), *_FRECHET),
        "kid": _taken(kernel.get("kid"), *_KERNEL),
        "cmmd": _taken(kernel.get("cmmd"), *_KERNEL),
        "coverage": _coverage(results.get("coverage", {})),
        "class_parts": _taken(results.get("class_parts"), *_CLASS_PARTS),
        "translation": results.get("translation"),
    }


_BAND = ("value", "low", "high", "null_low", "null_high")
_TWO_SAMPLE = (
    "auc",
    "auc_low",
    "auc_high",
    "auc_null_low",
    "auc_null_high",
    "p_value",
    "mmd",
    "mmd_null_high",
    "mmd_p_value",
)
_FRECHET = (*_BAND, "infinite", "infinite_low", "infinite_high", "null_infinite")
_CLASS_PARTS = (
    "total",
    "total_low",
    "total_high",
    "remaining",
    "remaining_low",
    "remaining_high",
    "share",
    "share_low",
    "share_high",
    "p_value",
    "auc_matched",
)
_KERNEL = (*_BAND, "p_value")


def _taken(result: Mapping[str, Any] | None, *names: str) -> dict[str, Any]:
    return {name: (result or {}).get(name) for name in names}


def _dna(result: Mapping[str, Any]) -> dict[str, Any]:
    p_value = result.get("p_value")
    return {
        **_taken(result, "distance", "floor", "corrected", "ratio", "low", "high", "null_high"),
        "p_value": p_value,
        "p_value_note": "" if p_value is not None else result.get("p_value_note", NO_P_VALUE),
        **_taken(result, "n_bursts", "design_effect"),
        "weights": result.get("weights_fingerprint") or None,
        "layers": {layer["layer"]: layer["distance"] for layer in result.get("layers", ())},
    }


def _coverage(result: Mapping[str, Any]) -> dict[str, Any]:
    """Every measure both ways: the candidate against the reference by its name, the other way under ``reverse``."""
    known = {(share["direction"] == FORWARD, share["name"]): share for share in result.get("shares", ())}
    forward, backward = (
        {name: _taken(known.get((way, name)), *_BAND) for name in ("precision", "recall", "density", "coverage")}
        for way in (True, False)
    )
    return {**forward, "reverse": backward}
