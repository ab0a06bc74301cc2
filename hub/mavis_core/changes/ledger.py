"""The ledger: no call to a cloud that makes something without a line here before it.

AWS has no client token for CreateSnapshots and others: a call whose answer is lost cannot simply
be repeated. `Ledger.effect` therefore

1. commits an intent, with its record, before the call;
2. makes the call, which tags what it makes with the intent's id from its first moment;
3. commits outcome and record.

Where a crash or a lost answer leaves an intent open, the next attempt looks for the tag first and
adopts what it finds. A cloud that shows nothing is no proof of absence until the call has had
`settle_s` seconds; only then is it made again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext
from mavis_core.changes.model import Intent, IntentState
from mavis_core.db import Database, tables
from mavis_core.errors import (
    CloudThrottled,
    CloudUnreachable,
    Interrupted,
    MavisError,
    Unavailable,
    told,
)
from mavis_core.ids import new_id

__all__ = ["TAG", "Ledger"]

TAG = "mavis:intent"
_MAX_TRIES = 5
_LOOK_EVERY_S = 1.0


class Ledger:
    """Intents and their outcomes.

    Parameters
    ----------
    database
        The main database.
    settle_s
        Seconds after which an effect that the cloud does not show was not made.
    stop
        Set when the process ends: waiting stops, the intent stays open for the next attempt.
    """

    def __init__(
        self, database: Database, *, settle_s: float, stop: threading.Event | None = None
    ) -> None:
        self._database = database
        self._settle = timedelta(seconds=settle_s)
        self._stop = stop or threading.Event()

    def effect(
        self,
        ctx: CallContext,
        *,
        run_id: str,
        project_id: str,
        action: str,
        target: str,
        find: Callable[[str], Sequence[str]],
        make: Callable[[str], Sequence[str]],
        say: Callable[[str], None],
        settle: bool = True,
    ) -> tuple[str, ...]:
        """Have an effect exactly once, over crashes and lost answers, and return its ids.

        Parameters
        ----------
        action, target
            What is called on which thing; together unique in a Run.
        find
            Given the intent's id, return the ids of what carries it as its tag.
        make
            Given the intent's id, make the call and return the ids of what it made.
        say
            Told what is waited for.
        settle
            Whether the cloud must be given time to show what was made. False for calls that
            may be repeated without harm.

        Raises
        ------
        CloudError
            The cloud refused; or gave no clear answer in `_MAX_TRIES` tries and shows nothing of
            any of them; or lets nobody look, in which case the intent stays open.
        Unavailable
            The process ends, or a part of the appliance is down; the intent stays open.
        """
        call = _Call(ctx, run_id, project_id, action, target)
        intent, fresh = self._begin(call)
        if intent.state is IntentState.DONE:
            return intent.made
        unclear = CloudUnreachable(f"Nobody knows whether {action} of {target} has happened")
        while True:
            if not fresh:
                if made := self._look(intent, find, say, settle=settle):
                    say(f"found what an earlier try made: {', '.join(made)}")
                    return self._done(call, intent, made, how="adopted")
                if intent.tries >= _MAX_TRIES:
                    self._failed(call, intent, unclear)
                    raise unclear
                intent = self._again(call, intent)
            try:
                made = tuple(make(intent.id))
            except CloudUnreachable as exc:  # the one error after which nobody knows
                say(f"no clear answer ({exc.code}); looking whether it happened")
                unclear, fresh = exc, False
            except Unavailable:
                raise  # a part of the appliance, not the cloud: the next attempt looks
            except MavisError as exc:
                self._failed(call, intent, exc)
                raise
            else:
                return self._done(call, intent, made, how="made")

    def _begin(self, call: _Call) -> tuple[Intent, bool]:
        """Return the intent of `call`, and whether it was written just now."""
        table = tables.intents
        with self._database.write() as tx:
            row = tx.execute(
                sa.select(table).where(
                    table.c.run_id == call.run_id,
                    table.c.action == call.action,
                    table.c.target == call.target,
                )
            ).one_or_none()
            if row is not None and row.state != IntentState.FAILED:
                return _intent(row), False
            now = clock.now()
            if row is not None:  # refused before: a new attempt may try again, in the same line
                values = {"state": IntentState.OPEN, "tries": row.tries + 1, "called_at": now}
                tx.execute(sa.update(table).where(table.c.id == row.id).values(**values))
                intent_id, tries = row.id, row.tries + 1
            else:
                intent_id, tries = new_id("int"), 1
                tx.execute(
                    sa.insert(table).values(
                        id=intent_id,
                        run_id=call.run_id,
                        project_id=call.project_id,
                        action=call.action,
                        target=call.target,
                        state=IntentState.OPEN,
                        tries=tries,
                        created_at=now,
                        called_at=now,
                        made=[],
                    )
                )
            records.write(tx, call.record(records.Phase.INTENT, intent_id))
        intent = Intent(
            intent_id, call.run_id, call.action, call.target, IntentState.OPEN, tries, now, ()
        )
        return intent, True

    def _look(
        self,
        intent: Intent,
        find: Callable[[str], Sequence[str]],
        say: Callable[[str], None],
        *,
        settle: bool,
    ) -> tuple[str, ...]:
        """Look for what the intent made until it shows or had its time to settle.

        A look that fails while there is time is no end either.
        """
        while True:
            made: tuple[str, ...] = ()
            error: MavisError | None = None
            try:
                made = tuple(find(intent.id))
            except (CloudThrottled, CloudUnreachable) as exc:
                error = exc
            left_s = (intent.called_at + self._settle - clock.now()).total_seconds()
            if made:
                return made
            if left_s <= 0 or not settle:
                if error is not None:
                    raise error
                return ()
            words = error.message if error else "nothing yet of an unanswered call"
            say(f"{words}; sure in {left_s:.0f} s")
            if self._stop.wait(min(_LOOK_EVERY_S, left_s)):
                raise Interrupted(
                    f"Stopped while waiting to see whether {intent.action} of {intent.target}"
                    " had happened"
                )

    def _again(self, call: _Call, intent: Intent) -> Intent:
        """Note one more try before it is made."""
        now, tries = clock.now(), intent.tries + 1
        with self._database.write() as tx:
            tx.execute(
                sa.update(tables.intents)
                .where(tables.intents.c.id == intent.id)
                .values(tries=tries, called_at=now)
            )
            records.write(tx, call.record(records.Phase.INTENT, intent.id, tries=tries))
        return replace(intent, tries=tries, called_at=now)

    def _done(
        self, call: _Call, intent: Intent, made: tuple[str, ...], *, how: str
    ) -> tuple[str, ...]:
        with self._database.write() as tx:
            tx.execute(
                sa.update(tables.intents)
                .where(tables.intents.c.id == intent.id)
                .values(state=IntentState.DONE, made=list(made), finished_at=clock.now())
            )
            records.write(
                tx,
                call.record(
                    records.Phase.OUTCOME,
                    intent.id,
                    outcome=records.Outcome.OK,
                    made=list(made),
                    how=how,
                ),
            )
        return made

    def _failed(self, call: _Call, intent: Intent, error: MavisError) -> None:
        """Note that nothing was made; an effect that another attempt has found stays found."""
        table = tables.intents
        with self._database.write() as tx:
            tx.execute(
                sa.update(table)
                .where(
                    table.c.id == intent.id,
                    table.c.state == IntentState.OPEN,
                    table.c.tries == intent.tries,
                )
                .values(state=IntentState.FAILED, finished_at=clock.now(), error=told(error))
            )
            records.write(
                tx,
                call.record(
                    records.Phase.OUTCOME,
                    intent.id,
                    outcome=records.Outcome.FAILED,
                    error_code=error.code,
                    error=told(error),
                ),
            )


@dataclass(frozen=True, slots=True)
class _Call:
    """One call to a cloud: who, in which Run, what, on which thing."""

    ctx: CallContext
    run_id: str
    project_id: str
    action: str
    target: str

    def record(
        self,
        phase: records.Phase,
        intent_id: str,
        *,
        outcome: records.Outcome | None = None,
        error_code: str | None = None,
        **data: object,
    ) -> records.Record:
        ending = {None: "begins", records.Outcome.OK: "done"}.get(outcome, "failed")
        return records.Record(
            kind=records.Kind.OPERATION,
            phase=phase,
            action=self.action,
            project=self.project_id,
            person=self.ctx.principal.name,
            object=self.target,
            outcome=outcome,
            error_code=error_code,
            summary=f"{self.action} of {self.target} {ending}",
            correlation_id=self.ctx.correlation_id,
            request_id=self.ctx.request_id,
            source=self.ctx.source,
            data={"run": self.run_id, "intent": intent_id, **data},
        )


def _intent(row: sa.Row[tuple[object, ...]]) -> Intent:
    return Intent(
        row.id,
        row.run_id,
        row.action,
        row.target,
        IntentState(row.state),
        row.tries,
        row.called_at,
        tuple(row.made),
    )
