"""Cells are reported in the background, whole or counted, without secrets, and delay nothing."""

from __future__ import annotations

import getpass
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from appliance_double.notebook import Notebook
from appliance_double.objects import me_json
from appliance_double.server import TOKEN, Appliance, Asked, Reply, problem
from mavis_kernel.errors import Unreachable
from mavis_kernel.models import ReportedCells
from mavis_kernel.notebook.cells import Cells
from mavis_kernel.notebook.loading import MAGICS
from mavis_kernel.notebook.reporting import CODE, OUTPUT, Ran, Reporter
from mavis_kernel.story import CURRENT, new_story

CELLS = "/projects/shop/cells"
NOW = datetime(2026, 11, 27, 22, 15, tzinfo=UTC)


def accept(asked: Asked) -> Reply:
    return Reply({"accepted": len(asked.body["cells"]), "wanted": True})


@pytest.fixture
def watched(cells: Notebook, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook whose cells are reported to ``shop`` without a pause."""
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    appliance.on("POST", CELLS, accept)
    cells_of(cells).reporter._gather_s = 0.01
    return cells


def cells_of(notebook: Notebook) -> Cells:
    magic: Any = notebook.shell.find_line_magic(next(iter(MAGICS)))
    found = magic.session.cells
    assert isinstance(found, Cells)
    return found


def wait_until(holds: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def told(appliance: Appliance, count: int) -> list[dict[str, Any]]:
    """Return the cells that were reported, once they are `count`."""

    def all_of_them() -> list[dict[str, Any]]:
        return [cell for asked in appliance.to("POST", CELLS) for cell in asked.body["cells"]]

    wait_until(lambda: len(all_of_them()) >= count)
    return all_of_them()


def test_a_cell_is_told_with_what_it_ran_and_how_it_ended(
    watched: Notebook, appliance: Appliance
) -> None:
    watched.shell.user_ns["__session__"] = "runbooks/web.ipynb"
    code = "print('\x1b[31mit works\x1b[0m')\n1 + 1"
    watched.run(code)
    watched.run("1 / 0")
    watched.run("this is no Python")
    good, failed, wrong = told(appliance, 3)
    assert good["code"] == code
    assert good["sha256"] == hashlib.sha256(code.encode()).hexdigest()
    assert (good["status"], good["error"], good["lost"]) == ("ok", None, 0)
    assert "it works\n" in good["output"]
    assert "\x1b" not in good["output"]
    assert good["notebook"] == "runbooks/web.ipynb"
    assert good["started_at"] <= good["ended_at"] <= failed["started_at"]
    assert (failed["status"], failed["error"]) == ("failed", "ZeroDivisionError")
    assert "ZeroDivisionError: division by zero" in failed["output"]
    assert wrong["error"] == "SyntaxError"
    assert [each["sequence"] for each in (good, failed, wrong)] == [1, 2, 3]
    assert len({each["stream"] for each in (good, failed, wrong)}) == 1
    assert len({each["correlation_id"] for each in (good, failed, wrong)}) == 3


def test_what_a_cell_asks_for_belongs_to_its_story(watched: Notebook, appliance: Appliance) -> None:
    watched.run("mavis.me(); mavis.me()")
    watched.run("(await amavis.me()).name")
    one, two = told(appliance, 2)
    carried = [each.headers.get("X-Correlation-Id") for each in appliance.to("GET", "/me")]
    assert carried == [one["correlation_id"]] * 2 + [two["correlation_id"]]
    assert one["correlation_id"].startswith("cor_")
    assert CURRENT.get() is None
    assert all("X-Correlation-Id" not in each.headers for each in appliance.to("POST", CELLS))


def test_secrets_stay_in_the_kernel(
    watched: Notebook, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB_PASSWORD", "of the environment")
    monkeypatch.setattr(getpass, "getpass", lambda *_: "typed by hand")
    cells_of(watched)._remember(getpass)
    watched.run(
        "import getpass, os\n"
        "print(getpass.getpass(), os.environ['SHOP_DB_PASSWORD'], os.environ['MAVIS_TOKEN'])\n"
        "print('mysql --password=hunter2')"
    )
    (cell,) = told(appliance, 1)
    sent = repr([each.body for each in appliance.to("POST", CELLS)])
    for secret in ("typed by hand", "of the environment", "hunter2", TOKEN):
        assert secret not in sent
    assert "[masked: password]" in cell["code"]
    assert cell["output"].count("[masked: a secret of this kernel]") == 3


def test_long_code_and_output_are_cut_and_the_hash_is_of_all(
    watched: Notebook, appliance: Appliance
) -> None:
    code = f"x = '{'a' * 20_000}'\nprint(x)"
    watched.run(code)
    (cell,) = told(appliance, 1)
    assert cell["code"] == code[:CODE]
    assert cell["sha256"] == hashlib.sha256(code.encode()).hexdigest()
    assert cell["output"] == "a" * OUTPUT


def test_streams_are_as_they_were_after_a_cell(watched: Notebook) -> None:
    import sys

    before = sys.stdout.write
    assert "it" in watched.run("print('it')").printed
    assert sys.stdout.write == before


def test_without_a_project_nothing_is_told(cells: Notebook, appliance: Appliance) -> None:
    cells_of(cells).reporter._gather_s = 0.01
    appliance.on("GET", "/me", Reply(me_json("shop", "billing")))
    cells.run("1")
    wait_until(lambda: not cells_of(cells).reporter._waiting)
    assert "reported nowhere until a project is chosen" in cells.run("%mavis").printed
    assert [each.path for each in appliance.asked if "cells" in each.path] == []


def test_the_only_project_is_told(cells: Notebook, appliance: Appliance) -> None:
    cells_of(cells).reporter._gather_s = 0.01
    appliance.on("POST", CELLS, accept)
    cells.run("1")
    assert told(appliance, 1)[0]["code"] == "1"
    assert "reported to the log of the project shop" in cells.run("%mavis").printed


def test_an_appliance_that_wants_none_gets_none(watched: Notebook, appliance: Appliance) -> None:
    appliance.on("POST", CELLS, Reply({"accepted": 0, "wanted": False}))
    watched.run("1")
    wait_until(lambda: not cells_of(watched).reporter.wanted)
    watched.run("2")
    assert "what you run is not reported" in watched.run("%mavis").printed
    assert len(appliance.to("POST", CELLS)) == 1


def test_whoever_may_not_report_is_not_asked_again(watched: Notebook, appliance: Appliance) -> None:
    appliance.on("POST", CELLS, problem(403, "forbidden"))
    watched.run("1")
    wait_until(lambda: "shop" in cells_of(watched).reporter._refused)
    watched.run("2")
    wait_until(lambda: not cells_of(watched).reporter._waiting)
    assert len(appliance.to("POST", CELLS)) == 1


class Receiver:
    """Takes cells, and is away when it is told to."""

    def __init__(self) -> None:
        self.cells: list[dict[str, Any]] = []
        self.away = False
        self.tried = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def send(self, project: str, cells: list[dict[str, Any]]) -> ReportedCells:
        assert project == "shop"
        self.tried += 1
        self.may_go_on.wait(20)
        if self.away:
            raise Unreachable("It is away.")
        self.cells += cells
        return ReportedCells.from_json({"accepted": len(cells), "wanted": True})


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def reporter(receiver: Receiver) -> Iterator[Reporter]:
    reporter = Reporter(receiver.send, lambda: None, lambda: (), gather_s=0.01)
    yield reporter
    receiver.may_go_on.set()
    reporter.close()


def ran(number: int) -> Ran:
    return Ran("shop", str(number), NOW, NOW, new_story())


def test_what_is_too_much_is_counted_and_its_numbers_are_missing(
    receiver: Receiver, reporter: Reporter
) -> None:
    receiver.may_go_on.clear()
    reporter.add(ran(1))
    wait_until(lambda: receiver.tried == 1)  # it is on its way while the others come
    for number in range(2, 301):
        reporter.add(ran(number))
    receiver.may_go_on.set()
    wait_until(lambda: bool(receiver.cells) and receiver.cells[-1]["code"] == "300")
    reporter.add(ran(301))
    wait_until(lambda: receiver.cells[-1]["code"] == "301")
    assert len(receiver.cells) + sum(each.get("lost", 0) for each in receiver.cells) == 301
    assert all(str(each["sequence"]) == each["code"] for each in receiver.cells)
    assert sum(each.get("lost", 0) for each in receiver.cells) == 99


def test_an_appliance_that_is_away_gets_them_later_with_the_same_numbers(
    receiver: Receiver, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mavis_kernel.notebook.reporting._FIRST_PAUSE_S", 0.01)
    receiver.away = True
    reporter.add(ran(1))
    wait_until(lambda: receiver.tried >= 2)
    reporter.add(ran(2))
    receiver.away = False
    wait_until(lambda: len(receiver.cells) == 2)
    assert [each["sequence"] for each in receiver.cells] == [1, 2]


def test_the_end_waits_for_a_while_and_not_for_ever(receiver: Receiver, reporter: Reporter) -> None:
    reporter.add(ran(1))
    reporter.close()
    assert len(receiver.cells) == 1
    reporter.add(ran(2))
    assert len(receiver.cells) == 1


def test_lone_surrogates_are_no_reason_to_lose_a_cell() -> None:
    told_ = Ran("shop", "x = '\ud800'", NOW, NOW, new_story(), output="\udfff").to_json(())
    assert told_["code"] == "x = '?'"
    assert told_["output"] == "?"
