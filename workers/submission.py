"""Accepting work: everything that can be wrong with a request is found here, before any slow step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import ValidationError

from audit.analyses.base import analyses
from audit.dna.weights import given
from audit.duplicates.find import SEARCH_VERSION
from audit.errors import ConfigError, ExtractorError, FingerprintMismatchError
from audit.extractors import model_file, resolve_spec
from audit.fingerprint import fingerprint
from storage import bookkeeping, queries
from storage.artefacts import Artefacts
from storage.database import Database
from storage.records import AuditRequest, Status, Subject, SubjectKind
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.errors import IdempotencyReusedError, UnknownIdError
from workers.planner import chosen
from workers.preparing import TEXTS_VERSION
from workers.steps.params import PARTS_VERSION, SEAL_VERSION, SHARD_VERSION
from workers.steps.report import DISTRIBUTION, REPORT_STEP_VERSION, version_of
from workers.translating import VERSION as THROUGH_VERSION
from workers.translating import kept
from workers.verdicts import with_verdicts

MOST_SHOWN = 200
"""Characters of a refused value that a message repeats."""


def check_request(request: AuditRequest, n_datasets: int, model_roots: Sequence[Path] | None = None) -> None:
    """Refuse a request that could not be carried out, or names a model that may not be run.

    Raises
    ------
    ConfigError
        An analysis that does not exist, or a configuration it cannot use; the message names the field.
    ExtractorError
        An extractor that cannot be had, or a whole model outside ``model_roots`` (None allows any).
    """
    if n_datasets not in (1, 2):
        raise ConfigError(f"an audit reads one dataset and a comparison two; {n_datasets} were given")
    known = {one.name: one for one in analyses()}
    for name in [*request.skip, *request.analyses]:
        if name not in known:
            raise ConfigError(f"there is no analysis {name!r}; there are: {', '.join(known)}")
    for name, config in request.analyses.items():
        try:
            known[name].config.model_validate(config)
        except ValidationError as error:
            raise ConfigError(f"analysis {name}: {_misused(error, known[name].config.model_fields)}") from error
    refuse_foreign_model(request.extractor, model_roots)
    refuse_foreign_weights(request, resolve_spec(request.extractor).fingerprint)


def refuse_foreign_weights(request: AuditRequest, extractor: str) -> None:
    """Refuse neuron weights of another extractor than the one that is asked for.

    Raises
    ------
    FingerprintMismatchError
    """
    weights = given(request.analyses.get("visual_dna", {}).get("weights"))
    if weights is not None and weights.extractor != extractor:
        what = f"the extractor of the weights {weights.name!r} and of the comparison"
        raise FingerprintMismatchError(what, weights.extractor, extractor)


def translated_request(artefacts: Artefacts, request: AuditRequest, n_datasets: int) -> AuditRequest:
    """A request through a translation, with the extractor that the translation says; others are as they were.

    Raises
    ------
    ConfigError
        If there is no such translation, or there are not two datasets.
    """
    if not request.translation:
        return request
    if n_datasets != 2:
        raise ConfigError("a translation is for comparing two datasets; one was given")
    return request.model_copy(update={"extractor": kept(artefacts, request.translation).new.extractor})


def _misused(error: ValidationError, fields: Iterable[str]) -> str:
    """What is wrong with a configuration: a name that is none first, with the one that was probably meant."""
    errors = error.errors()
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = [str(part) for part in first["loc"]]
    missing = [
        str(one["loc"][-1]) for one in errors if one["type"] == "missing" and one["loc"][:-1] == first["loc"][:-1]
    ]
    meant = get_close_matches(where[-1], missing if len(where) > 1 else list(fields), 1)
    hint = f"; did you mean {meant[0]!r}?" if meant and first["type"] == "extra_forbidden" else ""
    got = repr(first.get("input"))
    got = got if len(got) <= MOST_SHOWN else got[:MOST_SHOWN] + "…"
    return f"{'.'.join(where)}: {first['msg']} (got {got}){hint}"


def refuse_foreign_model(extractor: str, roots: Sequence[Path] | None) -> None:
    """Refuse a model that says itself what it computes, unless it lies in a folder of the operator's.

    Raises
    ------
    ExtractorError
    """
    file = model_file(extractor)
    if file is None or roots is None:
        return
    if not any(file.resolve().is_relative_to(root.resolve()) for root in roots):
        allowed = ", ".join(str(root) for root in roots) or "nowhere"
        raise ExtractorError(
            extractor,
            f"{extractor!r} is not run: a model of one's own is a program, and this service runs those in "
            f"{allowed}; whoever runs the service can allow a folder with ASSAY_MODEL_ROOTS",
        )


def default_name(spec: SourceSpec) -> str:
    """What a dataset is called unless told: the last part of its path, without the ending of an archive."""
    path = Path(spec.uri)
    name = path.name or "dataset"
    for ending in (".tar.gz", ".tgz", ".tar", ".zip", ".csv", ".parquet", ".json"):
        name = name.removesuffix(ending) if not path.is_dir() else name
    return name or "dataset"


def dataset_key(spec: SourceSpec, name: str) -> str:
    """What a dataset is got or created by."""
    return fingerprint("dataset", {"name": name, "source": spec})


def accept_dataset(database: Database, spec: SourceSpec, name: str, *, scanned: str = "") -> Subject:
    """Get or create the dataset of a source and name; one that has ended is scanned again.

    Parameters
    ----------
    scanned : str
        The scan artefact that still holds, for nothing was touched since: a dataset that has it is left as it is.
    """
    key = dataset_key(spec, name)
    with database.write() as tx:
        values = {"name": name, "source": spec.model_dump(mode="json"), "generation": 0}
        row = queries.get_or_create(tx, SubjectKind.DATASET, key, values)
        subject = Subject(SubjectKind.DATASET, row.id)
        if scanned and (row.status, row.artefact) == (Status.DONE, scanned):
            return subject
        if queries.restart_subject(tx, subject, only=(Status.DONE, *queries.UNSUCCESSFUL)):
            bookkeeping.next_generation(tx, row.id)
    return subject


def made_by(request: AuditRequest, settings: Settings, n_datasets: int) -> dict[str, Any]:
    """Versions and settings that the result of a request follows from, beside the datasets: part of an audit's name."""
    return {
        "assay": version_of(DISTRIBUTION),
        "extractor": resolve_spec(request.extractor).fingerprint,
        "analyses": {one.name: one.version for one in chosen(request, n_datasets)},
        "steps": {
            "shard": SHARD_VERSION,
            "seal": SEAL_VERSION,
            "copies": SEARCH_VERSION,
            "parts": PARTS_VERSION,
            "texts": TEXTS_VERSION,
            "through": THROUGH_VERSION,
            "report": REPORT_STEP_VERSION,
        },
        "parts": settings.parts,
        "neighbours": settings.neighbours,
        "max_pixels": settings.max_pixels,
        "vectors": settings.vector_dtype,
    }


def accept_audit(
    database: Database,
    dataset_ids: Sequence[str],
    request: AuditRequest,
    settings: Settings,
    *,
    idempotency_key: str | None = None,
) -> Subject:
    """Get or create the audit of a request; one that failed or was cancelled is tried again.

    What people have said of the dataset's features becomes part of the request.

    Raises
    ------
    UnknownIdError
        No such dataset.
    IdempotencyReusedError
        The key was used for another request.
    """
    asked = fingerprint("audit-request", {"datasets": list(dataset_ids), "request": request})
    versions = made_by(request, settings, len(dataset_ids))
    with database.write() as tx:
        if idempotency_key is not None and (used := bookkeeping.idempotent_audit(tx, idempotency_key)):
            if used[0] != asked:
                raise IdempotencyReusedError(idempotency_key)
            return Subject(SubjectKind.AUDIT, used[1])
        datasets = [_dataset(tx, id_) for id_ in dataset_ids]
        request = with_verdicts(tx, dataset_ids, request)
        row = _get_or_create_audit(tx, datasets, request, versions)
        if idempotency_key is not None:
            bookkeeping.keep_idempotency(tx, idempotency_key, asked, row.id)
    return Subject(SubjectKind.AUDIT, row.id)


def _get_or_create_audit(
    tx: sa.Connection, datasets: Sequence[sa.Row[Any]], request: AuditRequest, versions: Mapping[str, Any]
) -> sa.Row[Any]:
    kind: Literal["audit", "comparison"] = "audit" if len(datasets) == 1 else "comparison"
    scans = [(dataset.id, dataset.generation) for dataset in datasets]
    values = {
        "kind": kind,
        "title": request.title or " against ".join(dataset.name for dataset in datasets),
        "dataset_ids": [dataset.id for dataset in datasets],
        "request": request.model_dump(mode="json"),
    }
    key = fingerprint("audit", {"scans": scans, "request": request, "made_by": versions})
    row = queries.get_or_create(tx, SubjectKind.AUDIT, key, values)
    again = queries.restart_subject(tx, Subject(SubjectKind.AUDIT, row.id), only=queries.UNSUCCESSFUL)
    if again or not queries.inputs(tx, row.id):
        bookkeeping.link_datasets(tx, row.id, [dataset.id for dataset in datasets])
    return row


def renew_audit(database: Database, artefacts: Artefacts, subject: Subject) -> None:
    """Begin a finished audit again if an analysis of it failed, or what it left was damaged or deleted."""
    with database.read() as tx:
        row = queries.get_subject(tx, subject)
        inputs = queries.inputs(tx, subject.id)
        sets = [queries.get_subject(tx, Subject(SubjectKind.EMBEDDING_SET, one.embedding_set_id)) for one in inputs]
    if row is None or row.status != Status.DONE:
        return
    kept = [("report", row.artefact), *(("embedding_set", one.artefact) for one in sets if one is not None)]
    if not row.summary.get("n_failed") and all(artefacts.find_sound(*name) for name in kept):
        return
    with database.write() as tx:
        if queries.restart_subject(tx, subject, only=(Status.DONE,)):
            bookkeeping.link_datasets(tx, subject.id, [one.dataset_id for one in inputs])


def _dataset(tx: sa.Connection, dataset_id: str) -> sa.Row[Any]:
    row = queries.get_subject(tx, Subject(SubjectKind.DATASET, dataset_id))
    if row is None:
        raise UnknownIdError("dataset", dataset_id)
    return row
