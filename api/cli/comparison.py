"""The numbers of a comparison under names that do not change, for ``assay compare --json``."""

from __future__ import annotations
