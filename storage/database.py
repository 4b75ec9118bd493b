"""Opening the database and its transactions: short, serialised writes on SQLite, plain ones on PostgreSQL.

Source: https://docs.sqlalchemy.org/en/21/dialects/sqlite.html#enabling-non-legacy-sqlite-transactional-modes
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.functions import FunctionElement

from storage.errors import DatabaseBusyError
from storage.tables import metadata

HEAD = "0002"
"""The newest migration."""

_LOCK = 7_253_001
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=2000")
_PATIENCE_S = 60.0


class now(FunctionElement[float]):  # noqa: N801  (SQL functions are lower case)
    """Seconds since 1970 by the clock of the database, so that workers' clocks do not matter."""

    type = sa.Float()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: Any, **options: Any) -> str:
    return "extract(epoch from clock_timestamp())::float8"


class Database:
    """A pool of connections and the two kinds of transactions.

    Parameters
    ----------
    url : str
        ``sqlite:///path``, ``sqlite://`` (in memory, for tests) or ``postgresql+psycopg://…``.
    """

    def __init__(self, url: str) -> None:
        self.engine = _create(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        in_memory = self.is_sqlite and not sa.make_url(url).database
        self._alone: AbstractContextManager[Any] = threading.RLock() if in_memory else nullcontext()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that may write: committed at the end, rolled back on an error.

        On SQLite it starts with ``BEGIN IMMEDIATE``, so it waits for its turn at the start and never in the middle.

        Raises
        ------
        DatabaseBusyError
            If another process holds the write lock for longer than a minute.
        """
        with self._alone, self.engine.connect() as connection:
            self._begin(connection)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only reads; on SQLite it never waits for writers."""
        with self._alone, self.engine.connect() as connection, connection.begin():
            yield connection

    def _begin(self, connection: sa.Connection) -> None:
        if not self.is_sqlite:
            return
        try:
            _execute_patiently(connection.connection.driver_connection, "BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise DatabaseBusyError(_PATIENCE_S) from error

    def migrate(self) -> None:
        """Bring the tables to the newest form; safe to call from many processes at once."""
        if self.revision() == HEAD:
            return
        from storage.migrations import upgrade

        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            upgrade(connection)

    def revision(self) -> str | None:
        """The migration the tables are at, None before the first."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()

    def create_all(self) -> None:
        """Make the tables of an empty database directly, for tests."""
        with self.write() as connection:
            metadata.create_all(connection)


def _create(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    if not parsed.database:
        engine = sa.create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, connect_args={"check_same_thread": False, "timeout": 5})
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin_deferred)
    return engine


def _prepare(connection: Any, record: Any) -> None:
    """Take the transactions into our own hands; the driver's implicit BEGIN comes too late."""
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        _execute_patiently(connection, f"PRAGMA {pragma}")


def _execute_patiently(connection: Any, statement: str) -> None:
    """Execute; wait while others hold the file. SQLite's own timeout does not cover the change to WAL."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.01, 0.05))  # noqa: S311 (so that waiters do not meet again)
        else:
            return


def _begin_deferred(connection: sa.Connection) -> None:
    if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN")
