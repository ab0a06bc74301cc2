"""``mavis record sql``: a table for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from appliance_double.server import Appliance, Reply, problem

Cli = Callable[..., Result]
SQL = "/records/sql"
ANSWER: dict[str, Any] = {
    "columns": [
        {"name": "person", "type": "VARCHAR"},
        {"name": "calls", "type": "BIGINT"},
        {"name": "data", "type": "JSON"},
    ],
    "rows": [["olga", 12, {"a": 1}], ["=ä;\n\x1b[31m", 3, None]],
    "records": 1200,
}


@pytest.fixture(autouse=True)
def shop(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    appliance.on("POST", SQL, Reply(ANSWER))


def test_the_answer_is_a_table(cli: Cli) -> None:
    done = cli("record", "sql", "FROM audit")
    assert done.exit_code == 0
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["person", "calls", "data"]
    assert first.split() == ["olga", "12", '{"a":', "1}"]
    assert "\x1b" not in second
    assert done.stderr == "2 rows from 1,200 records of project shop\n"


def test_the_answer_is_told_to_programs(cli: Cli, appliance: Appliance) -> None:
    told = json.loads(cli("record", "sql", "-o", "json", "FROM audit").stdout)
    assert told[0] == {"person": "olga", "calls": 12, "data": {"a": 1}}
    appliance.on("POST", SQL, Reply(ANSWER))
    text = cli("record", "sql", "-o", "csv", "FROM audit").stdout
    assert list(csv.reader(text.splitlines(keepends=True)))[:2] == [
        ["person", "calls", "data"],
        ["olga", "12", '{"a": 1}'],
    ]


def test_sql_comes_from_standard_input(cli: Cli, appliance: Appliance) -> None:
    assert cli("record", "sql", "--all-projects", "-", stdin="FROM audit\n").exit_code == 0
    (asked,) = appliance.to("POST", SQL)
    assert asked.body == {"sql": "FROM audit\n", "projects": None, "since": None, "until": None}


def test_no_sql_is_no_question(cli: Cli, appliance: Appliance) -> None:
    done = cli("record", "sql", " ")
    assert done.exit_code == 2
    assert "There is no SQL." in done.stderr
    assert appliance.asked == []


def test_what_is_wrong_is_shown_with_its_place(cli: Cli, appliance: Appliance) -> None:
    words = "Binder Error: no nope\n\nLINE 1: SELECT nope\n               ^"
    appliance.on("POST", "/records/sql", problem(400, "invalid_input", words))
    done = cli("record", "sql", "-p", "blog", "SELECT nope")
    assert done.exit_code == 8
    assert "\nLINE 1: SELECT nope\n               ^\n" in done.stderr


def test_an_empty_answer_says_of_how_many_records(cli: Cli, appliance: Appliance) -> None:
    appliance.on("POST", SQL, Reply({**ANSWER, "rows": [], "records": 1}))
    done = cli("record", "sql", "--all-projects", "FROM audit")
    assert done.stdout == ""
    assert done.stderr == "0 rows from 1 record of all projects\n"
