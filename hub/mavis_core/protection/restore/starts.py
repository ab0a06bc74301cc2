"""Starts that are owed: whoever stops a machine sees it running again.

A restore in place and its undo stop a machine. From before that call until the machine has been
seen running a line of the ledger is open (`mavis_core.changes.undertakings`), by these rules:

- A machine has one open line. It is the line of the Run that has the machine in hand: only that
  Run stops or starts it. Another Run waits until that one is over, and takes the line over.
- The line ends when the machine is seen running, whoever has started it, or is gone.
- What a person asks of Mavis later counts: a stop or a start of the machine, asked for after the
  line was written, ends it, and nobody starts the machine.
- A machine that was started and stopped again without Mavis, before Mavis looked, is like one
  that nobody has started: it is started once. Then the line has ended, and whoever stops the
  machine after that has the last word.
- Between the old disks and the new ones it is not started: the undo owes it, and pays.

What a Run leaves open ``ledger.reconcile`` pays; see `Starts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from mavis_core.changes import intents
from mavis_core.changes.model import Call, Intent, IntentState
from mavis_core.changes.undertakings import Undertakings
from mavis_core.contract import Connection, InstanceState
from mavis_core.db import tables
from mavis_core.errors import CloudError, CloudVanished, from_told, told
from mavis_core.protection.restore import machines
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Before, Disks
from mavis_core.protection.restore.site import Means, Site
from mavis_core.scheduling.model import Run, RunState

__all__ = ["ACTION", "GONE", "Starts", "left_to_undo", "owed", "settle", "start_again", "stop"]

ACTION = "cloud.StartInstances (owed)"
GONE = "the machine is gone"
_RUNS = "the machine runs"
_START, _STOP = "cloud.resource.start", "cloud.resource.stop"
_ASKED = {_START: "somebody has started it since", _STOP: "somebody has stopped it since"}
_PATIENCE_S = 300.0  # that reconciliation waits for one machine


@dataclass(frozen=True, slots=True)
class _Line:
    """An open line, the Run whose it is, and whether that is over."""

    intent: Intent
    run_id: str
    over: bool


def stop(site: Site, before: Before) -> None:
    """Have an instance stopped, and wait for it; where it ran, its start is owed from before."""
    if before.ran:
        call = Call(ACTION, before.instance_id, site.environment_id, site.region)
        site.until(
            lambda: _take(site, call) or None,
            f"another Run has {before.instance_id} in hand",
        )
    machines.stop(site, before.instance_id)


def start_again(site: Site) -> None:
    """Start the instance of a restore in place where it ran, so that nothing is owed any more.

    Raises
    ------
    CloudError
        It does not run. What becomes of it is in the message.
    """
    before = site.restore.before
    if before is None or not before.ran:
        return
    instance_id = before.instance_id
    if _asked(site, instance_id) == _STOP:
        settle(site, instance_id, how=_ASKED[_STOP])
        return
    try:
        site.patiently(lambda: machines.start(site, instance_id), f"starting {instance_id}")
    except CloudVanished:
        settle(site, instance_id, how=GONE)
        raise
    except CloudError as exc:
        if not owed(site, instance_id):
            raise
        later = f"Mavis tries again to start {instance_id} by itself, every ten minutes"
        raise from_told(told(exc), message=f"{exc.message}; {later}") from exc
    settle(site, instance_id, how=_RUNS)


def settle(site: Site, instance_id: str, *, how: str) -> None:
    """Write down that no start of an instance is owed any more, and why."""
    with site.means.database.read() as tx:
        lines = _lines(tx, instance_id)
    undertakings = Undertakings(site.means.database)
    for line in lines:
        if line.over or line.run_id == site.run.id:
            undertakings.end(site.ctx, site.run.work, line.intent, [instance_id], how=how)


def owed(site: Site, instance_id: str) -> bool:
    """Return whether an instance, where it does not run, is to be started again."""
    with site.means.database.read() as tx:
        lines = _lines(tx, instance_id)
        return any(_asked_since(tx, line.intent) is None for line in lines)


def left_to_undo(tx: sa.Connection) -> frozenset[str]:
    """Return the ids of the open lines that wait for an undo: nobody else can pay them."""
    return frozenset(line.intent.id for line in _lines(tx) if _between(tx, line.intent.call.target))


class Starts:
    """Starts the machines that Runs which are over have left stopped.

    Parameters
    ----------
    means
        What it works with.
    """

    def __init__(self, means: Means) -> None:
        self._means = replace(means, timeout_s=_PATIENCE_S)

    def end(self, run: Run, connection: Connection, owed: Iterable[Intent]) -> int:
        """Start machines of one environment; return of how many nothing is owed any more.

        Raises
        ------
        CloudError
            One of them could not be started, and still owes it; the others were seen to.
        """
        count, problem = 0, None
        for intent in owed:
            try:
                count += self._pay(run, connection, intent.call)
            except CloudError as exc:
                problem = problem or exc
        if problem is not None:
            raise problem
        return count

    def _pay(self, run: Run, connection: Connection, call: Call) -> bool:
        with self._means.database.read() as tx:
            *_, restore = restores.at_instance(tx, call.target)
        site = Site(
            self._means,
            run,
            run.context("worker"),
            restore,
            connection,
            call.environment_id,
            call.region,
            _Silent(),
        )
        state = machines.described(site, call.target).state
        how = {InstanceState.GONE: GONE, InstanceState.RUNNING: _RUNS}.get(state)
        if how is None:
            asked = _asked(site, call.target)
            how = _ASKED[asked] if asked is not None else None
        if how is None:
            if not _take(site, call, if_payable=True):
                return False
            machines.start(site, call.target)
            how = "started again"
        settle(site, call.target, how=how)
        return True


class _Silent:
    """Progress of machines of which many may be started in one step: nobody is told of each."""

    def say(self, detail: str, *, percent: int | None = None) -> None:
        """Say nothing."""

    def waiting(self, reason: str) -> None:
        """Say nothing."""

    def check(self) -> None:
        """Go on; each word to the ledger asks whether that may be."""


def _take(site: Site, call: Call, *, if_payable: bool = False) -> bool:
    """Have a machine in hand: owe its start in this Run and in no other.

    Parameters
    ----------
    if_payable
        Only where its start is owed, and it may be started as it is.

    Returns
    -------
    bool
        False where another Run has it in hand, or it may not be started.
    """

    def choose(tx: sa.Connection) -> Sequence[Intent] | None:
        lines = _lines(tx, call.target)
        others = [line for line in lines if line.run_id != site.run.id]
        if not all(line.over for line in others):
            return None
        if if_payable and not _payable(tx, lines):
            return None
        return [line.intent for line in others]

    undertakings = Undertakings(site.means.database)
    return undertakings.take_over(site.ctx, site.run.work, call, choose) is not None


def _lines(tx: sa.Connection, instance_id: str | None = None) -> list[_Line]:
    """Return the open lines of one instance or of all, the oldest first."""
    table, runs = tables.intents, tables.runs
    query = (
        sa.select(table, runs.c.state.label("run_state"))
        .join(runs, table.c.run_id == runs.c.id)
        .where(table.c.action == ACTION, table.c.state == IntentState.OPEN)
        .order_by(table.c.id)
    )
    if instance_id is not None:
        query = query.where(table.c.target == instance_id)
    return [
        _Line(intents.intent_of(row), row.run_id, RunState(row.run_state).final)
        for row in tx.execute(query)
    ]


def _payable(tx: sa.Connection, lines: Sequence[_Line]) -> bool:
    return any(
        _asked_since(tx, line.intent) is None and not _between(tx, line.intent.call.target)
        for line in lines
    )


def _between(tx: sa.Connection, instance_id: str) -> bool:
    return any(each.disks is Disks.BETWEEN for each in restores.at_instance(tx, instance_id))


def _asked(site: Site, instance_id: str) -> str | None:
    """Return what somebody has asked Mavis to do with an instance that owes its start."""
    with site.means.database.read() as tx:
        asked = [_asked_since(tx, line.intent) for line in _lines(tx, instance_id)]
    return asked[-1] if asked else None


def _asked_since(tx: sa.Connection, intent: Intent) -> str | None:
    """Return the last that somebody has asked Mavis to do with a machine since `intent`."""
    table = tables.intents
    query = (
        sa.select(table.c.action)
        .where(
            table.c.target == intent.call.target,
            table.c.action.in_(list(_ASKED)),
            table.c.state.in_((IntentState.OPEN, IntentState.DONE)),
            table.c.called_at > intent.called_at,
        )
        .order_by(table.c.called_at.desc())
        .limit(1)
    )
    action: str | None = tx.scalar(query)
    return action
