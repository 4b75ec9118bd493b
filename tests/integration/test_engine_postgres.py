"""The same queries on a real PostgreSQL: same tables, one winner per step, and the same report."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import pipeline_pictures as pipeline

from storage import queries
from storage.database import Database
from storage.records import Outcome, Status, StepDraft, Subject, SubjectKind
from storage.tables import metadata, steps

pytestmark = [pytest.mark.integration, pytest.mark.timeout(280)]


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """A fresh database on the server."""
    name = f"assay_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    database.migrate()
    yield database
    database.close()


def _subject(database: Database, key: str = "k") -> Subject:
    with database.write() as tx:
        row = queries.get_or_create(tx, SubjectKind.DATASET, key, {"name": "n", "source": {}, "generation": 0})
    return Subject(SubjectKind.DATASET, row.id)


def _in_threads(n: int, work: object) -> None:
    threads = [threading.Thread(target=work) for _ in range(n)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_migrations_end_at_the_tables_the_code_uses(database: Database) -> None:
    with database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []


def test_processes_that_migrate_at_once_do_not_collide(url: str) -> None:
    databases = [Database(url) for _ in range(4)]
    errors: list[Exception] = []
    waiting = iter(databases)

    def migrate() -> None:
        try:
            next(waiting).migrate()
        except Exception as error:
            errors.append(error)

    _in_threads(4, migrate)
    for database in databases:
        database.close()
    assert errors == []


def test_of_many_workers_exactly_one_gets_the_step_and_its_fence(database: Database) -> None:
    subject = _subject(database)
    with database.write() as tx:
        queries.add_stage(tx, subject, 0, "scan", [StepDraft(name="a")])
        (step,) = queries.take_rings(tx, subject, 0, again_s=15, window=8)
    claims: list[int] = []

    def claim() -> None:
        with database.write() as tx:
            found = queries.claim_step(tx, step.id, "w", lease_s=30, max_attempts=3)
        if found is not None:
            claims.append(found.fence)

    _in_threads(12, claim)
    assert claims == [1]


def test_of_many_planners_exactly_one_plans_the_stage(database: Database) -> None:
    subject = _subject(database)
    added: list[bool] = []

    def plan() -> None:
        with database.write() as tx:
            added.append(queries.add_stage(tx, subject, 0, "scan", [StepDraft(name="a"), StepDraft(name="b")]))

    _in_threads(8, plan)
    assert sorted(added) == [False] * 7 + [True]
    with database.read() as tx:
        assert queries.stage_counts(tx, subject, 0) == {Status.QUEUED: 2}


def test_a_lease_that_ran_out_goes_to_another_and_the_first_is_fenced(database: Database) -> None:
    subject = _subject(database)
    with database.write() as tx:
        queries.add_stage(tx, subject, 0, "scan", [StepDraft(name="a")])
        (step,) = queries.take_rings(tx, subject, 0, again_s=15, window=8)
        slow = queries.claim_step(tx, step.id, "slow", lease_s=30, max_attempts=3)
        tx.execute(sa.update(steps).values(lease_until=1.0))
        quick = queries.claim_step(tx, step.id, "quick", lease_s=30, max_attempts=3)
        assert slow is not None
        assert quick is not None
        assert not queries.finish_step(tx, slow, Outcome())
        assert queries.finish_step(tx, quick, Outcome())


def test_the_report_is_the_same_as_with_sqlite(url: str, tmp_path: Path) -> None:
    pictures = pipeline.draw(tmp_path / "set", 60)
    expected = pipeline.audit(tmp_path / "one", pictures)
    found = pipeline.audit(tmp_path / "two", pictures, database_url=url)
    assert (expected["status"], found["status"]) == ("done", "done")
    assert "report.html" in found["files"]
    assert found["files"] == expected["files"]
