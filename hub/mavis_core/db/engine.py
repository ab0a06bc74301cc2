"""Transactions on SQLite or PostgreSQL with the same meaning.

A `Database.write` block is one transaction: all of it is durable when the block ends, or none of
it is. On SQLite it begins with ``BEGIN IMMEDIATE``, so that two writers queue instead of failing
in the middle, in WAL mode with ``synchronous=FULL``: what was committed survives a power cut
(https://www.sqlite.org/pragma.html#pragma_synchronous). A `Database.read` block sees one
consistent state and never waits for a writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from mavis_core.errors import Conflict, Unavailable

__all__ = ["Database", "open_database"]

_BUSY_TIMEOUT_MS = 20_000


class Database:
    """The main database. Safe for threads: each block has a connection of its own.

    Parameters
    ----------
    engine
        Made by `open_database`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Run the block as one transaction that may change rows.

        Raises
        ------
        Conflict
            A row exists already, or one that is referred to does not.
        Unavailable
            The database does not answer, is locked for too long, or its disk is full.
        """
        with self._transaction("BEGIN IMMEDIATE") as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Run the block on one consistent state, reading only."""
        with self._transaction("BEGIN") as tx:
            yield tx

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as tx, tx.begin():
                if self._sqlite:
                    tx.exec_driver_sql(begin)
                yield tx
        except IntegrityError as exc:
            raise Conflict("There is one like that already, or what it refers to is gone") from exc
        except (OperationalError, DBAPIError) as exc:
            if isinstance(exc, OperationalError) or exc.connection_invalidated:
                raise Unavailable(
                    f"The database does not answer: {exc.orig}",
                    mend="Check disk space and `mavisctl doctor`; nothing was changed.",
                    retry_after_s=2,
                ) from exc
            raise

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(url: str, *, pool_size: int = 4) -> Database:
    """Return the database at `url`, opened lazily.

    Parameters
    ----------
    url
        SQLAlchemy address, ``sqlite:///PATH`` or ``postgresql+psycopg://…``.
    pool_size
        Connections that are kept; as many again may be opened for a moment.
    """
    engine = sa.create_engine(
        url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=20, pool_pre_ping=True
    )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    else:
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    return Database(engine)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # Database says which BEGIN; pysqlite must not
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
