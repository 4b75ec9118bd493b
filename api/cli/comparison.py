"""The numbers of a comparison under names that do not change, for ``assay compare --json``.

Results of analyses may grow fields and change version; this is the one place that knows where each number is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    return {
        "dna": _dna(results.get("visual_dna", {})),
        "two_sample": _two_sample(results.get("two_sample", {})),
        "frechet": _frechet(results.get("frechet", {})),
    }


def _dna(result: Mapping[str, Any]) -> dict[str, Any]:
    p_value = result.get("p_value")
    return {
        **{name: result.get(name) for name in ("distance", "floor", "corrected", "ratio", "low", "high")},
        "p_value": p_value,
        "p_value_note": "" if p_value is not None else result.get("p_value_note", NO_P_VALUE),
        "layers": {layer["layer"]: layer["distance"] for layer in result.get("layers", ())},
    }


def _two_sample(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result.get(name) for name in ("auc", "auc_low", "auc_high", "p_value")}


def _frechet(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result.get(name) for name in ("value", "low", "high", "null_low", "null_high")}
