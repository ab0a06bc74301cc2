"""Previews: kept from the moment somebody was shown a plan until it is applied or expires."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.changes.model import Plan, Preview, PreviewGroup
from mavis_core.db import tables
from mavis_core.errors import (
    ConfirmationNeeded,
    InvalidInput,
    MavisError,
    NotFound,
    PlanChanged,
    told,
)
from mavis_core.ids import check_id, new_id

__all__ = [
    "LIFETIME",
    "check_applicable",
    "keep",
    "load",
    "load_group",
    "mark_applied",
    "mark_refused",
]

LIFETIME = timedelta(minutes=15)
_KEEP = timedelta(hours=1)
_MOST = 200  # previews of a group


def keep(tx: sa.Connection, ctx: CallContext, plan: Plan, group: str | None = None) -> Preview:
    """Keep `plan` as shown to the caller; forget what expired in its project an hour ago.

    Parameters
    ----------
    group
        The id under which it is confirmed together with others; None: by itself.

    Raises
    ------
    InvalidInput
        That is no id of a group, or the group is full.
    """
    now = clock.now()
    if group is not None:
        _check_room(tx, ctx, plan, group)
    table = tables.previews
    tx.execute(
        sa.delete(table).where(
            table.c.project_id == plan.project_id, table.c.expires_at < now - _KEEP
        )
    )
    preview = Preview(
        new_id("pre"), plan, plan.hash, ctx.principal.name, now, now + LIFETIME, group=group
    )
    tx.execute(
        sa.insert(table).values(
            id=preview.id,
            project_id=plan.project_id,
            person=preview.person,
            action=plan.action,
            plan=plan.to_json(),
            hash=preview.hash,
            created_at=preview.created_at,
            expires_at=preview.expires_at,
            group_id=group,
        )
    )
    return preview


def load(tx: sa.Connection, ctx: CallContext, project_id: str, preview_id: str) -> Preview:
    """Return a preview that the caller was shown.

    Raises
    ------
    NotFound
        There is none of that id in this project, or somebody else was shown it.
    """
    table = tables.previews
    row = tx.execute(
        sa.select(table).where(
            table.c.id == preview_id,
            table.c.project_id == project_id,
            table.c.person == ctx.principal.name,
        )
    ).one_or_none()
    if row is None:
        raise NotFound(
            f"No preview {preview_id[:60]!r} of yours in this project",
            mend="Ask for a new preview.",
        )
    return _preview(row)


def load_group(tx: sa.Connection, ctx: CallContext, project_id: str, group: str) -> PreviewGroup:
    """Return the previews that the caller was shown under the id of a group, in their order.

    Raises
    ------
    NotFound
        There is none in this project, or somebody else was shown them.
    """
    table = tables.previews
    rows = tx.execute(_of_group(ctx, project_id, group).order_by(table.c.id)).all()
    if not rows:
        raise NotFound(
            f"No previews {group[:60]!r} of yours in this project", mend="Ask for new ones."
        )
    return PreviewGroup(group, tuple(map(_preview, rows)))


def _of_group(ctx: CallContext, project_id: str, group: str) -> sa.Select[Any]:
    table = tables.previews
    return sa.select(table).where(
        table.c.group_id == group,
        table.c.project_id == project_id,
        table.c.person == ctx.principal.name,
    )


def _check_room(tx: sa.Connection, ctx: CallContext, plan: Plan, group: str) -> None:
    check_id(group, "pgr", field="group")
    mine = _of_group(ctx, plan.project_id, group).subquery()
    if (tx.scalar(sa.select(sa.func.count()).select_from(mine)) or 0) >= _MOST:
        raise InvalidInput(
            f"The group {group} has {_MOST} previews, the most that is confirmed at once",
            mend="Begin another group.",
            field="group",
        )


def _preview(row: sa.Row[Any]) -> Preview:
    return Preview(
        row.id,
        Plan.from_json(row.plan),
        row.hash,
        row.person,
        row.created_at,
        row.expires_at,
        row.run_id,
        row.group_id,
        row.error,
    )


def check_applicable(preview: Preview, now_plan: Plan, *, hash: str, confirm: str | None) -> None:
    """Return where `preview` may be applied as it was shown.

    Parameters
    ----------
    now_plan
        What the same request would do now.
    hash
        The hash that the caller read.
    confirm
        The text that the caller typed.

    Raises
    ------
    PlanChanged
        It expired, the hash is another one, or the same request would now do something else.
    ConfirmationNeeded
        It interrupts or destroys and the project's name was not typed.
    """
    if preview.expires_at <= clock.now():
        raise PlanChanged(f"The preview {preview.id} has expired")
    if hash != preview.hash:
        raise PlanChanged(f"The hash is not that of the preview {preview.id}")
    if now_plan.hash != preview.hash:
        raise PlanChanged(f"{preview.plan.subject} has changed since the preview {preview.id}")
    if preview.confirm is not None and confirm != preview.confirm:
        raise ConfirmationNeeded(
            f"{preview.plan.action} {preview.plan.severity} {preview.plan.subject};"
            " it needs the project's name",
            mend=f"Read the preview, then send confirm: {preview.confirm!r}.",
        )


def mark_applied(tx: sa.Connection, preview: Preview, run_id: str) -> None:
    """Bind a preview to the Run that carries it out: it cannot be applied twice."""
    table = tables.previews
    values = {"run_id": run_id, "error": sa.null()}
    tx.execute(sa.update(table).where(table.c.id == preview.id).values(**values))


def mark_refused(tx: sa.Connection, preview: Preview, error: MavisError) -> None:
    """Write down why a preview was not applied with its group."""
    table = tables.previews
    tx.execute(sa.update(table).where(table.c.id == preview.id).values(error=told(error)))
