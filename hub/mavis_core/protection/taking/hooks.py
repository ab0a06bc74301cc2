"""Hooks: a plan's scripts around the taking of one machine, so that it is taken at rest.

*Freeze*: the machine runs ``pre``. *Thaw*: it runs ``post``. A machine that was frozen is thawed
whatever happens: by us right after the call; by itself when its time is over (see `hook_scripts`);
and, because a freeze is owed in the ledger until its thaw is known, by the next attempt, the
clean-up of a cancelled Run, or reconciliation.

What a point is worth stands in its manifest: *application* where its machine was at rest, *crash*
where it was not, with the reason.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes.model import Call, Intent, Outcome
from mavis_core.changes.undertakings import Undertakings
from mavis_core.contract import CommandResult, CommandState, Connection, InstanceState
from mavis_core.db import Database
from mavis_core.errors import (
    Cancelled,
    CloudError,
    CloudThrottled,
    CloudUnreachable,
    CloudVanished,
    Conflict,
    Interrupted,
    MavisError,
    NotFound,
)
from mavis_core.inventory.connections import Clouds
from mavis_core.protection.plans.definition import Hooks, OnFailure
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import RecoveryPoint
from mavis_core.protection.taking.hook_scripts import Thaw, freeze_script, thaw_of, thaw_script
from mavis_core.protection.taking.taking import Around
from mavis_core.scheduling.jobs import Progress
from mavis_core.scheduling.model import Run

__all__ = ["ACTION", "CONSISTENCY", "Consistency", "Freezer"]

ACTION = "cloud.FreezeInstance"
CONSISTENCY = "consistency"
_DELIVERY_S = 90  # that an agent may take before it begins
_THAW_S = 120
_TRIES = 3
_SURELY = timedelta(hours=2, minutes=10)  # the longest that a machine waits before it thaws
_AT_REST = (InstanceState.STOPPED, InstanceState.GONE)
_NOT_SENT = "nothing was sent"
_FIRST_LOOK_S, _LAST_LOOK_S = 0.2, 2.0


class Consistency(StrEnum):
    """What a recovery point is worth to the programs of its machine."""

    APPLICATION = "application"
    CRASH = "crash"


@dataclass(slots=True)
class _Held:
    """What is known of one machine while its point is taken.

    Parameters
    ----------
    intent
        What is owed; None where the machine is not frozen.
    since
        When ``pre`` had ended well, or None.
    why
        What its consistency rests upon, in words.
    """

    why: str
    consistency: Consistency = Consistency.CRASH
    intent: Intent | None = None
    since: datetime | None = None


class Freezer:
    """Freezes machines and thaws them.

    Parameters
    ----------
    database, clouds
        Rows and connections.
    stop
        Set when the process ends: nobody is frozen any more.
    retry_s
        Seconds between tries to thaw.
    """

    def __init__(
        self, database: Database, clouds: Clouds, *, stop: threading.Event, retry_s: float = 2.0
    ) -> None:
        self._database = database
        self._clouds = clouds
        self._stop = stop
        self._retry_s = retry_s
        self._undertakings = Undertakings(database)

    def around(self, run: Run, hooks: Hooks | None) -> Around:
        """Return what happens around the taking of one point."""
        if hooks is None:
            return lambda _point, _connection, _progress: nullcontext()

        def frozen(
            point: RecoveryPoint, connection: Connection, progress: Progress
        ) -> AbstractContextManager[None]:
            return self._around(run, hooks, point, connection, progress)

        return frozen

    def thaw_all(
        self,
        run: Run,
        of_run: Sequence[RecoveryPoint],  # noqa: ARG002  # the ledger knows which they are
        progress: Progress,
    ) -> None:
        """Thaw every machine that an attempt at `run` froze and whose thaw is not known.

        One that cannot be reached stays owed: it thaws by itself, and is asked again later.
        """
        owed = self._undertakings.owed(run.id, ACTION)
        for environment_id in dict.fromkeys(intent.call.environment_id for intent in owed):
            of_it = [each for each in owed if each.call.environment_id == environment_id]
            try:
                with self._clouds.connect(run.context("worker"), environment_id, progress) as (
                    _,
                    connection,
                ):
                    done = self.end(run, connection, of_it)
                progress.say(f"{done} of {len(of_it)} machines thawed")
            except (CloudError, NotFound) as exc:
                progress.say(f"{len(of_it)} machines are not thawed yet: {exc.message}")

    def end(self, run: Run, connection: Connection, owed: Iterable[Intent]) -> int:
        """Thaw machines of one environment, also those of Runs that are over; return how many."""
        return sum(self._pay(run, connection, intent) for intent in owed)

    def _pay(self, run: Run, connection: Connection, intent: Intent) -> bool:
        try:
            found = self._thaw(connection, intent, timeout_s=_THAW_S)
            how = found.value.removeprefix("mavis: ")
        except CloudError:
            state = _state_or_none(connection, intent.call)
            if state in _AT_REST:
                how = f"the machine is {state}"
            elif clock.now() > intent.called_at + _SURELY:
                how = "thawed by itself long ago"
            else:
                return False
        self._undertakings.end(
            run.context("worker"), run.work, intent, [intent.call.target], how=how
        )
        return True

    @contextmanager
    def _around(
        self,
        run: Run,
        hooks: Hooks,
        point: RecoveryPoint,
        connection: Connection,
        progress: Progress,
    ) -> Iterator[None]:
        held = self._freeze(run, hooks, point, connection)
        if held.consistency is Consistency.CRASH:
            _tell(progress, f"{point.instance_name or point.instance_id}: {held.why}")
        try:
            yield
        finally:
            self._let_go(run, hooks, point, connection, held, progress)

    def _freeze(
        self, run: Run, hooks: Hooks, point: RecoveryPoint, connection: Connection
    ) -> _Held:
        """Freeze a machine where that can be; it is thawed again where it fails.

        Raises
        ------
        Conflict
            It fails, and the plan would rather have no backup then.
        """
        call = Call(ACTION, point.instance_id, point.environment_id, point.region)
        held = _Held("")
        try:
            if _state(connection, call) in _AT_REST:
                return _Held("the machine was stopped", Consistency.APPLICATION)
            _check_shell(point)
            self._run_pre(run, hooks, call, connection, held)
        except Interrupted:
            self._let_go_early(run, connection, held)
            raise
        except (CloudError, Conflict) as exc:
            self._let_go_early(run, connection, held)
            held.why = exc.message
            if hooks.on_failure is OnFailure.SKIP:
                raise Conflict(
                    f"{point.instance_name or point.instance_id} was not frozen: {exc.message}",
                    mend="Correct the hook, or let the plan go on without it.",
                ) from exc
        return held

    def _run_pre(
        self, run: Run, hooks: Hooks, call: Call, connection: Connection, held: _Held
    ) -> None:
        """Freeze a machine whose agent answers.

        Raises
        ------
        CloudError, Conflict
            It is not frozen, or nobody knows.
        """
        if call.target not in connection.commands.reachable(call.region, [call.target]):
            raise CloudVanished("no agent answers in the machine")
        ctx, timeout_s = run.context("worker"), int(hooks.timeout.total_seconds())
        earlier = [i for i in self._undertakings.owed(run.id, ACTION) if i.call == call]
        if earlier and not self.end(run, connection, earlier):
            raise CloudUnreachable("an earlier freeze is not known to be over")
        intent = self._undertakings.begin(ctx, run.work, call)
        script = freeze_script(_mark(intent), pre=hooks.pre, post=hooks.post, timeout_s=timeout_s)
        held.intent = intent
        try:
            command = connection.commands.send(
                call.region, call.target, script, timeout_s=timeout_s, comment="Mavis: freeze"
            )
        except CloudError as exc:
            if not isinstance(exc, CloudUnreachable):  # a clear refusal
                self._undertakings.end(ctx, run.work, intent, (), how=_NOT_SENT)
                held.intent = None
            raise
        result = self._wait(connection, call, command, timeout_s, stop=self._stop)
        if result.state is not CommandState.SUCCEEDED:
            raise Conflict(f"the pre hook {_words(result)}")
        held.consistency, held.why = Consistency.APPLICATION, "the pre hook ended well"
        held.since = clock.now()

    def _let_go_early(self, run: Run, connection: Connection, held: _Held) -> None:
        """Thaw a machine of which nothing is taken at rest; what fails stays owed."""
        if held.intent is not None and self._pay(run, connection, held.intent):
            held.intent = None

    def _let_go(
        self,
        run: Run,
        hooks: Hooks,
        point: RecoveryPoint,
        connection: Connection,
        held: _Held,
        progress: Progress,
    ) -> None:
        """Thaw a machine, and write down what its point is worth.

        Nothing is raised for a thaw that fails: the snapshots are made, and the thaw is owed.
        """
        taken_at = clock.now()
        if held.intent is None:
            with self._database.write() as tx:
                _note(tx, point, held)
            return
        try:
            found = self._thaw(
                connection, held.intent, timeout_s=int(hooks.timeout.total_seconds())
            )
        except CloudError as exc:
            name = point.instance_name or point.instance_id
            _tell(progress, f"{name} is not known to be thawed; it thaws by itself: {exc.message}")
            _judge_unknown(held, taken_at, hooks.timeout)
            with self._database.write() as tx:
                _note(tx, point, held)
            return
        _judge(held, found, hooks.timeout)

        def note(tx: sa.Connection, _outcomes: Sequence[Outcome]) -> None:
            _note(tx, point, held)

        self._undertakings.end(
            run.context("worker"),
            run.work,
            held.intent,
            [point.instance_id],
            how=found.value.removeprefix("mavis: "),
            note=note,
        )

    def _thaw(self, connection: Connection, intent: Intent, *, timeout_s: int) -> Thaw:
        """Thaw a machine, in some tries.

        Raises
        ------
        CloudError
            It is not known to be thawed.
        """
        error: MavisError | None = None
        for number in range(1 if self._stop.is_set() else _TRIES):
            if number:
                threading.Event().wait(self._retry_s)
            try:
                result = self._send_thaw(connection, intent, timeout_s)
            except CloudError as exc:
                error = exc
                continue
            if result.state is CommandState.SUCCEEDED:
                return thaw_of(result.output)
            error = CloudError(f"the post hook {_words(result)}")
        raise CloudError(error.message if error else "no answer")

    def _send_thaw(self, connection: Connection, intent: Intent, timeout_s: int) -> CommandResult:
        call = intent.call
        command = connection.commands.send(
            call.region,
            call.target,
            thaw_script(_mark(intent)),
            timeout_s=timeout_s,
            comment="Mavis: thaw",
        )
        return self._wait(connection, call, command, timeout_s, stop=threading.Event())

    def _wait(
        self,
        connection: Connection,
        call: Call,
        command: str,
        timeout_s: int,
        *,
        stop: threading.Event,
    ) -> CommandResult:
        """Wait for a command to end.

        Raises
        ------
        CloudUnreachable
            It does not say in time.
        Interrupted
            The process ends.
        """
        until = clock.now() + timedelta(seconds=timeout_s + _DELIVERY_S)
        pause_s = _FIRST_LOOK_S
        while True:
            result = _result(connection, call, command)
            if result is not None and result.state is not CommandState.RUNNING:
                return result
            if clock.now() > until:
                raise CloudUnreachable(f"{call.target} does not say how its script ended")
            if stop.wait(pause_s):
                raise Interrupted(f"Stopped while a script runs in {call.target}")
            pause_s = min(pause_s * 1.5, _LAST_LOOK_S)


def _check_shell(point: RecoveryPoint) -> None:
    """Return where the machine can run shell scripts, as far as that is known."""
    if "windows" in str(point.manifest.configuration.get("platform", "")).lower():
        raise Conflict("hooks are shell scripts, and the machine runs Windows")


def _result(connection: Connection, call: Call, command: str) -> CommandResult | None:
    """Return what has become of a command, or None where the cloud does not say now."""
    try:
        return connection.commands.result(call.region, call.target, command)
    except (CloudVanished, CloudThrottled, CloudUnreachable):
        return None


def _state(connection: Connection, call: Call) -> InstanceState:
    (instance,) = connection.instances.describe(call.region, [call.target])
    return instance.state


def _state_or_none(connection: Connection, call: Call) -> InstanceState | None:
    try:
        return _state(connection, call)
    except CloudError:
        return None


def _tell(progress: Progress, words: str) -> None:
    """Say something where the step must go on: that a person has ended the Run shows later."""
    with suppress(Cancelled):
        progress.say(words)


def _mark(intent: Intent) -> str:
    """Return the name of one freeze on its machine."""
    return f"{intent.id}.{intent.tries}"


def _words(result: CommandResult) -> str:
    """Return how a script ended, with the last of what it printed."""
    ends = {
        CommandState.TIMED_OUT: "was not done in time",
        CommandState.UNDELIVERABLE: "did not reach the machine",
    }
    last = result.output.strip().rpartition("\n")[2][:200]
    how = ends.get(result.state, f"ended with {result.exit_code}")
    return f"{how}: {last}" if last else how


def _judge(held: _Held, found: Thaw, timeout: timedelta) -> None:
    """Say what a point is worth, by what its machine's thaw found."""
    if held.consistency is Consistency.CRASH or found is Thaw.DONE:
        return
    held.consistency = Consistency.CRASH
    held.why = (
        f"the machine thawed by itself after {timeout.total_seconds():.0f} s"
        if found is Thaw.BY_ITSELF
        else "the machine was frozen no longer: it may have been restarted"
    )


def _judge_unknown(held: _Held, taken_at: datetime, timeout: timedelta) -> None:
    """Say what a point is worth whose machine does not tell when it thawed."""
    if held.since is not None and taken_at - held.since >= timeout:
        held.consistency = Consistency.CRASH
        held.why = f"it took longer than the {timeout.total_seconds():.0f} s of the freeze"


def _note(tx: sa.Connection, point: RecoveryPoint, held: _Held) -> None:
    said = {"level": held.consistency.value, "why": held.why}
    configuration = {**point.manifest.configuration, CONSISTENCY: said}
    points.update(tx, point.id, manifest=replace(point.manifest, configuration=configuration))
