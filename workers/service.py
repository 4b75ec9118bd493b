"""What the API and the command line call: submit, watch, cancel, delete; reading results is in :class:`Reading`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from audit.extractors import ExtractorSpec
from storage import bookkeeping, queries
from storage.database import HEAD
from storage.errors import StorageError
from storage.records import Audit, AuditRequest, Dataset, Progress, Status, Step, Subject, SubjectKind, Verdict
from storage.settings import Settings
from storage.sources import Source, SourceSpec, open_source
from workers import logging
from workers.calibration import calibrate_on
from workers.errors import InUseError, UnknownIdError
from workers.layers import measure_layers
from workers.progress import audit_record, dataset_record
from workers.reading import REPORT_FILE, Reading
from workers.runtime import Runtime
from workers.steps.scan import state_of
from workers.submission import (
    accept_audit,
    accept_dataset,
    check_request,
    dataset_key,
    default_name,
    refuse_foreign_model,
    renew_audit,
    translated_request,
)
from workers.translating import keep, kept, note_use
from workers.verdicts import ANALYSIS as SUSPECTS
from workers.verdicts import Said, nearest, record, recorded

if TYPE_CHECKING:
    from audit.extractors.layer_card import LayerCard
    from audit.translation import Translation

__all__ = ["Audit", "AuditRequest", "Dataset", "Progress", "Service", "Status"]

log = structlog.get_logger()

POLL_S = 0.2
Cursor = tuple[float, str]
"""``(created_at, id)`` of the last record of the page before."""


class Service(Reading):
    """One way in for every caller. Open it with :meth:`open`, as a context manager.

    Without a broker, steps run in this process from the first submission (or :meth:`resume`) until it is closed;
    what is unfinished then goes on when any process resumes. With a broker, workers run them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.runtime = Runtime(settings, self._ring)
        self._runner: Any = None
        if settings.broker_url is not None:
            from workers.celery_app import configure

            configure(settings)

    @classmethod
    def open(cls, settings: Settings | None = None) -> Service:
        """Open the stores of the settings; makes what is not there yet."""
        settings = settings or Settings()
        logging.configure(settings)
        return cls(settings)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; steps at work are put back and cost nothing but the work since the last artefact."""
        if self._runner is not None:
            self._runner.close()
        self.runtime.close()

    def _ring(self, steps: Sequence[Step]) -> None:
        if self.settings.broker_url is not None:
            from workers.celery_app import ring

            ring(steps)
        elif self._runner is not None:
            self._runner.ring(steps)

    def resume(self) -> None:
        """Take up everything unfinished; in embedded mode this process starts to run steps."""
        if self.settings.broker_url is None and self._runner is None:
            from workers.embedded import EmbeddedRunner

            self._runner = EmbeddedRunner(self.runtime)
            self._runner.start()
        self.runtime.sweep()

    # submit ----------------------------------------------------------------------------------------------------------

    def submit_dataset(self, spec: SourceSpec, name: str | None = None) -> Dataset:
        """Register a source and scan it; the same source and name is the same dataset, scanned again if it was touched.

        Raises
        ------
        SourceError
            At once, if the source cannot be read as described.
        """
        with open_source(spec, limits=self.runtime.limits) as source:
            source.check()
            spec, name = source.spec, name or default_name(source.spec)
            scanned = self._scan_that_holds(source, name)
        self.resume()
        subject = accept_dataset(self.runtime.database, spec, name, scanned=scanned)
        log.info("dataset.submitted", id=subject.id, uri=spec.uri)
        self.runtime.engine.advance(subject)
        return self.dataset(subject.id)

    def _scan_that_holds(self, source: Source, name: str) -> str:
        """The scan artefact of the dataset of a source, if it is sound and nothing was touched since; else empty."""
        with self.runtime.database.read() as tx:
            row = queries.find_subject(tx, SubjectKind.DATASET, dataset_key(source.spec, name))
        if row is None or row.status != Status.DONE or not row.summary.get("state"):
            return ""
        if row.summary["state"] != state_of(source, self.settings):
            return ""
        return str(row.artefact) if self.runtime.artefacts.find_sound("scan", row.artefact) else ""

    def submit_audit(
        self, dataset_ids: Sequence[str], request: AuditRequest | None = None, idempotency_key: str | None = None
    ) -> Audit:
        """Audit one dataset, or compare two (reference, candidate). The same request is the same audit.

        Raises
        ------
        ConfigError, ExtractorError
            At once, for what could not be carried out.
        UnknownIdError
            No such dataset.
        IdempotencyReusedError
            The key was used for another request.
        """
        request = translated_request(self.runtime.artefacts, request or AuditRequest(), len(dataset_ids))
        check_request(request, len(dataset_ids), self.settings.model_roots)
        if request.translation:
            refuse_foreign_model(
                kept(self.runtime.artefacts, request.translation).old.extractor, self.settings.model_roots
            )
            note_use(self.runtime.database, self.runtime.artefacts, request.translation)
        self.resume()
        database, settings = self.runtime.database, self.settings
        subject = accept_audit(database, dataset_ids, request, settings, idempotency_key=idempotency_key)
        renew_audit(database, self.runtime.artefacts, subject)
        log.info("audit.submitted", id=subject.id, datasets=list(dataset_ids))
        self.runtime.engine.advance(subject)
        return self.audit(subject.id)

    def keep_translation(self, data: bytes) -> Translation:
        """Keep a saved translation, so that comparisons may name it by its fingerprint.

        What no comparison names goes with :meth:`collect_garbage`, and can be given again.

        Raises
        ------
        ConfigError
            If it is none, or was changed.
        """
        made = keep(self.runtime.artefacts, data)
        note_use(self.runtime.database, self.runtime.artefacts, made.fingerprint)
        log.info("translation.kept", fingerprint=made.fingerprint, old=made.old.extractor, new=made.new.extractor)
        return made

    def calibrate(
        self,
        dataset_id: str,
        extractor: str,
        *,
        n_images: int = 1000,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> tuple[ExtractorSpec, str]:
        """Find an extractor's neuron ranges on a scanned dataset, and use them from now on, on this machine.

        Returns its new specification, and what the ranges were found on, in words. Other processes take them up when
        they start.

        Raises
        ------
        TooFewImagesError
            If there are fewer than 32 usable pictures.
        FailedError, NotReadyError
            If the dataset is not scanned.
        """
        row = self._done(SubjectKind.DATASET, dataset_id)
        spec, said = calibrate_on(self.runtime, row, extractor, n_images, on_progress)
        self.runtime.forget_extractor(extractor)
        log.info("extractor.calibrated", extractor=extractor, dataset=dataset_id, ranges=spec.ranges_sha256[:12])
        return spec, said

    def layers(
        self,
        dataset_id: str,
        extractor: str,
        *,
        n_images: int = 500,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> LayerCard:
        """Measure the layers of an extractor on a scanned dataset; nothing is kept.

        Raises
        ------
        TooFewImagesError
            If there are fewer than 50 usable pictures.
        FailedError, NotReadyError
            If the dataset is not scanned.
        """
        row = self._done(SubjectKind.DATASET, dataset_id)
        return measure_layers(self.runtime, row, extractor, n_images, on_progress)

    # watch -----------------------------------------------------------------------------------------------------------

    def dataset(self, dataset_id: str) -> Dataset:
        """A dataset as it stands."""
        with self.runtime.database.read() as tx:
            return dataset_record(tx, self._row(tx, SubjectKind.DATASET, dataset_id))

    def audit(self, audit_id: str) -> Audit:
        """An audit as it stands."""
        with self.runtime.database.read() as tx:
            return audit_record(tx, self._row(tx, SubjectKind.AUDIT, audit_id))

    def datasets(self, cursor: Cursor | None = None, limit: int = 50) -> list[Dataset]:
        """Datasets, newest first, after a cursor."""
        with self.runtime.database.read() as tx:
            return [dataset_record(tx, row) for row in bookkeeping.page(tx, SubjectKind.DATASET, cursor, limit)]

    def audits(self, cursor: Cursor | None = None, limit: int = 50) -> list[Audit]:
        """Audits, newest first, after a cursor."""
        with self.runtime.database.read() as tx:
            return [audit_record(tx, row) for row in bookkeeping.page(tx, SubjectKind.AUDIT, cursor, limit)]

    def events(self, audit_id: str, *, again_s: float = math.inf) -> Iterator[Audit]:
        """The audit as it stands, then again after every change, until it has ended.

        Parameters
        ----------
        again_s : float
            Seconds after which it is told again although nothing changed.
        """
        last, told = None, 0.0
        while last is None or not last.status.ended:
            current = self.audit(audit_id)
            if current != last or time.monotonic() - told >= again_s:
                last, told = current, time.monotonic()
                yield current
            if not current.status.ended:
                time.sleep(POLL_S)

    def wait(self, audit_id: str, on_progress: Callable[[Audit], object] | None = None) -> Audit:
        """Wait until an audit has ended; tell of every change."""
        for audit in self.events(audit_id):
            if on_progress is not None:
                on_progress(audit)
        return audit

    def wait_dataset(self, dataset_id: str, on_progress: Callable[[Dataset], object] | None = None) -> Dataset:
        """Wait until a dataset is scanned (or failed); tell how far it is."""
        while not (dataset := self.dataset(dataset_id)).status.ended:
            if on_progress is not None:
                on_progress(dataset)
            time.sleep(POLL_S)
        return dataset

    # verdicts --------------------------------------------------------------------------------------------------------

    def verdicts(self, audit_id: str) -> Sequence[Verdict]:
        """What people say of the features of an audited dataset, under the audit's extractor."""
        return recorded(self.runtime.database, audit_id)

    def record_verdict(self, audit_id: str, feature: str, said: Said, note: str = "") -> Sequence[Verdict]:
        """Keep what a person says of a feature that an audit suspects; gives all verdicts that hold now.

        Later audits of the dataset with the same extractor take it up; reports that are there stay as they are.

        Raises
        ------
        UnknownIdError
            No such audit of one dataset, no such feature in its table ``spurious``, or no verdict to withdraw.
        NotReadyError, FailedError
        """
        if said != "withdrawn":
            self._check_feature(audit_id, feature)
        held = record(self.runtime.database, audit_id, feature, said, note)
        log.info("verdict.recorded", audit=audit_id, feature=feature, verdict=said)
        return held

    def _check_feature(self, audit_id: str, feature: str) -> None:
        try:
            rows = self.table(audit_id, SUSPECTS).select(["feature", "same_as"]).to_pylist()
        except UnknownIdError as error:
            if error.kind != REPORT_FILE:
                raise
            hint = f"the audit has no table {SUSPECTS}: that was left out or failed, or there are no labels"
            raise UnknownIdError("feature", feature, hint=hint) from error
        known = [name for row in rows for name in (row["feature"], *(row["same_as"] or ()))]
        if feature not in known:
            raise UnknownIdError("feature", feature, hint=nearest(feature, known))

    # end -------------------------------------------------------------------------------------------------------------

    def cancel(self, audit_id: str) -> Audit:
        """Stop an audit, and the embedding that nobody else waits for. One that has ended stays as it is."""
        subject = Subject(SubjectKind.AUDIT, audit_id)
        with self.runtime.database.read() as tx:
            self._row(tx, SubjectKind.AUDIT, audit_id)
            sets = bookkeeping.sets_only_for(tx, audit_id)
        if self.runtime.engine.cancel(subject):
            for one in sets:
                self.runtime.engine.cancel(one)
        return self.audit(audit_id)

    def delete_audit(self, audit_id: str) -> None:
        """Cancel and remove an audit; its artefacts go with the next :meth:`collect_garbage`."""
        self.cancel(audit_id)
        with self.runtime.database.write() as tx:
            bookkeeping.delete_audit(tx, audit_id)

    def delete_dataset(self, dataset_id: str) -> None:
        """Remove a dataset. The pictures themselves are never touched.

        Raises
        ------
        InUseError
            If audits read it: delete those first.
        """
        with self.runtime.database.write() as tx:
            self._row(tx, SubjectKind.DATASET, dataset_id)
            users = bookkeeping.audits_of(tx, dataset_id)
            if users:
                raise InUseError("dataset", dataset_id, users)
            bookkeeping.delete_dataset(tx, dataset_id)

    def collect_garbage(self, grace_s: float | None = None) -> int:
        """Delete artefacts that nothing refers to and nobody used for a while. Returns how many."""
        grace_s, n_deleted = self.settings.grace_s if grace_s is None else grace_s, 0
        while True:
            with self.runtime.database.write() as tx:
                names = bookkeeping.take_unreferenced(tx, grace_s)
            if not names:
                return n_deleted
            for kind, fingerprint in names:
                self.runtime.artefacts.delete(kind, fingerprint)
                log.info("artefact.deleted", kind=kind, fingerprint=fingerprint)
            n_deleted += len(names)

    def clear_scratch(self, grace_s: float | None = None) -> int:
        """Delete what killed processes left in scratch and nobody touched for a while. Returns how many."""
        return self.runtime.artefacts.clear_scratch(self.settings.grace_s if grace_s is None else grace_s)

    # health ----------------------------------------------------------------------------------------------------------

    def health(self) -> dict[str, Any]:
        """That this process answers."""
        return {"status": "ok"}

    def readiness(self) -> dict[str, Any]:
        """Whether database, blobs and broker answer: ``{"ready": bool, "checks": {name: "ok" or what is wrong}}``."""
        probes = {"database": self._probe_database, "blobs": self._probe_blobs, "broker": self._probe_broker}
        checks = {name: _answer(probe) for name, probe in probes.items()}
        return {"ready": all(answer == "ok" for answer in checks.values()), "checks": checks}

    def _probe_database(self) -> None:
        revision = self.runtime.database.revision()
        if revision != HEAD:
            raise StorageError(f"the database is at migration {revision}, this version needs {HEAD}; restart it")

    def _probe_blobs(self) -> None:
        blobs = self.runtime.artefacts.blobs
        key = f"probes/{queries.new_id()}"
        try:
            if not blobs.put_new(key, b"") or blobs.put_new(key, b""):
                raise StorageError("the store does not create conditionally; use one that does (S3, file://)")
        finally:
            blobs.delete(key)

    def _probe_broker(self) -> None:
        if self.settings.broker_url is not None:
            from workers.celery_app import app

            with app.connection_for_write(connect_timeout=3) as connection:
                connection.ensure_connection(max_retries=1, timeout=3)

    def _row(self, tx: sa.Connection, kind: SubjectKind, id_: str) -> sa.Row[Any]:
        row = queries.get_subject(tx, Subject(kind, id_))
        if row is None:
            raise UnknownIdError(kind.value, id_)
        return row


def _answer(probe: Callable[[], None]) -> str:
    try:
        probe()
    except (StorageError, SQLAlchemyError, OSError) as error:
        return " ".join(str(error).split())[:300] or type(error).__name__
    return "ok"
