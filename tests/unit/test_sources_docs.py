"""The page on sources says everything that there is."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from storage.sources import Kind, SourceSpec
from storage.sources.columns import LABEL_NAMES, PATH_NAMES, SPLIT_NAMES
from storage.sources.layout import SPLITS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
SKIPS = ("system_file", "hidden", "nested_archive", "other_file", "not_a_file")


@pytest.mark.parametrize("name", SourceSpec.model_fields)
def test_every_setting_is_documented_and_described(name: str) -> None:
    assert f"| `{name}` |" in PAGE
    assert SourceSpec.model_fields[name].description


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_is_documented(kind: str) -> None:
    assert f"`{kind}`" in PAGE


@pytest.mark.parametrize("name", [*LABEL_NAMES, *PATH_NAMES, *SPLIT_NAMES, *SKIPS, *(name.decode() for name in SPLITS)])
def test_every_name_that_is_found_by_itself_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE
