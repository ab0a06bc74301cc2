"""Looking at snapshots."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.access import CallContext, Permission
from mavis_core.db import Database, tables
from mavis_core.db.paging import Page, PageRequest, fetch
from mavis_core.errors import NotFound
from mavis_core.projects.service import Projects
from mavis_core.protection import store
from mavis_core.protection.model import Snapshot

__all__ = ["SnapshotCatalogue"]


class SnapshotCatalogue:
    """The snapshots of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    """

    def __init__(self, database: Database, projects: Projects) -> None:
        self._database = database
        self._projects = projects

    def list(
        self, ctx: CallContext, reference: str, want: PageRequest, *, instance: str | None = None
    ) -> Page[Snapshot]:
        """Return the project's snapshots, newest first.

        Parameters
        ----------
        instance
            Cloud id or name of the instance; None for all.
        """
        project = self._projects.authorize(ctx, reference, Permission.SNAPSHOT_READ).project
        table = tables.snapshots
        query = sa.select(table).where(table.c.project_id == project.id)
        if instance is not None:
            query = query.where(
                (table.c.instance_id == instance) | (table.c.instance_name == instance)
            )
        with self._database.read() as tx:
            page = fetch(tx, query, table.c.id, want, lambda row: row, newest_first=True)
            return Page(tuple(store.snapshots_of(tx, page.items)), page.next)

    def get(self, ctx: CallContext, reference: str, snapshot_id: str) -> Snapshot:
        """Return one snapshot.

        Raises
        ------
        NotFound
            The project has no such snapshot.
        """
        project = self._projects.authorize(ctx, reference, Permission.SNAPSHOT_READ).project
        table = tables.snapshots
        query = sa.select(table).where(table.c.project_id == project.id, table.c.id == snapshot_id)
        with self._database.read() as tx:
            for snapshot in store.snapshots_of(tx, tx.execute(query).mappings().all()):
                return snapshot
        raise NotFound(f"No snapshot {snapshot_id[:60]!r} in {project.name}")
