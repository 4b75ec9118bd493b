"""The evidence of the settings analysis: what goes together, which settings were looked at, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from audit.report import Block, Column, ImagesBlock, TableBlock, TextBlock
from audit.settings.attributes import MISSING
from audit.settings.results import About, ContextGroup, Gallery, GapRow, SettingsResult, TopRow
from audit.settings.text import UNKNOWN
from audit.shown import counted

Format = Literal["text", "integer", "number", "percent"]

_SOURCES = {"metadata": "metadata column", "context": "edges of the pictures", "text": "texts"}


def blocks(result: SettingsResult) -> tuple[Block, ...]:
    """What goes together most, the settings, the pictures of common and uncommon settings, the contexts."""
    found: list[Block] = []
    if together := _told(result):
        found.append(_associations(result, together))
    if result.attributes:
        found.append(_settings(result))
    if result.gaps:
        found.append(_gaps(result))
    found += [_confusion(about) for about in result.attributes if about.confusion]
    if result.galleries:
        found.append(_galleries(result.galleries, result.config.tau, _doubt(result)))
    if result.contexts.groups:
        found.append(_contexts(result))
    return tuple(found)


def columns_of(titles: Sequence[str], formats: Sequence[Format]) -> tuple[Column, ...]:
    """Columns headed so; text to the left, numbers to the right."""
    return tuple(
        Column(name=t.lower(), title=t, align="left" if f == "text" else "right", format=f)
        for t, f in zip(titles, formats, strict=True)
    )


def _told(result: SettingsResult) -> tuple[TopRow, ...]:
    """The strongest associations, without what texts do not tell; with a question mark where nobody calibrated them."""
    about = {one.name: one for one in result.attributes}
    rows = [row for row in result.top if row[2] != MISSING or about[row[1]].source != "text"]
    return tuple(row if about[row[1]].is_measured else (*row[:2], f"{row[2]}?", *row[3:]) for row in rows)


def _doubt(result: SettingsResult) -> str:
    """What a question mark means, where there is one."""
    if all(about.is_measured for about in result.attributes):
        return ""
    return " With a question mark: as texts have it, which nobody checked."


def _associations(result: SettingsResult, rows: tuple[TopRow, ...]) -> TableBlock:
    return TableBlock(
        title="Classes and settings that go together most",
        columns=columns_of(
            ("Class", "Setting", "Value", "Images", "Of", "Share", "Smoothed from", "to", "p (family-wise)"),
            ("text", "text", "text", "integer", "integer", "percent", "percent", "percent", "number"),
        ),
        rows=rows,
        source="settings",
        note="Share: images in the setting, of the images of the class whose setting is known. The interval is that "
        f"of the smoothed share.{_doubt(result)}",
    )


def _settings(result: SettingsResult) -> TableBlock:
    note = "Shared with the class: 0 is none, 1 is one tells the other (adjusted mutual information)."
    if result.ignored:
        note += " Columns that are no settings: "
        note += "; ".join(f"{name} ({reason})" for name, reason in list(result.ignored.items())[:6]) + "."
    names: list[str] = ["Setting", "Read from", "Values", "Images known", "Shared with the class"]
    formats: list[Format] = ["text", "text", "integer", "integer", "number"]
    rows = [(a.name, _SOURCES[a.source], a.n_values, a.n_known, a.shared) for a in result.attributes]
    if not any(about.note for about in result.attributes):
        title = "Settings that were looked at"
        return TableBlock(title=title, columns=columns_of(names, formats), rows=tuple(rows), note=note)
    return TableBlock(
        title="Settings that were looked at",
        columns=columns_of([*names, "Note"], [*formats, "text"]),
        rows=tuple((*row, about.note) for row, about in zip(rows, result.attributes, strict=True)),
        note=note,
    )


def _confusion(about: About) -> TableBlock:
    return TableBlock(
        title=f"What people saw and what the texts said: {about.name}",
        columns=columns_of(("Seen by people", "Told by texts", "Images"), ("text", "text", "integer")),
        rows=about.confusion[:50],
        note=f"{_agreement(about)} Scores are {about.note}.",
    )


def _agreement(about: About) -> str:
    """In how many of the audited pictures the texts agree with people, and of how many they say nothing."""
    silent = sum(n for _, told, n in about.confusion if told == UNKNOWN)
    told = sum(n for *_, n in about.confusion) - silent
    right = sum(n for seen, said, n in about.confusion if said == seen)
    return (
        f"The texts say what people saw of {right:,} of the {counted(told, 'audited picture')} of which they say "
        f"anything, and nothing of {silent:,} others."
    )


def _gaps(result: SettingsResult) -> Block:
    title = "How much worse the model is in uncommon settings"
    if all(gap.gap is None for gap in result.gaps):
        why = f"Not shown: {result.gaps[0].note}. A setting is uncommon below {result.config.tau:.0%} (tau)."
        return TextBlock(title=title, text=why)
    names = ["Class", "Setting", "Common", "Uncommon", "Right in common", "Right in uncommon", "Gap", "from", "to"]
    formats: list[Format] = ["text", "text", "integer", "integer", "percent", "percent", "number", "number", "number"]
    is_corrected = any(gap.corrected is not None for gap in result.gaps)
    if is_corrected:
        names, formats = [*names, "Corrected"], [*formats, "number"]
    note = "Gap in percentage points: right in common less right in uncommon settings; over all classes it compares "
    note += "within each class. Why a number is not shown is in the table."
    if is_corrected:
        note += " Corrected: for settings that were read wrongly, by the sample that people looked at."
    rows = tuple(_gap_row(gap, is_corrected=is_corrected) for gap in result.gaps)
    return TableBlock(title=title, columns=columns_of(names, formats), rows=rows, source="gaps", note=note)


def _gap_row(gap: GapRow, *, is_corrected: bool) -> tuple[str | int | float | None, ...]:
    names = gap.label or "all", gap.attribute or "any"
    accuracies = gap.accuracy_common, gap.accuracy_uncommon
    differences = (gap.gap, gap.low, gap.high, *((gap.corrected,) if is_corrected else ()))
    points = (None if value is None else 100 * value for value in differences)
    return (*names, gap.n_common, gap.n_uncommon, *accuracies, *points)


def _galleries(shown: Sequence[Gallery], tau: float, doubt: str) -> ImagesBlock:
    return ImagesBlock(
        title="Each class in its most usual and in its rarest settings",
        groups=tuple((*one.common, *one.rare) for one in shown),
        captions=tuple(_gallery_caption(one) for one in shown),
        note=f"Rare: fewer than 25% of the class. Uncommon: fewer than {tau:.0%}, beyond doubt. Every picture with its "
        f"state: tables/splits.parquet.{doubt}",
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
