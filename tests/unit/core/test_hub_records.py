"""What the Hub tells becomes records, whatever it tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mavis_core import clock
from mavis_core.db import Database, migrate, open_database
from mavis_core.errors import InvalidInput
from mavis_core.projects.hub_records import NOBODY, HubRecords
from mavis_core.records import Outbox, Outcome, Record


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/main.sqlite"
    migrate(url)
    database = open_database(url)
    yield database
    database.close()


def told(database: Database, **event: Any) -> Record:
    given = {"name": "ada", "address": "192.0.2.7", "time": clock.iso(clock.now())}
    HubRecords(database).told({**given, **event})
    return Outbox(database).pending(100)[-1][1]


@pytest.mark.parametrize(
    ("what", "action", "summary"),
    [
        ("came", "hub.login", "ada logged in at the Hub"),
        ("left", "hub.logout", "ada logged out at the Hub"),
        ("server_ended", "server.stop", "The notebook server of ada has ended"),
    ],
)
def test_an_event_is_a_record(database: Database, what: str, action: str, summary: str) -> None:
    moment = clock.now() - timedelta(minutes=3)
    record = told(database, what=what, time=clock.iso(moment))
    assert (record.action, record.person, record.summary) == (action, "ada", summary)
    assert (record.outcome, record.source, record.time) == (Outcome.OK, "192.0.2.7", moment)
    assert record.project is None


def test_a_refused_login_names_whom_the_hub_knows_and_nobody_else(database: Database) -> None:
    known = told(database, what="refused")
    assert (known.action, known.person, known.outcome) == ("hub.login", "ada", Outcome.REFUSED)
    assert known.error_code == "unauthenticated"
    unknown = told(database, what="refused", name="", more=30)
    assert unknown.person == unknown.object == NOBODY
    assert unknown.summary.endswith("was refused, and 30 more since the last such record")
    assert unknown.data == {"more": 30}


@pytest.mark.parametrize(
    "event",
    [
        {"what": "danced"},
        {"what": None},
        {"what": "came", "name": None},
        {"what": "came", "address": 1},
        {"what": "refused", "more": "many"},
        {"what": "came", "time": "yesterday"},
        {"what": "came", "time": None},
    ],
)
def test_what_is_no_event_is_refused(database: Database, event: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        told(database, **event)
    assert Outbox(database).backlog() == 0


def test_no_event_is_of_tomorrow(database: Database) -> None:
    record = told(database, what="came", time=clock.iso(clock.now() + timedelta(days=1)))
    assert record.time < clock.now() + timedelta(minutes=6)
