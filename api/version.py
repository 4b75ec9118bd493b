"""The version of Assay that is running."""

from __future__ import annotations

from importlib import metadata

DISTRIBUTION = "assay-datasets"


def version() -> str:
    """Version of the installed distribution; ``0+unknown`` when run from a copy that is not installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+unknown"
