"""Undertakings: calls that must be undone again, whatever happens in between.

A snapshot that is shared is to be unshared, a machine that is frozen is to be thawed, one that is
stopped is to be started. The intent of such a call is open from before the call until it is
undone, so an open one says that something is owed: the next attempt, the clean-up of a cancelled
Run or reconciliation pays it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from mavis_core.access import CallContext
from mavis_core.changes import intents
from mavis_core.changes.ledger import Note
from mavis_core.changes.model import Call, Intent, IntentState, Outcome, Work
from mavis_core.db import Database, tables
from mavis_core.projects.service import hold

__all__ = ["Undertakings"]

_LEFT = "left to another run"


class Undertakings:
    """The lines of the ledger that are open because something is owed.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, ctx: CallContext, work: Work, call: Call) -> Intent:
        """Write down that `call` is about to be made; one that is owed already stays as it is.

        Raises
        ------
        Cancelled
            A person has ended the Run.
        Interrupted
            Another attempt has taken over.
        """
        with self._database.write() as tx:
            return _begin(tx, ctx, work, call)

    def take_over(
        self,
        ctx: CallContext,
        work: Work,
        call: Call,
        choose: Callable[[sa.Connection], Sequence[Intent] | None],
    ) -> Intent | None:
        """Owe `call` instead of other Runs that owed it until now, all in one moment.

        Of two in one project that ask at once the second sees what the first has done.

        Parameters
        ----------
        choose
            Given the transaction, return what others owe and leave to this Run; None: it may not
            have it.

        Returns
        -------
        Intent | None
            What this Run owes now; None: nothing was changed.

        Raises
        ------
        Cancelled, Interrupted
            As `begin` does.
        """
        with self._database.write() as tx:
            hold(tx, work.project_id)
            others = choose(tx)
            if others is None:
                return None
            begun = _begin(tx, ctx, work, call)
            left = [(one, Outcome(one.call, one.id, (), _LEFT)) for one in others]
            intents.end(tx, ctx, work, left)
        return begun

    def owed(self, run_id: str, action: str) -> list[Intent]:
        """Return what a Run still owes of one action, oldest first."""
        with self._database.read() as tx:
            return [each for each in intents.open_of(tx, run_id) if each.call.action == action]

    def leave_to_others(
        self, ctx: CallContext, work: Work, intent: Intent, made: Sequence[str]
    ) -> bool:
        """Where another Run owes the same of the same thing, leave it to that one.

        Of two that ask at once one is told that nobody else is left.

        Returns
        -------
        bool
            Whether another one undoes it; then nothing is owed by this intent any more.
        """
        table, call = tables.intents, intent.call
        query = (
            sa.select(table.c.id)
            .where(
                table.c.action == call.action,
                table.c.target == call.target,
                table.c.state == IntentState.OPEN,
            )
            .order_by(table.c.id)
            .with_for_update()
        )
        with self._database.write() as tx:
            intents.keep_hold(tx, work, beginning=False)
            if not set(tx.scalars(query)) - {intent.id}:
                return False
            outcome = Outcome(call, intent.id, tuple(made), _LEFT)
            intents.end(tx, ctx, work, [(intent, outcome)])
            return True

    def end(
        self,
        ctx: CallContext,
        work: Work,
        intent: Intent,
        made: Sequence[str],
        *,
        how: str = "undone",
        note: Note = lambda _tx, _outcomes: None,
    ) -> None:
        """Write down that nothing is owed any more.

        Parameters
        ----------
        work
            The attempt that has undone it, which need not be at the Run that began it.
        made
            Ids of what the call was about.
        how
            ``undone`` by this attempt; other words tell of another way.
        note
            Changes the domain in the same transaction.
        """
        outcome = Outcome(intent.call, intent.id, tuple(made), how)
        with self._database.write() as tx:
            intents.keep_hold(tx, work, beginning=False)
            intents.end(tx, ctx, work, [(intent, outcome)])
            note(tx, [outcome])


def _begin(tx: sa.Connection, ctx: CallContext, work: Work, call: Call) -> Intent:
    intents.keep_hold(tx, work, beginning=True)
    there = intents.known(tx, work, [call]).get((call.action, call.target))
    if there is None:
        (begun,) = intents.begin(tx, ctx, work, [call])
    elif there.state is IntentState.OPEN:
        begun = there
    else:
        (begun,) = intents.again(tx, ctx, work, [there])
    return begun
