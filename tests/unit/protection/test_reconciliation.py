"""Reconciliation: what became of calls that no Run asks about any more is told as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import mavis_core
from core_double import ACCOUNT, REGION, Core, Project, finish
from mavis_core import clock
from mavis_core.changes import intents
from mavis_core.changes.model import Call, Work
from mavis_core.db import tables
from mavis_core.protection.catalogue.looks import UNSEEN
from mavis_core.protection.catalogue.reconciliation import ReconcileJob
from mavis_core.protection.points.model import PointState
from mavis_core.protection.taking import taking
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import Run, RunState
from mavis_core.testing.cloud import FakeCloud, Rule

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Hands:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands()
    with clock.set_clock(made):
        yield made


@pytest.fixture
def shop(hands: Hands, core: Core, cloud: FakeCloud) -> Project:
    """A machine with one recovery point of one volume, an hour old."""
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8,))
    project = core.shop()
    project.discover()
    project.start("recovery_point.create", "web-1")
    assert core.carry_out() is None
    hands.now += HOUR
    return project


class Killed(BaseException):
    """Stands for kill -9."""


def killed(action: str, *, happens: bool) -> Rule:
    """Let the worker die with the next call of an action on its way."""

    def die(_: object) -> None:
        raise Killed

    return Rule(action, after=die) if happens else Rule(action, before=die)


def ask(shop: Project, action: str, resource: str, **arguments: object) -> Run:
    """Ask for a Run as the administrator, as it was shown."""
    runs = shop.core.runs
    shown = runs.preview(shop.ada, "shop", action=action, resource=resource, arguments=arguments)
    return runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm=shown.confirm)


def die_and_give_up(shop: Project, hands: Hands, run: Run, rule: Rule) -> None:
    """Let a worker die in a Run, and nobody take it up again."""
    shop.core.cloud.rules.append(rule)
    attempt = shop.core.begin(shop.core.worker())
    assert attempt.run.id == run.id
    with pytest.raises(Killed):
        finish(attempt)
    hands.now += 3 * LEASE
    table = tables.runs
    with shop.core.database.write() as tx:
        tx.execute(
            sa.update(table)
            .where(table.c.id == run.id)
            .values(state=RunState.FAILED, finished_at=hands.now, lease_until=None)
        )


def reconcile(shop: Project) -> Run:
    """Let the timetable find out what was left, and return the Run that did."""
    begun = [shop.run_of(run_id) for run_id in shop.core.timetable.tick()]
    (run,) = [run for run in begun if run.kind == "ledger.reconcile"]
    shop.core.carry_out()
    return shop.run(run)


def line(shop: Project, run: Run, action: str) -> tuple[str, str]:
    """Return state and error's words of the one line that the ledger has of a Run's action."""
    table = tables.intents
    query = sa.select(table.c.state, table.c.error).where(
        table.c.run_id == run.id, table.c.action == action
    )
    with shop.core.database.read() as tx:
        row = tx.execute(query).one()
    return row.state, (row.error or {}).get("message", "")


def gone(shop: Project) -> list[str]:
    """Return the ids of points that are gone."""
    wanted = PointState.GONE
    page = shop.core.recovery_points.list(shop.olga, "shop", shop.page(), state=wanted)
    return [point.id for point in page.items]


NOT_THERE = "got no answer, and its effect is not there"


@pytest.mark.parametrize(
    ("happens", "state", "words"),
    [
        pytest.param(True, "done", "", id="it had happened"),
        pytest.param(False, "failed", NOT_THERE, id="it had not"),
    ],
)
def test_a_deletion_that_nobody_heard_of_is_told_as_it_is(
    shop: Project, cloud: FakeCloud, hands: Hands, happens: bool, state: str, words: str
) -> None:
    (point,) = shop.points()
    run = ask(shop, "recovery_point.delete", point.id)
    die_and_give_up(shop, hands, run, killed("snapshots.delete", happens=happens))

    found = reconcile(shop)
    assert (found.result["open"], found.result["found"]) == (1, int(happens))
    assert line(shop, run, "cloud.DeleteSnapshot")[0] == state
    assert words in line(shop, run, "cloud.DeleteSnapshot")[1]
    assert (list(cloud.snapshots), gone(shop)) == ([], [point.id]), "what was left went, too"
    assert len(cloud.called("snapshots.delete")) == 2 - happens


def test_what_the_cloud_may_not_show_yet_is_not_told_as_deleted(
    shop: Project, cloud: FakeCloud, hands: Hands
) -> None:
    """A snapshot of this minute, the request to delete it lost, and a look that misses it."""
    shop.start("recovery_point.create", "web-1")
    assert shop.core.carry_out() is None
    point = shop.points()[0]
    run = ask(shop, "recovery_point.delete", point.id)
    die_and_give_up(shop, hands, run, killed("snapshots.delete", happens=False))
    (young,) = (member.cloud_id for member in point.primary.members)
    assert young is not None
    cloud.hide(young, 1)

    (unseen,) = reconcile(shop).result["unseen"]
    assert "may not show" in unseen
    assert line(shop, run, "cloud.DeleteSnapshot")[0] == "open"
    assert young not in cloud.snapshots, "a look that saw it let it be deleted"
    hands.now += HOUR
    assert reconcile(shop).result["found"] == 1
    assert line(shop, run, "cloud.DeleteSnapshot")[0] == "done"


@pytest.mark.parametrize("happens", [True, False], ids=["it had happened", "it had not"])
@pytest.mark.parametrize(
    ("asked", "arguments", "call"),
    [
        ("resource.stop", {}, "power.stop"),
        ("recovery_point.lock", {"mode": "governance", "for": "7d"}, "locks.lock"),
        ("recovery_point.unlock", {}, "locks.unlock"),
    ],
)
def test_a_change_that_nobody_heard_of_is_told_as_it_is(
    shop: Project,
    cloud: FakeCloud,
    hands: Hands,
    asked: str,
    arguments: dict[str, str],
    call: str,
    happens: bool,
) -> None:
    (point,) = shop.points()
    if asked == "recovery_point.unlock":
        ask(shop, "recovery_point.lock", point.id, mode="governance", **{"for": "9d"})
        assert shop.core.carry_out() is None
    run = ask(shop, asked, "web-1" if asked == "resource.stop" else point.id, **arguments)
    die_and_give_up(shop, hands, run, killed(call, happens=happens))

    found = reconcile(shop).result
    assert (found["open"], found["found"], found["unseen"]) == (1, int(happens), [])
    with shop.core.database.read() as tx:
        (told,) = tx.execute(
            sa.select(tables.intents.c.state).where(tables.intents.c.run_id == run.id)
        ).all()
    assert told.state == ("done" if happens else "failed")
    (instance,), (snapshot,) = cloud.instances.values(), cloud.snapshots.values()
    if asked == "resource.stop":
        assert (instance.state == "stopped") is happens
    elif asked == "recovery_point.unlock":
        assert (snapshot.lock is None) is happens
        assert (shop.points()[0].lock is None) is happens, "it does not say what is not true"


def test_what_nobody_can_look_for_is_told_as_such(
    shop: Project, cloud: FakeCloud, hands: Hands
) -> None:
    run = ask(shop, "resource.tag", "web-1", tags={"team": "shop"})
    die_and_give_up(shop, hands, run, killed("tags.put", happens=True))
    asked = len(cloud.calls)
    assert reconcile(shop).result["found"] == 0
    assert len(cloud.calls) == asked, "nobody is asked"
    state, words = line(shop, run, "cloud.resource.tag")
    assert (state, words[:13]) == ("failed", "Nobody knows ")
    told = [record.summary for record in shop.core.records() if "resource.tag" in record.action]
    assert told[-1].endswith("may have happened: nobody can tell")


def test_reconciliation_knows_every_action_that_may_stay_open(shop: Project) -> None:
    """What a call does is looked for, or owed, or is said to be what nobody can look for."""
    source = "".join(
        path.read_text(encoding="utf-8") for path in Path(mavis_core.__file__).parent.rglob("*.py")
    )
    called = set(re.findall(r'"(cloud\.[A-Z][A-Za-z]*(?: \([a-z]+\))?)"', source))
    called |= {f"cloud.resource.{verb}" for verb in ("start", "stop", "tag")}
    job = shop.core.jobs["ledger.reconcile"]
    assert isinstance(job, ReconcileJob)
    known = {*job._looks, *job._owed, taking.ACTION}
    assert called >= {"cloud.CreateSnapshots", "cloud.DeleteSnapshot", "cloud.StopInstances"}
    assert (called - known, known & UNSEEN) == (UNSEEN, frozenset())


@pytest.mark.parametrize(
    ("action", "target", "state"),
    [
        ("cloud.StopInstances", "stopped", "done"),
        ("cloud.StopInstances", "running", "failed"),
        ("cloud.StartInstances", "running", "done"),
        ("cloud.StartInstances", "stopped", "failed"),
        ("cloud.TerminateInstances", "gone", "done"),
        ("cloud.TerminateInstances", "running", "failed"),
        ("cloud.AttachVolume", "hangs", "done"),
        ("cloud.AttachVolume", "free", "failed"),
        ("cloud.AttachVolume", "gone", "failed"),
        ("cloud.DetachVolume", "free", "done"),
        ("cloud.DetachVolume", "gone", "done"),
        ("cloud.DetachVolume", "hangs", "failed"),
        ("cloud.DeleteVolume", "gone", "done"),
        ("cloud.DeleteVolume", "free", "failed"),
    ],
)
def test_what_a_restore_has_changed_is_told_by_what_is_so(
    shop: Project, cloud: FakeCloud, hands: Hands, action: str, target: str, state: str
) -> None:
    other = cloud.launch(ACCOUNT, REGION, "other", state="stopped", sizes=(1, 1))
    hangs, free = other.devices.values()
    cloud.detach(free)
    (web,) = (one.id for one in cloud.instances.values() if one.id != other.id)
    kind = "i-00000000000000000" if "Instances" in action else "vol-00000000000000000"
    ids = {"stopped": other.id, "running": web, "hangs": hangs, "free": free, "gone": kind}
    point = shop.points()[0]
    assert point.run_id is not None
    run = shop.run_of(point.run_id)  # any that is over
    with shop.core.database.write() as tx:
        call = Call(action, ids[target], point.environment_id, REGION)
        intents.begin(tx, shop.ada, Work(run.id, run.project_id, 1), [call])
    hands.now += HOUR
    assert reconcile(shop).result["unseen"] == []
    assert line(shop, run, action)[0] == state
