"""The database: migrations, transactions, who has what."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import ValidationError

from storage import bookkeeping, queries
from storage.artefacts import Manifest
from storage.database import HEAD, Database, now
from storage.records import SubjectKind
from storage.settings import Settings
from storage.tables import artefacts, metadata

DATASET = {"name": "n", "source": {}, "generation": 0}


@pytest.fixture
def database(tmp_path: Path):  # type: ignore[no-untyped-def]
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    database.migrate()
    yield database
    database.close()


def test_migrations_end_at_the_tables_the_code_uses(database: Database) -> None:
    assert database.revision() == HEAD
    with database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_migrating_twice_and_at_once_is_fine(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'y.sqlite3'}"
    databases = [Database(url) for _ in range(4)]
    threads = [threading.Thread(target=database.migrate) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [database.revision() for database in databases] == [HEAD] * 4
    for database in databases:
        database.close()


def test_an_error_rolls_the_transaction_back(database: Database) -> None:
    with pytest.raises(RuntimeError, match="half way"), database.write() as tx:
        queries.get_or_create(tx, SubjectKind.DATASET, "k", DATASET)
        raise RuntimeError("half way")
    with database.read() as tx:
        assert queries.active_subjects(tx) == []


def test_many_concurrent_requests_of_one_key_make_one_row(database: Database) -> None:
    found: list[str] = []

    def submit() -> None:
        with database.write() as tx:
            found.append(queries.get_or_create(tx, SubjectKind.DATASET, "same", DATASET).id)

    threads = [threading.Thread(target=submit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (20, 1)


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as tx:
        queries.get_or_create(tx, SubjectKind.DATASET, "k", DATASET)
        with database.read() as other:
            assert queries.active_subjects(other) == []


def test_the_clock_of_the_database_counts_seconds_since_1970(database: Database) -> None:
    with database.read() as tx:
        assert tx.execute(sa.select(now())).scalar_one() == pytest.approx(time.time(), abs=5)


def test_unreferenced_artefacts_are_taken_after_their_grace_and_referenced_ones_never(database: Database) -> None:
    kept, old, young = ("a" * 64, "b" * 64, "c" * 64)
    with database.write() as tx:
        for name in (kept, old, young):
            manifest = Manifest(kind="scan", fingerprint=name, files={}, provenance={})
            bookkeeping.record_artefact(tx, manifest)
        queries.get_or_create(tx, SubjectKind.DATASET, "k", DATASET | {"artefact_kind": "scan", "artefact": kept})
        tx.execute(sa.update(artefacts).where(artefacts.c.fingerprint != young).values(used_at=1.0))
        assert bookkeeping.take_unreferenced(tx, grace_s=3600) == [("scan", old)]
        assert bookkeeping.take_unreferenced(tx, grace_s=3600) == []


def test_a_translation_stays_as_long_as_an_audit_names_it(database: Database) -> None:
    named, other = "a" * 64, "b" * 64
    asked = {"kind": "comparison", "title": "", "dataset_ids": [], "request": {"translation": named}}
    plain = asked | {"request": {"extractor": "bundled"}}
    with database.write() as tx:
        for name in (named, other):
            bookkeeping.record_artefact(tx, Manifest(kind="translation", fingerprint=name, files={}, provenance={}))
        audit = queries.get_or_create(tx, SubjectKind.AUDIT, "through", asked)
        queries.get_or_create(tx, SubjectKind.AUDIT, "plain", plain)
        assert bookkeeping.take_unreferenced(tx, grace_s=-1) == [("translation", other)]
        bookkeeping.delete_audit(tx, audit.id)
        assert bookkeeping.take_unreferenced(tx, grace_s=-1) == [("translation", named)]


def test_pages_follow_each_other_without_gap_or_repetition(database: Database) -> None:
    with database.write() as tx:
        ids = [queries.get_or_create(tx, SubjectKind.DATASET, str(i), DATASET).id for i in range(7)]
        seen: list[str] = []
        cursor = None
        while rows := bookkeeping.page(tx, SubjectKind.DATASET, cursor, 3):
            seen += [row.id for row in rows]
            cursor = (rows[-1].created_at, rows[-1].id)
    assert sorted(seen) == sorted(ids)
    assert len(seen) == 7


def test_settings_work_with_none_set_and_say_what_each_means(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    settings = Settings()
    assert settings.database == f"sqlite:///{tmp_path / 'assay.sqlite3'}"
    assert settings.blobs == (tmp_path / "blobs").as_uri()
    assert settings.broker_url is None
    assert all(field.description for field in Settings.model_fields.values())


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_BROKER_URL", "")
    assert Settings().broker_url is None


def test_a_setting_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_THREADS", "0")
    with pytest.raises(ValidationError, match="threads"):
        Settings()
