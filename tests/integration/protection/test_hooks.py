"""Hooks: a machine that was frozen is thawed, whoever dies; and a point says what it is worth.

The machines here run the very scripts that are sent to them, in a shell on this one.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from copy_scene import Template, calls_of, carry_on, die, freeze, nth
from core_double import ACCOUNT, REGION, Core, Project, finish, wait_until
from mavis_core.changes.model import IntentState
from mavis_core.contract import CommandResult, CommandState
from mavis_core.db import tables
from mavis_core.errors import CloudDenied, CloudUnreachable
from mavis_core.protection.points.model import PointState
from mavis_core.protection.taking.hook_scripts import Thaw, freeze_script, thaw_of, thaw_script
from mavis_core.scheduling.model import Run, RunState
from mavis_core.testing.cloud import (
    Call,
    FakeCloud,
    FakeCommand,
    Rule,
    command_ends,
    during,
    lose_reply,
    refuse,
    throttle,
    vanishing,
)

HOOKS = {"pre": 'echo pre >> "$LOG"', "post": 'echo post >> "$LOG"', "timeout": "60s"}


class Shell:
    """A machine that runs scripts in a shell, with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "log"
        self.marks = folder / "marks"
        self._environ = {**os.environ, "LOG": str(self.log_file), "MAVIS_HOOKS": str(self.marks)}

    def run(self, script: str, timeout_s: int = 20) -> CommandResult:
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env=self._environ,
            cwd=self.log_file.parent,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        state = CommandState.FAILED if done.returncode else CommandState.SUCCEEDED
        return CommandResult(state, done.returncode, done.stdout + done.stderr)

    def __call__(self, command: FakeCommand) -> CommandResult:
        return self.run(command.script)

    @property
    def log(self) -> list[str]:
        """What has happened, in order."""
        return self.log_file.read_text().split() if self.log_file.exists() else []

    def add(self, word: str) -> None:
        with self.log_file.open("a") as log:
            log.write(f"{word}\n")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / "machine")
    yield shell
    if shell.marks.exists():  # no watchdog outlives its test
        for mark in {each.name.rpartition(".")[0] for each in shell.marks.glob("*.dog")}:
            shell.run(thaw_script(mark))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return freeze(tmp_path_factory.mktemp("base"), _one_machine)


@pytest.fixture
def shop(base: Template, machine: Shell, tmp_path: Path) -> Iterator[Project]:
    made = base.copy(tmp_path / "shop")
    cloud = made.core.cloud
    next(iter(cloud.instances.values())).runs = machine
    cloud.rules.append(Rule("snapshots.create", before=lambda _: machine.add("taken"), times=99))
    yield made
    made.core.close()


@pytest.fixture
def cloud(shop: Project) -> FakeCloud:
    return shop.core.cloud


def _one_machine(core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "db-1", sizes=(8, 20))
    shop = core.shop()
    shop.discover()
    return shop


def back_up(shop: Project, **hooks: Any) -> Run:
    shop.plan(hooks={**HOOKS, **hooks})
    return shop.back_up()


def worth(shop: Project) -> tuple[str, str]:
    """Return what the newest point says that it is worth, and why."""
    said = shop.points()[0].manifest.configuration["consistency"]
    return said["level"], said["why"]


def owed(shop: Project) -> int:
    table = tables.intents
    query = sa.select(sa.func.count()).where(
        table.c.action == "cloud.FreezeInstance", table.c.state == IntentState.OPEN
    )
    with shop.core.database.read() as tx:
        return tx.scalar(query) or 0


def test_a_machine_is_taken_between_its_two_scripts(shop: Project, machine: Shell) -> None:
    assert back_up(shop).state is RunState.SUCCEEDED
    assert machine.log == ["pre", "taken", "post"]
    assert worth(shop) == ("application", "the pre hook ended well")
    assert owed(shop) == 0
    assert [each.name for each in machine.marks.iterdir()] == [
        each.name for each in machine.marks.glob("*.over")
    ], "nothing but the sign that it is over"


def test_without_hooks_nothing_is_sent(shop: Project, cloud: FakeCloud) -> None:
    shop.plan()
    assert shop.back_up().state is RunState.SUCCEEDED
    assert cloud.called("commands.send") == []
    assert "consistency" not in shop.points()[0].manifest.configuration


def test_a_stopped_machine_needs_no_hooks(shop: Project, cloud: FakeCloud, machine: Shell) -> None:
    next(iter(cloud.instances.values())).state = "stopped"
    assert back_up(shop).state is RunState.SUCCEEDED
    assert machine.log == ["taken"]
    assert worth(shop) == ("application", "the machine was stopped")


def _no_agent(cloud: FakeCloud) -> None:
    next(iter(cloud.instances.values())).agent = False


def _may_not(cloud: FakeCloud) -> None:
    cloud.rules.insert(0, refuse("commands.send", CloudDenied("may not ssm:SendCommand")))


def _windows(cloud: FakeCloud) -> None:
    next(iter(cloud.instances.values())).details["platform"] = "Windows"


def _late(cloud: FakeCloud) -> None:
    result = CommandResult(CommandState.TIMED_OUT, None, "")
    cloud.rules.insert(0, command_ends(result))


FAILURES = [
    pytest.param({"pre": "echo no room; exit 7"}, None, "ended with 7: no room", id="exit"),
    pytest.param({}, _no_agent, "no agent answers", id="no agent"),
    pytest.param({}, _may_not, "may not ssm:SendCommand", id="denied"),
    pytest.param({}, _windows, "runs Windows", id="Windows"),
    pytest.param({}, _late, "was not done in time", id="timed out"),
    pytest.param({"pre": "sleep 9", "timeout": "1s"}, None, "pre hook ended", id="hangs"),
]


@pytest.mark.parametrize(("hooks", "before", "why"), FAILURES)
def test_where_freezing_fails_the_point_is_crash_consistent_and_says_why(
    shop: Project,
    cloud: FakeCloud,
    machine: Shell,
    hooks: dict[str, str],
    before: Callable[[FakeCloud], None] | None,
    why: str,
) -> None:
    if before is not None:
        before(cloud)
    assert back_up(shop, **hooks, on_failure="continue").state is RunState.SUCCEEDED
    level, reason = worth(shop)
    assert (level, why in reason) == ("crash", True), reason
    assert machine.log[-1] == "taken", "it was thawed before it was taken"
    assert owed(shop) == 0


@pytest.mark.parametrize(("hooks", "before", "why"), FAILURES)
def test_where_freezing_fails_a_plan_may_rather_have_no_backup(
    shop: Project,
    cloud: FakeCloud,
    machine: Shell,
    hooks: dict[str, str],
    before: Callable[[FakeCloud], None] | None,
    why: str,
) -> None:
    if before is not None:
        before(cloud)
    run = back_up(shop, **hooks, on_failure="skip")
    assert run.state is RunState.FAILED
    assert why in (run.error or {})["message"]
    assert shop.points()[0].state is PointState.FAILED
    assert "taken" not in machine.log
    assert cloud.snapshots == {}
    assert owed(shop) == 0


def test_a_machine_is_thawed_where_it_cannot_be_taken(
    shop: Project, cloud: FakeCloud, machine: Shell
) -> None:
    cloud.rules.insert(0, refuse("snapshots.create", CloudDenied("may not")))
    assert back_up(shop).state is RunState.FAILED
    assert machine.log == ["pre", "post"]
    assert owed(shop) == 0


def test_a_point_that_took_longer_than_the_freeze_is_crash_consistent(
    shop: Project, cloud: FakeCloud, machine: Shell
) -> None:
    cloud.rules.insert(
        0, during("snapshots.create", lambda _: wait_until(lambda: "post" in machine.log))
    )
    assert back_up(shop, timeout="1s").state is RunState.SUCCEEDED
    assert machine.log == ["pre", "post"], "the machine thawed by itself, and once"
    assert worth(shop) == ("crash", "the machine thawed by itself after 1 s")


def test_a_machine_thaws_by_itself_where_nobody_reaches_it_any_more(
    shop: Project, cloud: FakeCloud, machine: Shell
) -> None:
    def cut_off(_: Call) -> None:
        _no_agent(cloud)

    cloud.rules.insert(0, during("snapshots.create", cut_off))
    assert back_up(shop, timeout="1s").state is RunState.SUCCEEDED
    wait_until(lambda: machine.log[-1:] == ["post"])
    assert owed(shop) == 1, "nobody has heard of it"
    next(iter(cloud.instances.values())).agent = True
    shop.start("ledger.reconcile")
    assert shop.core.carry_out() is None
    assert owed(shop) == 0
    assert machine.log.count("post") == 1


def test_a_post_hook_that_fails_is_tried_again_and_then_owed(
    shop: Project, cloud: FakeCloud, machine: Shell
) -> None:
    post = 'test -e "$LOG.good" && echo post >> "$LOG"'
    assert back_up(shop, post=post).state is RunState.SUCCEEDED, "the snapshots are good"
    assert len(cloud.called("commands.send")) == 1 + 3
    assert (worth(shop)[0], owed(shop)) == ("application", 1)
    machine.log_file.with_name("log.good").touch()
    shop.start("ledger.reconcile")
    assert shop.core.carry_out() is None
    assert (machine.log[-1], owed(shop)) == ("post", 0)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda: lose_reply("commands.send"), id="the answer to pre is lost"),
        pytest.param(lambda: throttle("commands.send"), id="throttled"),
        pytest.param(
            lambda: refuse("commands.result", CloudUnreachable("no answer"), times=2),
            id="nobody says how pre ended",
        ),
        pytest.param(lambda: vanishing("commands.send"), id="not shown at once"),
        pytest.param(lambda: lose_reply("snapshots.create"), id="the answer to taking is lost"),
    ],
)
def test_whatever_is_lost_the_machine_is_thawed_and_taken_once(
    shop: Project, cloud: FakeCloud, machine: Shell, rule: Callable[[], Rule]
) -> None:
    cloud.rules.insert(0, rule())
    assert back_up(shop).state is RunState.SUCCEEDED
    assert machine.log[-1] in ("post", "taken")
    assert machine.log.count("post") == machine.log.count("pre")
    assert len(cloud.snapshots) == 2
    assert owed(shop) == 0


def test_a_cancelled_backup_thaws_what_it_froze(
    shop: Project, cloud: FakeCloud, machine: Shell
) -> None:
    shop.plan(hooks=HOOKS)
    run = shop.start("backup.run", "nightly")
    cloud.rules.insert(
        0,
        during("snapshots.create", lambda _: shop.core.runs.cancel(shop.olga, "shop", run.id)),
    )
    shop.core.carry_out()
    assert shop.run(run).state is RunState.CANCELLED
    assert machine.log.count("pre") == machine.log.count("post") == 1
    assert owed(shop) == 0


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Return a project that has been asked for a backup with hooks."""

    def prepare(core: Core, cloud: FakeCloud) -> None:
        shop = _one_machine(core, cloud)
        shop.plan(hooks=HOOKS)
        shop.start("backup.run", "nightly")

    return freeze(tmp_path_factory.mktemp("asked"), prepare)


def test_a_worker_that_is_killed_at_any_call_leaves_no_machine_frozen(
    asked: Template, tmp_path: Path
) -> None:
    calls = calls_of(asked, tmp_path / "clean")
    assert [call.action for call in calls].count("commands.send") == 2
    first = [call.action for call in calls].index("commands.reachable")
    last = [call.action for call in calls].index("snapshots.find")
    for position, moment in itertools.product(range(first, last + 1), ("before", "after")):
        where = f"killed {moment} {calls[position].action} ({position})"
        shop = asked.copy(tmp_path / f"{position}-{moment}")
        machine = Shell(tmp_path / f"machine-{position}-{moment}")
        cloud = shop.core.cloud
        next(iter(cloud.instances.values())).runs = machine
        cloud.rules.append(nth(calls, position, **{moment: die}))
        assert carry_on(shop) == 1, where
        (point,) = shop.points()
        assert point.state is PointState.COMPLETE, where
        assert len(cloud.snapshots) == 2, where
        assert machine.log.count("pre") == machine.log.count("post"), where
        assert machine.log[-1] == "post", where
        assert owed(shop) == 0, where
        shop.core.close()


def script(**given: Any) -> str:
    pre, post = HOOKS["pre"], HOOKS["post"]
    return freeze_script("m.1", **{"pre": pre, "post": post, "timeout_s": 60, **given})


def test_a_thaw_may_be_repeated_and_a_freeze_that_comes_late_does_nothing(machine: Shell) -> None:
    assert machine.run(script()).state is CommandState.SUCCEEDED
    thaws = [thaw_of(machine.run(thaw_script("m.1")).output) for _ in range(2)]
    assert thaws == [Thaw.DONE, Thaw.NOT_FROZEN]
    assert machine.run(script()).state is CommandState.FAILED
    assert machine.log == ["pre", "post"]


def test_the_watchdog_ends_a_pre_hook_that_hangs_and_thaws(machine: Shell) -> None:
    hanging = 'echo pre >> "$LOG"; sleep 20; echo late >> "$LOG"'
    assert machine.run(script(pre=hanging, timeout_s=1)).state is CommandState.FAILED
    wait_until(lambda: machine.log == ["pre", "post"])
    wait_until(lambda: thaw_of(machine.run(thaw_script("m.1")).output) is not Thaw.DONE)
    assert machine.log == ["pre", "post"]


def test_a_thaw_ends_a_pre_hook_that_still_runs(machine: Shell) -> None:
    freezing = subprocess.Popen(
        ["/bin/sh", "-c", script(pre='echo pre >> "$LOG"; sleep 20; echo late >> "$LOG"')],
        env=machine._environ,
        cwd=machine.log_file.parent,
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: machine.log == ["pre"])
    assert thaw_of(machine.run(thaw_script("m.1")).output) is Thaw.DONE
    assert freezing.wait(timeout=5) != 0
    assert machine.log == ["pre", "post"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('it\'s "quoted"', id="quotes"),
        pytest.param("$(touch x) `id` \\ @MARK@ @POST@", id="what a shell would read"),
        pytest.param("a\nEOF\nb", id="lines"),
    ],
)
def test_scripts_reach_the_machine_as_they_were_written(machine: Shell, text: str) -> None:
    machine.run(freeze_script("m.1", pre=text, post=None, timeout_s=60))
    assert (machine.marks / "m.1.pre").read_text() == f"{text}\n"


def test_a_worker_that_ends_while_a_machine_is_frozen_leaves_the_thaw_to_the_next(
    shop: Project, cloud: FakeCloud, machine: Shell
) -> None:
    shop.plan(hooks=HOOKS)
    run = shop.start("backup.run", "nightly")
    cloud.rules.insert(0, during("commands.result", lambda _: shop.core.stop.set()))
    finish(shop.core.begin(shop.core.worker()))
    assert (machine.log, owed(shop)) == (["pre"], 1)
    shop.core.stop.clear()
    assert shop.core.carry_out() is None
    assert shop.run(run).state is RunState.SUCCEEDED
    assert machine.log == ["pre", "post", "pre", "taken", "post"]
    assert owed(shop) == 0
