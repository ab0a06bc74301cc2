"""Rows of intents. Each change writes its records in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext
from mavis_core.changes.model import Call, Intent, IntentState, Outcome, Work
from mavis_core.db import tables
from mavis_core.errors import Cancelled, Interrupted, told
from mavis_core.ids import new_id

__all__ = [
    "again",
    "begin",
    "end",
    "intent_of",
    "keep_hold",
    "known",
    "made_since",
    "open_of",
]


_RUNS, _TABLE = tables.runs, tables.intents
# Made once: the ledger sends them with every commit
_HOLD = (
    sa.select(_RUNS.c.attempt, _RUNS.c.cancel, _RUNS.c.kind)
    .where(_RUNS.c.id == sa.bindparam("b_id"))
    .with_for_update(key_share=True)
)
_BEGIN = sa.insert(_TABLE)
_ENDINGS = {None: "begins", records.Outcome.OK: "done"}
_DONE = (
    sa.update(_TABLE)
    .where(_TABLE.c.id == sa.bindparam("b_id"))
    .values(
        state=IntentState.DONE.value,
        made=sa.bindparam("b_made", type_=_TABLE.c.made.type),
        finished_at=sa.bindparam("b_now", type_=_TABLE.c.finished_at.type),
    )
)


def keep_hold(tx: sa.Connection, work: Work, *, beginning: bool) -> None:
    """Let nobody take the Run over until `tx` ends.

    Parameters
    ----------
    beginning
        Whether calls are about to begin, which a cancelled Run may not; outcomes of calls that
        were made are written down all the same.

    Raises
    ------
    Interrupted
        Somebody has taken it over: what this attempt made, that one finds by its tag.
    Cancelled
        A person has ended the Run.
    """
    row = tx.execute(_HOLD, {"b_id": work.run_id}).one()
    if row.attempt != work.attempt:
        raise Interrupted(f"Attempt {work.attempt} at {row.kind} has lost its claim")
    if beginning and row.cancel and not row.cancel.get("cleaning"):
        raise Cancelled(f"{row.kind} was cancelled by {row.cancel['by']}")


def known(tx: sa.Connection, work: Work, calls: Sequence[Call]) -> dict[tuple[str, str], Intent]:
    """Return the intents of a Run's `calls` that stand in the ledger already."""
    table = tables.intents
    query = sa.select(table).where(table.c.run_id == work.run_id)
    if len(calls) == 1:
        query = query.where(table.c.action == calls[0].action, table.c.target == calls[0].target)
    wanted = {(call.action, call.target) for call in calls}
    return {
        (row.action, row.target): intent_of(row)
        for row in tx.execute(query)
        if (row.action, row.target) in wanted
    }


def open_of(tx: sa.Connection, run_id: str) -> list[Intent]:
    """Return the intents of a Run of which nobody knows what became, oldest first."""
    table = tables.intents
    query = (
        sa.select(table)
        .where(table.c.run_id == run_id, table.c.state == IntentState.OPEN)
        .order_by(table.c.id)
    )
    return [intent_of(row) for row in tx.execute(query)]


def made_since(
    tx: sa.Connection, since: datetime, *, runs: Collection[str] | None = None
) -> set[str]:
    """Return ids of what calls made whose answers were written down after `since`.

    A cloud may not show these yet. The moment is of our own clock, and the call's, however long
    it waited for its turn.

    Parameters
    ----------
    runs
        Ids of the Runs whose calls count; None: all.
    """
    query = sa.select(_TABLE.c.target, _TABLE.c.made).where(
        _TABLE.c.state == IntentState.DONE, _TABLE.c.finished_at > since
    )
    if runs is None:
        rows = tx.execute(query).all()
    else:
        rows = [
            row for run_id in runs for row in tx.execute(query.where(_TABLE.c.run_id == run_id))
        ]
    return {made for row in rows for made in row.made if made != row.target}


def begin(tx: sa.Connection, ctx: CallContext, work: Work, calls: Sequence[Call]) -> list[Intent]:
    """Write down `calls` that are about to be made for the first time."""
    now = clock.now()
    made = [Intent(new_id("int"), call, IntentState.OPEN, 1, now) for call in calls]
    tx.execute(
        _BEGIN,
        [
            {
                "id": intent.id,
                "run_id": work.run_id,
                "project_id": work.project_id,
                "action": intent.call.action,
                "target": intent.call.target,
                "environment_id": intent.call.environment_id or None,
                "region": intent.call.region or None,
                "state": intent.state,
                "tries": 1,
                "created_at": now,
                "called_at": now,
                "made": [],
            }
            for intent in made
        ],
    )
    records.write(tx, *(_record(ctx, work, intent, records.Phase.INTENT) for intent in made))
    return made


def again(
    tx: sa.Connection, ctx: CallContext, work: Work, intents: Sequence[Intent]
) -> list[Intent]:
    """Write down one more try of each of `intents` before it is made."""
    table, now = tables.intents, clock.now()
    made = []
    for intent in intents:
        one = Intent(intent.id, intent.call, IntentState.OPEN, intent.tries + 1, now)
        tx.execute(
            sa.update(table)
            .where(table.c.id == one.id)
            .values(state=one.state, tries=one.tries, called_at=now, finished_at=None, error=None)
        )
        made.append(one)
    records.write(
        tx,
        *(_record(ctx, work, one, records.Phase.INTENT, tries=one.tries) for one in made),
    )
    return made


def end(
    tx: sa.Connection,
    ctx: CallContext,
    work: Work,
    ended: Sequence[tuple[Intent, Outcome]],
) -> None:
    """Write down what became of calls; an effect that another attempt has found stays found."""
    done = [(intent, outcome) for intent, outcome in ended if outcome.error is None]
    if done:
        tx.execute(
            _DONE,
            [
                {"b_id": intent.id, "b_made": list(outcome.made), "b_now": clock.now()}
                for intent, outcome in done
            ],
        )
    for intent, outcome in ended:
        if outcome.error is not None:
            _fail(tx, intent, told(outcome.error), clock.now())
    records.write(tx, *(_outcome(ctx, work, *each) for each in ended))


def _fail(tx: sa.Connection, intent: Intent, error: dict[str, str], now: datetime) -> None:
    tx.execute(
        sa.update(_TABLE)
        .where(
            _TABLE.c.id == intent.id,
            _TABLE.c.state == IntentState.OPEN,
            _TABLE.c.tries == intent.tries,
        )
        .values(state=IntentState.FAILED, finished_at=now, error=error)
    )


def _outcome(ctx: CallContext, work: Work, intent: Intent, outcome: Outcome) -> records.Record:
    if outcome.error is None:
        return _record(
            ctx,
            work,
            intent,
            records.Phase.OUTCOME,
            outcome=records.Outcome.OK,
            made=list(outcome.made),
            how=outcome.how,
        )
    return _record(
        ctx,
        work,
        intent,
        records.Phase.OUTCOME,
        outcome=records.Outcome.FAILED,
        error_code=outcome.error.code,
        error=told(outcome.error),
        how=outcome.how,
    )


def _record(
    ctx: CallContext,
    work: Work,
    intent: Intent,
    phase: records.Phase,
    *,
    outcome: records.Outcome | None = None,
    error_code: str | None = None,
    **data: Any,
) -> records.Record:
    call, ending = intent.call, _ENDINGS.get(outcome, "failed")
    if data.get("how") == "unknown":
        ending = "may have happened: nobody can tell"
    return records.Record(
        kind=records.Kind.OPERATION,
        phase=phase,
        action=call.action,
        project=work.project_id,
        person=ctx.principal.name,
        object=call.target,
        outcome=outcome,
        error_code=error_code,
        summary=f"{call.action} of {call.target} {ending}",
        correlation_id=ctx.correlation_id,
        request_id=ctx.request_id,
        source=ctx.source,
        data={"run": work.run_id, "intent": intent.id, **data},
    )


def intent_of(row: sa.Row[tuple[object, ...]]) -> Intent:
    """Return the intent of a row."""
    return Intent(
        row.id,
        Call(row.action, row.target, row.environment_id or "", row.region or ""),
        IntentState(row.state),
        row.tries,
        row.called_at,
        tuple(row.made),
    )
