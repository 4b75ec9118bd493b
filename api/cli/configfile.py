"""A configuration file for ``assay audit`` and ``assay compare``: JSON or TOML, checked before anything slow starts.

::

    extractor = "classical"
    seed = 7
    skip = ["labels"]

    [analyses.outliers]
    k = 20
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from storage.records import AuditRequest

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
    return value


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


def check_request(request: AuditRequest, *, datasets: int) -> None:
    """Check the configuration of every analysis a request names, before anything slow starts.

    Raises
    ------
    ConfigError
        If an analysis does not exist, or its configuration cannot be used.
    """
    from pydantic import ValidationError

    from audit.analyses.base import analysis

    for name in request.skip:
        analysis(name)
    for name, values in request.analyses.items():
        chosen = analysis(name)
        if chosen.datasets > datasets:
            raise ConfigError(f"the analysis {name!r} compares two datasets; configure it for assay compare.")
        try:
            chosen.config.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"the configuration of {name!r} cannot be used: {_told(error)}.") from error


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']} (got {one['input']!r:.80})"
        for one in error.errors()
    )
