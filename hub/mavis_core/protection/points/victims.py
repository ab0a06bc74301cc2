"""Victims: volume snapshots that are to be deleted, and what the ledger has of that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mavis_core.changes.model import Call, IntentState
from mavis_core.db import tables
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Copy, MemberState, PointState

__all__ = ["ACTION", "Victim", "begun", "finish", "gone", "left", "made_by", "of"]

ACTION = "cloud.DeleteSnapshot"
_CHUNK = 500
_COPIES, _MEMBERS, _INTENTS = tables.copies, tables.copy_members, tables.intents


@dataclass(frozen=True, slots=True)
class Victim:
    """One volume snapshot that is to be deleted."""

    copy: Copy
    volume_id: str
    cloud_id: str

    @property
    def call(self) -> Call:
        """The call that deletes it."""
        return Call(ACTION, self.cloud_id, self.copy.environment_id, self.copy.region)


def left(copies: Iterable[Copy]) -> list[Victim]:
    """Return what is there of copies, as far as we know."""
    return [
        Victim(copy, member.volume_id, member.cloud_id)
        for copy in copies
        for member in copy.members
        if member.cloud_id is not None and member.state is not MemberState.GONE
    ]


def of(tx: sa.Connection, cloud_ids: Iterable[str]) -> list[Victim]:
    """Return the members of copies that have some of the cloud's ids, those that are gone, too."""
    found: list[Victim] = []
    for some in _chunks(cloud_ids):
        holding = sa.select(_MEMBERS.c.copy_id).where(_MEMBERS.c.cloud_id.in_(some))
        query = sa.select(_COPIES).where(_COPIES.c.id.in_(holding))
        copies = points.copies_of(tx, tx.execute(query).mappings().all())
        found += [
            Victim(copy, member.volume_id, member.cloud_id)
            for copy in copies
            for member in copy.members
            if member.cloud_id is not None and member.cloud_id in some
        ]
    return found


def begun(tx: sa.Connection, cloud_ids: Iterable[str]) -> set[str]:
    """Return those of `cloud_ids` that calls have deleted, or may have."""
    found: set[str] = set()
    for some in _chunks(cloud_ids):
        query = sa.select(_INTENTS.c.target).where(
            _INTENTS.c.action == ACTION,
            _INTENTS.c.state.in_((IntentState.OPEN, IntentState.DONE)),
            _INTENTS.c.target.in_(some),
        )
        found |= set(tx.scalars(query))
    return found


def made_by(tx: sa.Connection, intents: Iterable[str]) -> dict[str, list[str]]:
    """Return what each of `intents` made, as the ledger has it."""
    found: dict[str, list[str]] = {}
    for some in _chunks(intent for intent in intents if intent):
        query = sa.select(_INTENTS.c.id, _INTENTS.c.made).where(_INTENTS.c.id.in_(some))
        found |= {row.id: list(row.made) for row in tx.execute(query)}
    return found


def gone(tx: sa.Connection, victims: Iterable[Victim]) -> None:
    """Write down that victims are there no more."""
    for victim in victims:
        tx.execute(
            sa.update(_MEMBERS)
            .where(_MEMBERS.c.copy_id == victim.copy.id, _MEMBERS.c.volume_id == victim.volume_id)
            .values(state=MemberState.GONE)
        )


def finish(tx: sa.Connection, copies: Iterable[Copy]) -> None:
    """Let copies be gone of which nothing is left."""
    for some in _chunks(copy.id for copy in copies):
        query = sa.select(_COPIES).where(_COPIES.c.id.in_(some))
        for copy in points.copies_of(tx, tx.execute(query).mappings().all()):
            if not left([copy]) and copy.state is PointState.EXPIRING:
                points.set_copy(tx, copy, PointState.GONE)


def _chunks(ids: Iterable[str]) -> Iterable[Collection[str]]:
    all_: Sequence[str] = sorted(set(ids))
    return (all_[start : start + _CHUNK] for start in range(0, len(all_), _CHUNK))
