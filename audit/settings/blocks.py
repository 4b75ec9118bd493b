"""The evidence of the settings analysis: what goes together, which settings were looked at, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from audit.report import Block, Column, ImagesBlock, TableBlock
from audit.settings.results import ContextGroup, Gallery, SettingsResult
from audit.shown import counted

Format = Literal["text", "integer", "number", "percent"]

_SOURCES = {"metadata": "metadata column", "context": "edges of the pictures", "text": "words and pictures"}


def blocks(result: SettingsResult) -> tuple[Block, ...]:
    """What goes together most, the settings, the pictures of common and uncommon settings, the contexts."""
    found: list[Block] = []
    if result.top:
        found.append(_associations(result))
    if result.attributes:
        found.append(_settings(result))
    if result.galleries:
        found.append(_galleries(result.galleries))
    if result.contexts.groups:
        found.append(_contexts(result))
    return tuple(found)


def columns_of(titles: Sequence[str], formats: Sequence[Format]) -> tuple[Column, ...]:
    """Columns headed so; text to the left, numbers to the right."""
    return tuple(
        Column(name=t.lower(), title=t, align="left" if f == "text" else "right", format=f)
        for t, f in zip(titles, formats, strict=True)
    )


def _associations(result: SettingsResult) -> TableBlock:
    return TableBlock(
        title="Classes and settings that go together most",
        columns=columns_of(
            ("Class", "Setting", "Value", "Images", "Of", "Share", "Smoothed from", "to", "p (family-wise)"),
            ("text", "text", "text", "integer", "integer", "percent", "percent", "percent", "number"),
        ),
        rows=result.top,
        source="settings",
        note="Share: images in the setting, of the images of the class whose setting is known. The interval is that "
        "of the smoothed share.",
    )


def _settings(result: SettingsResult) -> TableBlock:
    note = "Shared with the class: 0 is none, 1 is one tells the other (adjusted mutual information)."
    if result.ignored:
        note += " Columns that are no settings: "
        note += "; ".join(f"{name} ({reason})" for name, reason in list(result.ignored.items())[:6]) + "."
    return TableBlock(
        title="Settings that were looked at",
        columns=columns_of(
            ("Setting", "Read from", "Values", "Images known", "Shared with the class"),
            ("text", "text", "integer", "integer", "number"),
        ),
        rows=tuple((a.name, _SOURCES[a.source], a.n_values, a.n_known, a.shared) for a in result.attributes),
        note=note,
    )


def _galleries(shown: Sequence[Gallery]) -> ImagesBlock:
    captions = tuple(
        f"{one.label}: {_usual(one)} of the {counted(one.n_uncommon, 'picture')} of {one.n:,} in uncommon ones"
        for one in shown
    )
    return ImagesBlock(
        title="Each class in its most common and its most uncommon settings",
        groups=tuple((*one.common, *one.uncommon) for one in shown),
        captions=captions,
        note="Every picture with its state: tables/splits.parquet.",
    )


def _usual(one: Gallery) -> str:
    if not one.common:
        return f"{len(one.uncommon)}"
    return f"first {counted(len(one.common), 'picture')} in common settings, then {len(one.uncommon)}"


def _contexts(result: SettingsResult) -> ImagesBlock:
    groups = result.contexts.groups
    return ImagesBlock(
        title="Contexts: pictures whose surroundings look alike",
        groups=tuple(group.pictures for group in groups),
        captions=tuple(_context_caption(group) for group in groups),
        note=f"The pictures nearest the centre of each, from several classes. {_follows(result)}The context of every "
        "picture: tables/contexts.parquet.",
    )


def _context_caption(group: ContextGroup) -> str:
    shares = ", ".join(f"{here / of:.0%} of {label}" for label, here, of in group.classes[:5])
    more = f" and {counted(len(group.classes) - 5, 'class', 'classes')} more" if len(group.classes) > 5 else ""
    return f"{group.name}, {counted(group.n, 'picture')}: {shares}{more}"


def _follows(result: SettingsResult) -> str:
    contexts = result.contexts
    if not contexts.follow_classes:
        return ""
    return (
        f"{contexts.n_one_sided} of {contexts.n_classes} classes lie almost wholly in one of them, so they may show "
        "the objects themselves. "
    )
