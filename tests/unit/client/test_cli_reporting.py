"""``mavis record report`` sends lines in calls of some hundred and says which one is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from appliance_double.server import Appliance, Asked, Reply, problem
from mavis_kernel import Mavis
from mavis_kernel.errors import BadSettings

Cli = Callable[..., Result]
PATH = "/api/v1/projects/shop/records"


@pytest.fixture(autouse=True)
def in_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAVIS_PROJECT", "shop")


def lines_of(tmp_path: Path, *lines: object) -> str:
    path = tmp_path / "lines.jsonl"
    path.write_text(
        "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
    )
    return str(path)


def accept(asked: Asked) -> Reply:
    return Reply({"accepted": len(asked.body["records"])})


def test_lines_are_numbered_timed_and_sent(appliance: Appliance, cli: Cli, tmp_path: Path) -> None:
    appliance.otherwise = accept
    given = {"action": "deploy.finish", "time": "2026-11-27T22:15:00Z"}
    before = datetime.now(UTC)
    done = cli("record", "report", lines_of(tmp_path, given, "", {"action": "b"}), "--stream", "s")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "2 records reported to project shop.\n"
    (asked,) = appliance.asked
    one, two = asked.body["records"]
    assert one == given | {"stream": "s", "sequence": 1}
    assert (two["stream"], two["sequence"]) == ("s", 2)
    assert before <= datetime.fromisoformat(two["time"]) <= datetime.now(UTC)


def test_many_go_in_several_calls(appliance: Appliance, cli: Cli, tmp_path: Path) -> None:
    appliance.otherwise = accept
    many = [{"action": "a", "data": {"x": "y" * 1000}} for _ in range(1200)]
    done = cli("record", "report", lines_of(tmp_path, *many), "--stream", "s", "--first", "5")
    assert done.stderr == "1200 records reported to project shop.\n"
    sent = [each["sequence"] for asked in appliance.asked for each in asked.body["records"]]
    assert sent == list(range(5, 1205))
    assert all(len(json.dumps(asked.body)) < 1 << 20 for asked in appliance.asked)
    assert len({asked.headers["Idempotency-Key"] for asked in appliance.asked}) == 3


@pytest.mark.parametrize("line", ["{", "[]", "1", "\x00"])
def test_a_line_that_is_no_object_is_named(
    appliance: Appliance, cli: Cli, tmp_path: Path, line: str
) -> None:
    appliance.otherwise = accept
    done = cli("record", "report", lines_of(tmp_path, {"action": "a"}, "", line))
    assert done.exit_code == 2
    assert "Line 3 is" in done.stderr
    assert appliance.asked == []


def test_a_line_that_is_refused_is_named(appliance: Appliance, cli: Cli, tmp_path: Path) -> None:
    replies = [
        Reply({"accepted": 500}),
        problem(400, "invalid_input", "no action", field="records.1.action"),
    ]
    appliance.otherwise = lambda _: replies.pop(0)
    done = cli("record", "report", lines_of(tmp_path, "", *[{"action": "a"}] * 600))
    assert done.exit_code != 0
    assert "Line 503 is refused." in done.stderr
    assert "The first 500 records are kept." in done.stderr
    assert "no action" in done.stderr


def test_what_json_cannot_hold_is_no_record(mavis: Mavis) -> None:
    with pytest.raises(BadSettings, match="Record 1 is not JSON"):
        mavis.records.report("shop", [{"action": "a", "data": {"x": object()}}])
    with pytest.raises(BadSettings, match="no zone"):
        mavis.records.report("shop", [{"action": "a", "time": datetime(2026, 1, 1)}])  # noqa: DTZ001
