"""The evidence of the settings analysis: what goes together, which settings were looked at, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from audit.report import Block, Column, ImagesBlock, TableBlock
from audit.settings.results import About, ContextGroup, Gallery, SettingsResult
from audit.shown import counted

Format = Literal["text", "integer", "number", "percent"]

_SOURCES = {"metadata": "metadata column", "context": "edges of the pictures", "text": "texts near the pictures"}


def blocks(result: SettingsResult) -> tuple[Block, ...]:
    """What goes together most, the settings, the pictures of common and uncommon settings, the contexts."""
    found: list[Block] = []
    if result.top:
        found.append(_associations(result))
    if result.attributes:
        found.append(_settings(result))
    if result.gaps:
        found.append(_gaps(result))
    found += [_confusion(about) for about in result.attributes if about.confusion]
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
            ("Setting", "Read from", "Values", "Images known", "Shared with the class", "Note"),
            ("text", "text", "integer", "integer", "number", "text"),
        ),
        rows=tuple((a.name, _SOURCES[a.source], a.n_values, a.n_known, a.shared, a.note) for a in result.attributes),
        note=note,
    )


def _confusion(about: About) -> TableBlock:
    return TableBlock(
        title=f"What people saw and what the texts said: {about.name}",
        columns=columns_of(("Seen by people", "Told by texts", "Images"), ("text", "text", "integer")),
        rows=about.confusion[:50],
        note=f"{about.note}.",
    )


def _gaps(result: SettingsResult) -> TableBlock:
    rows = tuple(
        (
            gap.label or "all",
            gap.attribute or "any",
            gap.n_common,
            gap.n_uncommon,
            gap.accuracy_common,
            gap.accuracy_uncommon,
            *(None if v is None else 100 * v for v in (gap.gap, gap.low, gap.high, gap.corrected)),
            gap.note,
        )
        for gap in result.gaps
    )
    titles = ("Class", "Setting", "Common", "Uncommon", "Right in common", "Right in uncommon", "Gap", "from", "to")
    formats: tuple[Format, ...] = ("text", "text", "integer", "integer", "percent", "percent", "number", "number")
    return TableBlock(
        title="How much worse the model is in uncommon settings",
        columns=columns_of((*titles, "Corrected", "Note"), (*formats, "number", "number", "text")),
        rows=rows,
        source="gaps",
        note="Gap in percentage points: right in common less right in uncommon settings; over all classes it compares "
        "within each class. Corrected: for settings that were read wrongly, where people looked at a sample.",
    )


def _galleries(shown: Sequence[Gallery]) -> ImagesBlock:
    return ImagesBlock(
        title="Each class in its most usual and in its rarest settings",
        groups=tuple((*one.common, *one.rare) for one in shown),
        captions=tuple(_gallery_caption(one) for one in shown),
        note="Rare: fewer than a quarter of the class. Uncommon: fewer than a tenth, beyond doubt. Every picture with "
        "its state: tables/splits.parquet.",
    )


def _gallery_caption(one: Gallery) -> str:
    sure = f", {one.n_uncommon:,} of them uncommon" if one.n_uncommon else ""
    return f"{one.label}: usual settings first, then rare ones ({one.n_rare:,} of {one.n:,} pictures{sure})"


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
