"""Whoever reads the log is in it, once an hour and for each project."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core_double import PERSON, call
from mavis_core import clock
from mavis_core.db import Database, migrate, open_database
from mavis_core.errors import MavisError
from mavis_core.logs.looks import Looks
from mavis_core.records import Outbox


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/main.sqlite"
    migrate(url)
    database = open_database(url)
    yield database
    database.close()


def told(database: Database) -> list[tuple[str, str | None]]:
    records = [record for _, record in Outbox(database).pending(100)]
    assert {record.action for record in records} <= {"record.read"}
    return [(record.person, record.project) for record in records]


def test_a_look_is_recorded_once_an_hour_for_each_person_and_project(database: Database) -> None:
    looks, now = Looks(database), clock.now()
    for minutes, person, projects in (
        (0, "olga", ["prj_1"]),
        (1, "olga", ["prj_2", "prj_1"]),
        (2, "ada", ["prj_1"]),
        (59, "olga", ["prj_1"]),
        (61, "olga", ["prj_1"]),
    ):
        with clock.set_clock(lambda minutes=minutes: now + timedelta(minutes=minutes)):  # type: ignore[misc]
            looks.told(call(person, PERSON), projects)
    assert told(database) == [
        ("olga", "prj_1"),
        ("olga", "prj_2"),
        ("ada", "prj_1"),
        ("olga", "prj_1"),
    ]


def test_a_look_at_everything_is_one_of_the_platform(database: Database) -> None:
    looks = Looks(database)
    for _ in range(2):
        looks.told(call("ada", PERSON), None)
    looks.told(call("ada", PERSON), [])
    assert told(database) == [("ada", None)]


def test_what_cannot_be_recorded_is_not_remembered_as_if_it_were(database: Database) -> None:
    looks = Looks(database)
    with database.write() as tx:
        tx.exec_driver_sql("ALTER TABLE records RENAME TO elsewhere")
    with pytest.raises(MavisError):
        looks.told(call("olga", PERSON), ["prj_1"])
    with database.write() as tx:
        tx.exec_driver_sql("ALTER TABLE elsewhere RENAME TO records")
    looks.told(call("olga", PERSON), ["prj_1"])
    assert told(database) == [("olga", "prj_1")]
