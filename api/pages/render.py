"""Records of audits as HTML."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.durations import ago, duration
from api.version import version
from storage.records import Audit, Status

if TYPE_CHECKING:
    from markupsafe import Markup

    from api.pages.audited import Entry, HeatMap

TEMPLATES = Path(__file__).parent / "templates"

_TONES = {
    Status.QUEUED: "info",
    Status.RUNNING: "info",
    Status.DONE: "ok",
    Status.FAILED: "problem",
    Status.CANCELLED: "attention",
}
_WORDS = {
    Status.QUEUED: "Waiting",
    Status.RUNNING: "Running",
    Status.DONE: "Ready",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
}


def render_page(
    audits: Sequence[Audit], following: str | None, *, nonce: str, error: str, entered: Mapping[str, str]
) -> str:
    """The whole page.

    Parameters
    ----------
    audits : sequence of Audit
        One page of them, newest first.
    following : str or None
        Cursor of the next page.
    nonce : str
        What the page's policy allows its style and script by.
    error : str
        Why the form was refused, or nothing.
    entered : mapping
        What the form held when it was refused.
    """
    return (
        _environment()
        .get_template("home.html")
        .render(
            **_listed(audits, following),
            nonce=nonce,
            error=error,
            entered=entered,
            version=version(),
            stylesheet=_stylesheet(),
        )
    )


def render_list(audits: Sequence[Audit], following: str | None) -> str:
    """Only the list, to replace the one that is shown."""
    return _environment().get_template("list.html").render(**_listed(audits, following))


def render_compare(
    entries: Mapping[str, Sequence[Entry]],
    chosen: Mapping[str, Any],
    *,
    nonce: str,
    most: int,
    error: str = "",
    pair: tuple[Entry, Entry] | None = None,
    difference: tuple[Markup, str] | None = None,
    heat_map: HeatMap | None = None,
) -> str:
    """The page that compares what was audited.

    Parameters
    ----------
    entries : of each extractor the datasets that can be compared
    chosen : what the forms hold: ``reference``, ``candidate``, ``datasets``
    most : datasets in a matrix
    difference : body and style of the answer for ``pair``
    """
    from audit.render import script

    style = _stylesheet() + (TEMPLATES / "compare.css").read_text("utf-8")
    if heat_map is not None:
        from audit.render.dendrogram import dendrogram_svg

        tree = dendrogram_svg(heat_map.tree, [entry.name for entry in heat_map.entries])
    return (
        _environment()
        .get_template("compare.html")
        .render(
            entries=entries,
            chosen=chosen,
            most=most,
            nonce=nonce,
            error=error,
            pair=pair,
            answer=None if difference is None else difference[0],
            heat_map=heat_map,
            tree=None if heat_map is None else tree,
            can_compare=any(len(found) > 1 for found in entries.values()),
            version=version(),
            stylesheet=(difference[1] if difference else "") + style,
            script=script() if difference else "",
        )
    )


def _listed(audits: Sequence[Audit], following: str | None) -> dict[str, Any]:
    rows = [row(audit, now=time.time()) for audit in audits]
    return {"rows": rows, "following": following, "is_busy": any(not audit.status.ended for audit in audits)}


def row(audit: Audit, *, now: float) -> dict[str, Any]:
    """What the list shows of an audit; ``now`` in seconds since 1970."""
    progress = audit.progress
    share = progress.done / progress.total if progress.total else None
    facts = [f"{progress.done:,} of {progress.total:,} {progress.unit}"] if progress.total else []
    if progress.images_per_s:
        facts.append(f"{progress.images_per_s:,.0f} images/s")
    if progress.eta_s is not None:
        facts.append(f"{duration(progress.eta_s)} left")
    if progress.at_since is not None:
        facts.append(f"{progress.at} for {duration(now - progress.at_since)}")
    return {
        "id": audit.id,
        "title": audit.title or audit.id,
        "kind": "Comparison" if audit.kind == "comparison" else "Audit",
        "tone": _TONES[audit.status],
        "word": _WORDS[audit.status],
        "is_done": audit.status is Status.DONE,
        "is_busy": not audit.status.ended,
        "stage": progress.stage,
        "share": share,
        "facts": " · ".join(fact.replace(" ", "\u00a0") for fact in facts),
        "error": audit.error,
        "n_failed": audit.n_failed,
        "extractor": audit.request.extractor,
        "age": ago(now - audit.created_at),
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _stylesheet() -> str:
    from audit.render import stylesheet

    return stylesheet() + (TEMPLATES / "home.css").read_text("utf-8")
