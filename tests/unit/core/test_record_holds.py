"""Legal holds on records: who may place and release them, and what is on record of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core_double import PERSON, PLATFORM, call
from mavis_core import clock
from mavis_core.access import Role
from mavis_core.db import Database, migrate, open_database
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound
from mavis_core.logs import holds as module
from mavis_core.logs.holds import RecordHolds, standing_holds
from mavis_core.projects.service import Projects
from mavis_core.records import Outbox


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/main.sqlite"
    migrate(url)
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def projects(database: Database) -> Projects:
    projects = Projects(database)
    for name in ("shop", "other"):
        projects.create(call("ada", PLATFORM), name=name, title=name)
    for who, role in (("ann", Role.AUDITOR), ("olga", Role.OPERATOR)):
        projects.put_member(call("ada", PLATFORM), "shop", f"user:{who}", role)
    return projects


@pytest.fixture
def holds(database: Database, projects: Projects) -> RecordHolds:
    return RecordHolds(database, projects)


def story(database: Database) -> list[tuple[str, str, str]]:
    return [
        (record.action, record.person, record.summary)
        for _, record in Outbox(database).pending(100)
        if record.action in ("record.hold", "record.release")
    ]


def test_a_hold_stands_until_it_is_released_and_both_are_told(
    holds: RecordHolds, database: Database
) -> None:
    ann = call("ann", PERSON)
    placed = holds.place(ann, "shop", " case 7 ", person="bob")
    assert (placed.reason, placed.person, placed.stands) == ("case 7", "bob", True)
    assert holds.get(ann, "shop", placed.id) == placed
    assert standing_holds(database) == (placed,)
    free = holds.release(call("ada", PERSON), "shop", placed.id, "case 7 ended")
    assert (free.stands, free.released_by, free.release_reason) == (False, "ada", "case 7 ended")
    assert holds.release(ann, "shop", placed.id, "again") == free
    assert standing_holds(database) == ()
    assert story(database) == [
        ("record.hold", "ann", "ann placed a legal hold on records: case 7"),
        (
            "record.release",
            "ada",
            f"ada released the legal hold {placed.id} on records: case 7 ended",
        ),
    ]


def test_those_that_stand_are_listed_first(holds: RecordHolds) -> None:
    ann, now = call("ann", PERSON), clock.now()
    placed = []
    for minutes in range(3):
        with clock.set_clock(lambda minutes=minutes: now + timedelta(minutes=minutes)):
            placed.append(holds.place(ann, "shop", f"case {minutes}").id)
    holds.release(ann, "shop", placed[2], "over")
    assert [each.id for each in holds.list(ann, "shop")] == [placed[1], placed[0], placed[2]]


def test_who_works_sees_holds_and_places_none(holds: RecordHolds, database: Database) -> None:
    placed = holds.place(call("ann", PERSON), "shop", "case 7")
    olga = call("olga", PERSON)
    assert [each.id for each in holds.list(olga, "shop")] == [placed.id]
    with pytest.raises(Forbidden):
        holds.place(olga, "shop", "mine")
    with pytest.raises(Forbidden):
        holds.release(olga, "shop", placed.id, "mine")
    with pytest.raises(NotFound):
        holds.list(call("zoe", PERSON), "shop")
    assert len(standing_holds(database)) == 1


def test_a_hold_of_another_project_is_not_there(holds: RecordHolds) -> None:
    placed = holds.place(call("ada", PERSON), "other", "case 8")
    for reach in (
        lambda: holds.get(call("ann", PERSON), "shop", placed.id),
        lambda: holds.release(call("ann", PERSON), "shop", placed.id, "over"),
    ):
        with pytest.raises(NotFound, match="has no hold"):
            reach()


def test_a_hold_needs_a_reason_and_there_are_not_too_many(
    holds: RecordHolds, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = call("ann", PERSON)
    with pytest.raises(InvalidInput, match="needs a reason"):
        holds.place(ann, "shop", " ")
    placed = holds.place(ann, "shop", "one")
    with pytest.raises(InvalidInput, match="needs a reason"):
        holds.release(ann, "shop", placed.id, "")
    monkeypatch.setattr(module, "MOST_HOLDS", 1)
    with pytest.raises(Conflict, match="1 holds on records"):
        holds.place(ann, "shop", "two")
