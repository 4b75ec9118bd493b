"""Extractors and analyses of this installation as plain values, for the API and the command line alike."""

from __future__ import annotations

from typing import Any


def extractor_rows() -> list[dict[str, Any]]:
    """Every extractor this installation knows."""
    from audit.extractors import describe_extractors

    return [info.model_dump(mode="json") for info in describe_extractors()]


def analysis_rows() -> list[dict[str, Any]]:
    """Every analysis with the JSON schema of its configuration, in report order."""
    from audit.analyses.base import analyses

    return [
        {
            "name": one.name,
            "version": one.version,
            "title": one.title,
            "question": one.question,
            "datasets": one.datasets,
            "needs": sorted(one.needs),
            "tables": list(one.tables),
            "source": one.source,
            "config": one.config.model_json_schema(),
        }
        for one in analyses()
    ]
