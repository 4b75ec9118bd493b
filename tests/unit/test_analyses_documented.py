"""The page on analyses names every registered analysis, every table it writes, and nothing that does not exist."""

import re
from pathlib import Path

from audit.analyses.base import analyses

DOCS = Path(__file__).parents[2] / "docs" / "analyses.md"


def sections():
    text = DOCS.read_text(encoding="utf-8")
    parts = re.split(r"^## .*\(`(\w+)`\)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_registered_analysis_has_a_section_and_every_section_an_analysis():
    assert sections().keys() == {a.name for a in analyses()}


def test_every_table_is_named_in_the_section_of_its_analysis():
    found = sections()
    missing = [(a.name, t) for a in analyses() for t in a.tables if f"`{t}`" not in found.get(a.name, "")]
    assert missing == []
