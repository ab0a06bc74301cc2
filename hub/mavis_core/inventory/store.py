"""Rows of resources."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mavis_core.contract import Found, ResourceKind
from mavis_core.db import tables
from mavis_core.errors import InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.inventory.model import Resource

__all__ = ["find_one", "mark_gone", "put", "query", "resource_of"]

_SHOWN = 5


def query(project_id: str) -> sa.Select[Any]:
    """Return the selection of a project's resources with their environments' names."""
    table, environment = tables.resources, tables.environments
    return (
        sa.select(
            table, environment.c.name.label("environment"), environment.c.account.label("account")
        )
        .join(environment, table.c.environment_id == environment.c.id)
        .where(table.c.project_id == project_id)
    )


def resource_of(row: Mapping[Any, Any]) -> Resource:
    """Return the resource of a row of `query`."""
    values = dict(row)
    values["kind"] = _KINDS[values["kind"]]
    return Resource(**values)


_KINDS = {kind.value: kind for kind in ResourceKind}


def find_one(tx: sa.Connection, project_id: str, reference: str) -> Resource:
    """Return the one resource that `reference` names: its id, cloud id or name.

    Raises
    ------
    NotFound
        The project has none.
    InvalidInput
        It has several of that name; the message lists them.
    """
    table = tables.resources
    for column in (table.c.id, table.c.cloud_id, table.c.name):
        rows = (
            tx.execute(
                query(project_id)
                .where(column == reference)
                .order_by(table.c.gone, table.c.id)
                .limit(_SHOWN + 1)
            )
            .mappings()
            .all()
        )
        found = [row for row in rows if not row["gone"]] or list(rows[:1])
        if len(found) > 1:
            known = ", ".join(
                f"{row['id']} ({row['cloud_id']}, {row['kind']}, {row['environment']},"
                f" {row['region']})"
                for row in found[:_SHOWN]
            )
            more = " and more" if len(found) > _SHOWN else ""
            raise InvalidInput(
                f"{reference[:60]!r} names several resources: {known}{more}",
                mend="Name one of them by its id.",
                field="resource",
            )
        if found:
            return resource_of(found[0])
    raise NotFound(
        f"No resource {reference[:60]!r} in this project",
        mend="`mavis resource discover` looks for new ones.",
    )


def put(
    tx: sa.Connection,
    project_id: str,
    environment_id: str,
    page: Sequence[Found],
    seen_at: datetime,
) -> None:
    """Remember what discovery found; a resource seen before keeps its id.

    Looks at the same environment queue here, so that both do not add the same resource.
    """
    table, environment = tables.resources, tables.environments
    mine = sa.select(environment.c.id).where(environment.c.id == environment_id)
    if tx.scalar(mine.with_for_update(key_share=True)) is None:
        raise NotFound(f"The environment {environment_id} was removed")
    found = {(each.region, each.kind.value, each.cloud_id): each for each in page}
    known = _known(tx, environment_id, found)
    seen = {"seen_at": seen_at, "gone": False}
    if again := [key for key in found if key in known]:
        rows = [{"b_id": known[key], **_values(found[key]), **seen} for key in again]
        tx.execute(_SEE_AGAIN, rows)
    if new := [each for key, each in found.items() if key not in known]:
        where = {"project_id": project_id, "environment_id": environment_id}
        tx.execute(
            sa.insert(table),
            [
                {
                    "id": new_id("res"),
                    "kind": each.kind,
                    "region": each.region,
                    "cloud_id": each.cloud_id,
                    **where,
                    **_values(each),
                    **seen,
                }
                for each in new
            ],
        )


_Key = tuple[str, str, str]  # region, kind, cloud id
_SEE_AGAIN = sa.update(tables.resources).where(tables.resources.c.id == sa.bindparam("b_id"))


def _known(tx: sa.Connection, environment_id: str, keys: Collection[_Key]) -> dict[_Key, str]:
    """Return the ids of resources that were seen before."""
    table = tables.resources
    query = sa.select(table.c.region, table.c.kind, table.c.cloud_id, table.c.id).where(
        table.c.environment_id == environment_id,
        table.c.region.in_({region for region, _, _ in keys}),
        table.c.kind.in_({kind for _, kind, _ in keys}),
        table.c.cloud_id.in_([cloud_id for _, _, cloud_id in keys]),
    )
    return {(row.region, row.kind, row.cloud_id): row.id for row in tx.execute(query)}


def _values(found: Found) -> dict[str, object]:
    return {
        "name": found.name,
        "state": found.state,
        "tags": dict(found.tags),
        "details": dict(found.details),
    }


def mark_gone(
    tx: sa.Connection, environment_id: str, region: str, kind: ResourceKind, before: datetime
) -> int:
    """Mark what a complete look did not see since `before`; return how many."""
    table = tables.resources
    return tx.execute(
        sa.update(table)
        .where(
            table.c.environment_id == environment_id,
            table.c.region == region,
            table.c.kind == kind,
            table.c.seen_at < before,
            ~table.c.gone,
        )
        .values(gone=True)
    ).rowcount
