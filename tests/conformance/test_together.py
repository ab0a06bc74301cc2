"""`Database.together`: blocks with transactions of their own become one, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from core_double import at_once
from mavis_core.db import Database, migrate, open_database, tables
from mavis_core.errors import Conflict, Unavailable
from mavis_core.ids import new_id

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TABLE = tables.projects


class Stop(Exception):
    """Ends a block."""


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    migrate(url)
    opened = open_database(url)
    yield opened
    opened.close()


def add(database: Database, name: str) -> None:
    """Add a project in a block of its own, as a use case does."""
    with database.write() as tx:
        tx.execute(
            sa.insert(TABLE).values(
                id=new_id("prj"), name=name, title="", created_at=NOON, created_by="ada"
            )
        )


def add_and_fail(database: Database, name: str) -> None:
    with database.write() as tx:
        add(database, name)
        tx.execute(sa.update(TABLE).values(title="changed"))
        raise Stop


def names(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.scalars(sa.select(TABLE.c.name).order_by(TABLE.c.name)))


def seen_by_others(database: Database) -> list[str]:
    """Return what a block of another thread reads."""
    (found,) = at_once(lambda: names(database))
    assert isinstance(found, list), found
    return found


def test_blocks_see_those_before_them_and_nobody_else_does_until_the_end(
    database: Database,
) -> None:
    with database.together():
        add(database, "a")
        assert names(database) == ["a"]
        add(database, "b")
        assert names(database) == ["a", "b"]
        assert seen_by_others(database) == []
    assert seen_by_others(database) == ["a", "b"]


def test_an_error_at_the_end_leaves_nothing_of_any_block(database: Database) -> None:
    def all_but_the_end() -> None:
        with database.together():
            add(database, "a")
            add(database, "b")
            raise Stop

    with pytest.raises(Stop):
        all_but_the_end()
    assert names(database) == []


def test_a_block_that_raises_is_rolled_back_alone(database: Database) -> None:
    with database.together():
        add(database, "a")
        with pytest.raises(Stop):
            add_and_fail(database, "b")
        assert names(database) == ["a"]
        add(database, "c")
    assert names(database) == ["a", "c"]
    with database.read() as tx:
        assert list(tx.scalars(sa.select(TABLE.c.title))) == ["", ""]


def test_an_error_of_the_database_is_told_once_and_the_others_go_on(database: Database) -> None:
    with database.together():
        add(database, "a")
        with pytest.raises(Conflict) as caught:
            add(database, "a")
        add(database, "b")
    assert isinstance(caught.value.__cause__, sa.exc.IntegrityError)
    assert names(database) == ["a", "b"]


def test_a_look_that_the_database_refuses_does_not_end_the_transaction(database: Database) -> None:
    with database.together():
        add(database, "a")
        with pytest.raises((sa.exc.DBAPIError, Unavailable)), database.read() as tx:
            tx.exec_driver_sql("SELECT * FROM projects WHERE nothing_like_that = 1")
        add(database, "b")
    assert names(database) == ["a", "b"]


def test_an_error_that_nobody_catches_is_told_as_what_it_was(database: Database) -> None:
    def twice() -> None:
        with database.together():
            add(database, "a")
            add(database, "a")

    with pytest.raises(Conflict) as caught:
        twice()
    assert isinstance(caught.value.__cause__, sa.exc.IntegrityError)
    assert names(database) == []


def test_one_inside_another_is_a_part_of_it(database: Database) -> None:
    def inner() -> None:
        with database.together():
            add(database, "b")
            add(database, "c")
            raise Stop

    with database.together():
        add(database, "a")
        with pytest.raises(Stop):
            inner()
        with database.together():
            add(database, "d")
        assert seen_by_others(database) == []
    assert names(database) == ["a", "d"]


def test_blocks_after_the_end_stand_alone_again(database: Database) -> None:
    with pytest.raises(Stop), database.together():
        raise Stop
    add(database, "a")
    assert seen_by_others(database) == ["a"]


def test_a_block_of_another_thread_takes_no_part(database: Database) -> None:
    began = threading.Event()

    def other() -> None:
        began.set()
        add(database, "other")  # on SQLite it waits here

    thread = threading.Thread(target=other)
    with pytest.raises(Stop), database.together():  # noqa: PT012  # the thread begins inside
        add(database, "mine")
        thread.start()
        began.wait(10)
        raise Stop
    thread.join(30)
    assert names(database) == ["other"]


def test_all_take_one_connection(url: str) -> None:
    migrate(url)
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    database = Database(engine)
    try:
        with database.together(), database.write(), database.read() as tx:
            assert tx.scalar(sa.select(sa.func.count()).select_from(TABLE)) == 0
    finally:
        database.close()


def test_a_transaction_that_the_database_ended_is_not_gone_on_with(database: Database) -> None:
    """SQLite ends one by itself where its disk is full; PostgreSQL where its server ends."""

    def lose(tx: sa.Connection) -> None:
        if tx.dialect.name == "sqlite":
            tx.exec_driver_sql("INSERT OR ROLLBACK INTO projects SELECT * FROM projects")
        else:
            tx.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    def go_on() -> None:
        with database.together():
            add(database, "a")
            with pytest.raises(Unavailable), database.write() as tx:
                lose(tx)
            with pytest.raises(Unavailable):
                add(database, "b")

    with pytest.raises(Unavailable):
        go_on()
    assert names(database) == []
