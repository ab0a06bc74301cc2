"""All records that fit as a file, and the record of who took it."""

from __future__ import annotations

import csv
import http.client
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from core_double import PLATFORM, call, wait_until
from mavis_core import records
from mavis_core.access import Permission
from mavis_core.logs import exports
from mavis_core.records import Kind, Outcome, Phase, Record
from mavis_ext.app import API
from rest_service import Answer, RestService

SHOP = "/projects/shop/records/export?action=exported."
MANY = 700


@pytest.fixture(scope="module", autouse=True)
def made(rest: RestService) -> list[Record]:
    """Let much happen, of which the log knows when this is done; return it, the newest first."""
    admin = call("ada", PLATFORM)
    shop = rest.core.projects.authorize(admin, "shop", Permission.PROJECT_READ).project
    found = [
        Record(
            kind=Kind.AUDIT,
            phase=Phase.EVENT,
            outcome=Outcome.OK,
            action="exported.thing",
            person="Doe, Jane" if number % 2 else "=ben",
            project=shop.id if number else None,
            object=f"thing-{number}",
            summary=f'Something "{number}", happened\nto it',
            correlation_id="cor_1",
        )
        for number in range(MANY)
    ]
    with rest.core.database.write() as tx:
        records.write(tx, *found)
    listed = "/records?action=exported.&limit=1&object=thing-"
    wait_until(lambda: bool(rest.ask("GET", f"{listed}{MANY - 1}").json["items"]))
    return found[::-1]


def exported(rest: RestService) -> list[dict[str, Any]]:
    return [each for each in rest.core.records_ever() if each["action"] == "record.export"]


def rows_of(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def test_a_file_has_all_that_fits_in_the_form_that_was_asked_for(
    rest: RestService, made: list[Record], tmp_path: Path
) -> None:
    in_shop = [each for each in made if each.project]
    answer = rest.ask("GET", f"{SHOP}&format=jsonl", "olga")
    assert answer.headers["Content-Type"] == "application/jsonl"
    name = answer.headers["Content-Disposition"]
    assert name.startswith('attachment; filename="shop-records-')
    assert name.endswith('Z.jsonl"')
    lines = [json.loads(line) for line in answer.content.splitlines()]
    assert [each["id"] for each in lines] == [each.id for each in in_shop]
    assert answer.headers["X-Records"] == str(len(in_shop))
    listed = rest.ask("GET", "/projects/shop/records?action=exported.&limit=3", "olga").json
    assert lines[:3] == listed["items"]

    answer = rest.ask("GET", SHOP, "olga")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    rows = rows_of(answer)
    assert [each["id"] for each in rows] == [each.id for each in in_shop]
    assert {each["person"] for each in rows} == {"Doe, Jane", "'=ben"}
    assert rows[0]["summary"] == in_shop[0].summary
    assert rows[0]["project"] == "shop"

    answer = rest.ask("GET", "/records/export?action=exported.&format=parquet", "ada")
    path = tmp_path / "all.parquet"
    path.write_bytes(answer.content)
    found = duckdb.sql(f"SELECT id FROM read_parquet('{path}')").fetchall()
    assert [each for (each,) in found] == [each.id for each in made]


def test_filters_hold_for_a_file_as_for_a_list(rest: RestService, made: list[Record]) -> None:
    rows = rows_of(rest.ask("GET", f"{SHOP}&words=thing%2017"))
    assert [each["object"] for each in rows] == ["thing-17"]
    answer = rest.ask("GET", f"{SHOP}&object=nothing")
    assert rows_of(answer) == []
    assert answer.headers["X-Records"] == "0"
    assert answer.content.startswith(b"id,time,kind,")


def test_who_took_what_is_recorded_before_it_is_sent(rest: RestService) -> None:
    before = len(exported(rest))
    answer = rest.ask("GET", f"{SHOP}&object=thing-17&format=jsonl", "olga")
    (*_, record) = exported(rest)
    assert len(exported(rest)) == before + 1
    assert (record["person"], record["outcome"]) == ("olga", "ok")
    assert record["project"] is not None
    assert record["request_id"] == answer.headers["X-Request-Id"]
    told = record["data"] if isinstance(record["data"], dict) else json.loads(record["data"])
    assert (told["format"], told["count"]) == ("jsonl", 1)
    assert told["bytes"] == len(answer.content)
    assert told["filters"]["object"] == "thing-17"
    assert told["filters"]["action"] == "exported."


def test_whoever_may_not_see_them_takes_nothing(rest: RestService) -> None:
    before = len(exported(rest))
    assert rest.ask("GET", SHOP, "as-viewer").code == "forbidden"
    assert rest.ask("GET", SHOP, "eve").code == "not_found"
    assert rest.ask("GET", "/records/export", "olga").code == "forbidden"
    assert len(exported(rest)) == before


def test_a_bad_question_is_refused(rest: RestService) -> None:
    for asked, field in (("regex=(", "regex"), ("format=xls", "format"), ("limit=3", "limit")):
        answer = rest.ask("GET", f"{SHOP}&{asked}")
        assert (answer.status, answer.json["field"]) == (400, field)


def test_one_who_goes_away_gives_the_seat_back(rest: RestService) -> None:
    seats = rest.services.export_seats
    connection = http.client.HTTPConnection("127.0.0.1", rest.port, timeout=30)
    connection.request("GET", API + SHOP, headers={"Authorization": "token olga"})
    assert connection.getresponse().read(10)
    connection.close()
    wait_until(lambda: seats.taken == 0)


def test_too_many_are_told_to_come_back(rest: RestService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest.services.export_seats, "most_of_one", 0)
    assert rest.ask("GET", SHOP).code == "too_many_requests"


def test_a_file_that_breaks_off_is_not_taken_for_whole(
    rest: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(_: object, __: int) -> bytes:
        monkeypatch.undo()
        raise exports.Unavailable("The log process has ended")

    monkeypatch.setattr("mavis_core.logs.client.Taken.read", ends)
    with pytest.raises(http.client.RemoteDisconnected):
        rest.ask("GET", SHOP)
