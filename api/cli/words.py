"""Words that options take."""

from __future__ import annotations

from typing import Literal

Kind = Literal["auto", "folder", "zip", "tar", "csv", "parquet", "coco"]
"""How a source is read: the kinds of :class:`storage.sources.SourceSpec`, whose import is slow (a test compares)."""

FailOn = Literal["attention", "problem"]
"""The verdict from which ``--fail-on`` fails."""
