"""Transactions on SQLite or PostgreSQL with the same meaning.

A `Database.write` block is one transaction: all of it is durable when the block ends, or none of
it is. On SQLite it begins with ``BEGIN IMMEDIATE``, so that two writers queue instead of failing
in the middle, in WAL mode with ``synchronous=FULL``: what was committed survives a power cut
(https://www.sqlite.org/pragma.html#pragma_synchronous). A `Database.read` block sees one
consistent state and never waits for a writer.

On PostgreSQL writers run at once, under READ COMMITTED: what a block has read may change before it
ends. A block that decides by what it reads therefore first holds the row by which its like queue
(``SELECT ... FOR UPDATE``, which SQLite has no need of and leaves out).

Inside `Database.together` all blocks of a thread are parts of one transaction, so that use cases
which were written with transactions of their own become durable with one another or not at all.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from mavis_core.errors import Conflict, InvalidInput, Unavailable

__all__ = ["Database", "open_database"]

_BUSY_TIMEOUT_MS = 20_000
_WAL_PAUSE_S = 0.02
_CONNECT_TIMEOUT_S = 10
_log = logging.getLogger(__name__)


class _Joined(threading.local):
    """The transaction of the `Database.together` that this thread is in, or None."""

    tx: sa.Connection | None = None


class Database:
    """The main database. Safe for threads: no two of them share a connection.

    Parameters
    ----------
    engine
        Made by `open_database`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._joined = _Joined()
        self._sqlite = engine.dialect.name == "sqlite"
        self._writers = self._readers = engine
        if not self._sqlite:
            self._writers = engine.execution_options(isolation_level="READ COMMITTED")
            self._readers = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @property
    def in_file(self) -> bool:
        """Whether it is a file, so that a read waits for no server and no writer."""
        return self._sqlite

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Run the block as one transaction that may change rows.

        Raises
        ------
        Conflict
            A row exists already, or one that is referred to does not.
        InvalidInput
            A value is none that the database can hold: a text with a NUL on PostgreSQL.
        Unavailable
            The database does not answer, is locked for too long, or its disk is full.
        """
        with self._transaction(self._writers, "BEGIN IMMEDIATE") as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Run the block on one consistent state, reading only.

        Raises
        ------
        InvalidInput, Unavailable
            As `write` does.
        """
        with self._transaction(self._readers, "BEGIN") as tx:
            yield tx

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all blocks of this thread be parts of one transaction until this one ends.

        Each of them sees what those before it have written. One that raises is rolled back alone;
        where its error ends this block too, nothing of any is left. Nothing is durable before the
        end. As in every writing block on PostgreSQL, what was read may be changed by others
        meanwhile, unless it is held.

        Blocks of other threads do not take part: on SQLite they wait until this one has ended.

        Raises
        ------
        Conflict, InvalidInput, Unavailable
            As `write` does.
        """
        if self._joined.tx is not None:
            with self.write():
                yield
            return
        with self._transaction(self._writers, "BEGIN IMMEDIATE") as tx:
            self._joined.tx = tx
            try:
                yield
                self._check_open(tx)
            finally:
                self._joined.tx = None

    @contextmanager
    def _transaction(self, engine: sa.Engine, begin: str) -> Iterator[sa.Connection]:
        """Run a block as a transaction, or as a part of the one that it is in."""
        try:
            if (outer := self._joined.tx) is not None:
                self._check_open(outer)
                with outer.begin_nested():
                    yield outer
            else:
                with engine.connect() as tx, tx.begin():
                    if self._sqlite:
                        tx.exec_driver_sql(begin)
                    yield tx
        except IntegrityError as exc:
            raise Conflict("There is one like that already, or what it refers to is gone") from exc
        except DataError as exc:
            raise InvalidInput("A value is none that the database can hold") from exc
        except PoolTimeout as exc:
            raise Unavailable(
                "Every connection to the database is in use", retry_after_s=2
            ) from exc
        except DBAPIError as exc:
            if isinstance(exc, OperationalError) or exc.connection_invalidated:
                raise self._unavailable(exc) from exc
            raise

    def _check_open(self, tx: sa.Connection) -> None:
        """Refuse to go on in a transaction that the database has ended by itself.

        SQLite may do that where its disk is full
        (https://www.sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction");
        what came after it would be durable without what came before.
        """
        lost = tx.invalidated
        if self._sqlite and not lost:
            driver = tx.connection.driver_connection
            lost = not (isinstance(driver, sqlite3.Connection) and driver.in_transaction)
        if lost:
            raise Unavailable("The database has ended the transaction", retry_after_s=2)

    def _unavailable(self, exc: DBAPIError) -> Unavailable:
        """Return what callers are told; a server's own words name hosts and are for the log."""
        _log.warning("the database does not answer: %s", exc.orig)
        words = str(exc.orig) if self._sqlite else type(exc.orig).__name__
        return Unavailable(
            f"The database does not answer: {words}",
            mend="Check disk space and `mavisctl doctor`; nothing was changed.",
            retry_after_s=2,
        )

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
    sqlite = sa.make_url(url).get_backend_name() == "sqlite"
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=20,
        pool_pre_ping=not sqlite,  # a file has no server that could have gone
        json_deserializer=_from_json,
        connect_args={} if sqlite else {"connect_timeout": _CONNECT_TIMEOUT_S},
    )
    if sqlite:
        sa.event.listen(engine, "connect", _prepare_sqlite)
    else:
        sa.event.listen(engine, "connect", _prepare_postgresql)
    return Database(engine)


def _from_json(text: str | bytes) -> Any:
    """Return the value of JSON text, a third as slow as Python's own for the usual one."""
    try:
        return from_json(text)
    except ValueError:  # half a letter, which Python's writes and reads
        return json.loads(text)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # Database says which BEGIN; pysqlite must not
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    _to_wal(cursor)
    cursor.close()


def _to_wal(cursor: DBAPICursor) -> None:
    """Put the file into WAL mode; SQLite changes the mode of a new file without any patience."""
    end = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(_WAL_PAUSE_S)
        else:
            return


def _prepare_postgresql(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = {_BUSY_TIMEOUT_MS}")  # as long as SQLite waits
    cursor.close()
    connection.commit()
