"""The report on protection: for programs as JSON, for spreadsheets as CSV."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from core_double import ACCOUNT, REGION, plan_document
from rest_service import RestService, serving

REPORT = "/projects/shop/reports/protection"
COLUMNS = ["finding", "machine", "environment", "region", "plan", "newest_at", "why", "mend"]
FORMULA = "=cmd|' /C calc'!A0"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a machine that a plan takes, one that none takes, and one with a nasty name"""
    with serving(tmp_path_factory.mktemp("reports")) as rest:
        rest.cloud.launch(ACCOUNT, REGION, "db-1", sizes=(8,))
        rest.cloud.launch(ACCOUNT, REGION, FORMULA, sizes=(8,))
        assert rest.ask("POST", "/projects/shop/discoveries", body={}).status == 202
        assert rest.core.carry_out() is None
        definition = plan_document(selection={"match": "name = web-1"})
        body = {"name": "nightly", "definition": definition}
        assert rest.ask("POST", "/projects/shop/backup-plans", body=body).status == 201
        assert rest.ask("POST", "/projects/shop/backup-plans/nightly/runs", body={}).status == 202
        assert rest.core.carry_out() is None
        yield rest


def test_what_is_not_protected_is_told_with_its_mend(shop: RestService) -> None:
    found = shop.ask("GET", REPORT, "vera").json
    assert (found["project"], found["machines"], found["protected"]) == ("shop", 3, 1)
    assert [row["finding"] for row in found["rows"]] == ["unprotected"] * 2
    for row in found["rows"]:
        assert sorted(row) == sorted(COLUMNS)
        assert row["why"]
        assert row["mend"]


def test_everything_has_what_is_as_it_should_be_too(shop: RestService) -> None:
    rows = shop.ask("GET", f"{REPORT}?everything=true", "vera").json["rows"]
    by_machine = {row["machine"].split(" (")[0]: row for row in rows}
    good = by_machine["web-1"]
    assert (good["finding"], good["plan"]) == ("ok", "nightly")
    assert good["newest_at"].endswith("Z")
    assert shop.ask("GET", f"{REPORT}?everything=false").json["rows"] == rows[1:]


@pytest.mark.parametrize(
    ("query", "accept", "is_csv"),
    [
        ("", "text/csv", True),
        ("", "text/csv; charset=utf-8, */*;q=0.1", True),
        ("?format=csv", "application/json", True),
        ("?format=json", "text/csv", False),
        ("", "text/csv, application/json", False),
        ("", "*/*", False),
        ("", "", False),
    ],
)
def test_the_form_is_what_is_asked_for(
    shop: RestService, query: str, accept: str, is_csv: bool
) -> None:
    answer = shop.ask("GET", REPORT + query, Accept=accept)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/csv" if is_csv else "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Content-Disposition" in answer.headers) is is_csv


def test_csv_is_a_file_with_a_name_that_a_spreadsheet_opens(shop: RestService) -> None:
    answer = shop.ask("GET", f"{REPORT}?everything=true&format=csv")
    named = answer.headers["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="shop-protection-\d{8}T\d{4}Z\.csv"', named)
    head, *rows = csv.reader(io.StringIO(answer.content.decode(), newline=""))
    assert head == COLUMNS
    told = shop.ask("GET", f"{REPORT}?everything=true").json["rows"]
    assert [row[0] for row in rows] == [row["finding"] for row in told]
    assert answer.content.endswith(b"\r\n")


def test_a_name_from_the_cloud_is_no_formula_in_a_spreadsheet(shop: RestService) -> None:
    answer = shop.ask("GET", f"{REPORT}?format=csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode(), newline="")))
    machines = [row[1] for row in rows]
    assert [name for name in machines if FORMULA in name] == [
        name for name in machines if name.startswith("'=")
    ]
    assert any(FORMULA in name for name in machines)


def test_an_error_is_a_problem_also_where_csv_was_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path) as rest:
        answer = rest.ask("GET", f"{REPORT}?format=csv", "eve")
        assert (answer.status, answer.code) == (404, "not_found")
