"""What the analyses of an audit share, and which steps make it: the search for copies, parts of pictures, texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from audit.analyses.base import Analysis, Need
from audit.duplicates.find import SEARCH_VERSION
from audit.extractors import embeds_text
from audit.fingerprint import fingerprint
from audit.parts.sample import choose
from storage.artefacts import Artefacts
from storage.records import StepDraft
from storage.sources.shards import usable
from workers.steps.params import PARTS_VERSION, CopiesParams, PartsParams, TextsParams, ViewRef

CHUNK = 256
"""Pictures of one step; so much of the work is lost when a worker is killed."""

TEXTS = 256
"""Texts of one step."""

TEXTS_VERSION = 2
"""Goes up whenever the same texts and extractor can give other vectors."""


def copies_name(embedding_set: str) -> str:
    """Name of the search for copies in an embedding set, given its fingerprint."""
    return fingerprint("copies", {"version": SEARCH_VERSION, "set": embedding_set})


def plan_copies(views: Iterable[ViewRef]) -> Iterator[StepDraft]:
    """One step for every dataset."""
    for place, view in enumerate(views):
        params = CopiesParams(embedding_set=view.embedding_set, fingerprint=copies_name(view.fingerprint))
        yield StepDraft(name=f"copies-{place}", params=params.model_dump(mode="json"))


def needs_parts(analyses: Iterable[Analysis], images: pa.Table) -> bool:
    """Whether one of the analyses reads parts of pictures and can run on these images."""
    is_labelled = images.column("label").null_count < images.num_rows
    return any(Need.PARTS in one.needs and (is_labelled or Need.LABELS not in one.needs) for one in analyses)


def plan_parts(
    artefacts: Artefacts, place: int, view: ViewRef, made_with: dict[str, Any], analyses: Iterable[Analysis]
) -> Iterator[StepDraft]:
    """Steps of some pictures each, by what the pictures hold; none if nobody needs parts of them.

    Parameters
    ----------
    place : int
        Of the dataset in the audit.
    made_with : dict
        ``extractor``, ``extractor_fingerprint``, ``n_parts`` and ``max_pixels``.
    """
    columns = ["status", "label", "content_hash", "box"]
    images = usable(artefacts.open("embedding_set", view.embedding_set).table("images.parquet", columns))
    if not needs_parts(analyses, images):
        return
    hashes, boxes = images.column("content_hash").to_pylist(), images.column("box").to_pylist()
    rows = choose(hashes, images.column("label").to_pylist(), made_with["n_parts"]).tolist()
    for number, start in enumerate(range(0, len(rows), CHUNK)):
        chunk = rows[start : start + CHUNK]
        contents = hashlib.sha256(repr([(hashes[row], boxes[row]) for row in chunk]).encode()).hexdigest()
        made_of = {"version": PARTS_VERSION, "contents": contents, "rows": chunk, "set": view.fingerprint}
        params = PartsParams(
            embedding_set=view.embedding_set,
            source=view.source,
            extractor=made_with["extractor"],
            extractor_fingerprint=made_with["extractor_fingerprint"],
            rows=tuple(chunk),
            fingerprint=fingerprint("parts", made_of | {"max_pixels": made_with["max_pixels"]}),
        )
        yield StepDraft(name=f"parts-{place}-{number:06d}", params=params.model_dump(mode="json"))


def plan_texts(
    artefacts: Artefacts, place: int, view: ViewRef, made_with: dict[str, Any], asked: Iterable[tuple[Analysis, Any]]
) -> Iterator[StepDraft]:
    """Steps of some texts each; none if no analysis wants any, or the extractor embeds pictures only.

    Parameters
    ----------
    asked : analyses with their configurations
    """
    readers = [(one, config) for one, config in asked if one.texts is not None]
    if not readers or not embeds_text(made_with["extractor"]):
        return
    images = usable(artefacts.open("embedding_set", view.embedding_set).table("images.parquet", ["status", "label"]))
    labels = sorted(set(images.column("label").drop_null().to_pylist()))
    texts = sorted({text for one, config in readers if one.texts for text in one.texts(labels, config)})
    extractor = {name: made_with[name] for name in ("extractor", "extractor_fingerprint")}
    for number, start in enumerate(range(0, len(texts), TEXTS)):
        chunk = tuple(texts[start : start + TEXTS])
        made_of = {"version": TEXTS_VERSION, "texts": chunk, "extractor": made_with["extractor_fingerprint"]}
        params = TextsParams(**extractor, texts=chunk, fingerprint=fingerprint("texts", made_of))
        yield StepDraft(name=f"texts-{place}-{number:06d}", params=params.model_dump(mode="json"))


def prepared(views: Iterable[ViewRef], done: dict[str, str]) -> tuple[ViewRef, ...]:
    """Views with what was prepared for them.

    Parameters
    ----------
    done : dict
        The artefact of every finished step of the stage, by the step's name. Where a step of the parts (or texts) of
        a dataset failed, it has none of them.
    """
    return tuple(
        view.model_copy(
            update={
                "copies": done.get(f"copies-{place}", ""),
                "parts": _complete(done, f"parts-{place}-"),
                "texts": _complete(done, f"texts-{place}-"),
            }
        )
        for place, view in enumerate(views)
    )


def _complete(done: dict[str, str], prefix: str) -> tuple[str, ...]:
    parts = tuple(done[name] for name in sorted(done) if name.startswith(prefix))
    return parts if all(parts) else ()
