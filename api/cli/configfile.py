"""A configuration file for ``assay audit`` and ``assay compare``: JSON or TOML, checked before anything slow starts.

::

    extractor = "bundled"
    seed = 7
    skip = ["labels"]

    [analyses.outliers]
    k = 20

    [analyses.visual_dna]
    weights = "stripes.json"    # a file of assay dna select, beside this one
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from audit.errors import ConfigError

MAX_BYTES = 1 << 20


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file into the fields of an audit request.

    Raises
    ------
    ConfigError
        If it cannot be read, is neither JSON nor TOML, or does not hold a table.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror or error}; give a file that can be read.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"--config {path} is larger than {MAX_BYTES:,} bytes; that is no configuration.")
    value = _parse(path, data)
    if not isinstance(value, dict):
        raise ConfigError(f"--config {path} must hold an object at its top, not {type(value).__name__}.")
    return _with_weights(path, value)


def _with_weights(path: Path, value: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the file of neuron weights that it names, if any, read in its place.

    Raises
    ------
    ConfigError
        If it cannot be read or holds no saved weights.
    """
    analyses = value.get("analyses")
    asked = analyses.get("visual_dna") if isinstance(analyses, dict) else None
    if not isinstance(analyses, dict) or not isinstance(asked, dict) or not isinstance(asked.get("weights"), str):
        return value
    from audit.dna.weights import NeuronWeights

    file = path.parent / asked["weights"]
    try:
        weights = NeuronWeights.from_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"--config {path}: the weights {file} cannot be read: {error.strerror or error}; name a file of assay dna "
            "select, by a path from the configuration file."
        ) from error
    return {**value, "analyses": {**analyses, "visual_dna": {**asked, "weights": weights.plain()}}}


def _parse(path: Path, data: bytes) -> Any:
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return json.loads(data)
        if suffix == ".toml":
            return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--config {path} is not valid {suffix[1:].upper()}: {error}") from error
    raise ConfigError(f"--config {path} ends in {suffix or 'nothing'!r}; give a .json or .toml file.")
