"""Views: who looks at a dashboard now, and what the kernel that runs for them may read.

A view is opened by the page of a viewer whom the Hub has confirmed, and kept by it: each time it
is asked again whether that person still may. Where nobody keeps it, it lapses. The process that
runs the kernels knows views by ticket only, and cannot open one.

A kernel's token is the view's: it reads the one project as a viewer would, changes nothing, and
ends with the view, or 15 minutes after it was renewed last. Its principal is no person's name, so
that whatever does not know of confinement gives it nothing. What Mavis itself brings along may read
the log, too, where it says so: then only those open it who may do that, and its kernel reads as an
auditor does. Nobody's own notebook does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import (
    RESERVED,
    CallContext,
    Confinement,
    Permission,
    Principal,
    Role,
    Scope,
)
from mavis_core.dashboards import rows
from mavis_core.dashboards.model import (
    TOKEN_LIFETIME,
    TOKEN_PREFIX,
    Dashboard,
    Opened,
    Started,
    State,
    View,
    hash_of,
    new_ticket,
    new_token,
)
from mavis_core.dashboards.shipped import Shipped
from mavis_core.db import Database
from mavis_core.errors import Conflict, MavisError, NotFound, TooManyRequests
from mavis_core.ids import new_id
from mavis_core.projects.service import Projects, audit

__all__ = ["Views"]

_OF_ONE_VIEWER = 10
_GRACE = timedelta(seconds=6)
_FORGOTTEN = timedelta(hours=1)
_SEEN_OFTEN = 3  # times within the idle time that a kept view is written down


class Views:
    """The open pages of dashboards.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    shipped
        What Mavis brings along, by name.
    idle
        A view that nobody has kept for so long is over.
    """

    def __init__(
        self,
        database: Database,
        projects: Projects,
        shipped: Mapping[str, Shipped],
        *,
        idle: timedelta,
    ) -> None:
        self._database = database
        self._projects = projects
        self._reading = frozenset(name for name, each in shipped.items() if each.reads_records)
        self._idle = idle

    def open(self, ctx: CallContext, reference: str, name: str) -> Opened:
        """Return a new view of a published dashboard.

        Raises
        ------
        NotFound
            The project is none of the caller's, or has no such dashboard.
        Forbidden
            It shows the log, which the caller may not read.
        TooManyRequests
            The caller has too many open.
        """
        project = self._projects.authorize(ctx, reference, Permission.DASHBOARD_VIEW).project
        now, ticket, viewer = clock.now(), new_ticket(), ctx.principal.name
        with self._database.write() as tx:
            dashboard = rows.dashboard_of(tx, project_id=project.id, reference=name)
            if dashboard is None or dashboard.version is None:
                raise NotFound(
                    f"No dashboard {name[:60]!r} is published in {project.name}",
                    mend="The gallery of dashboards shows those that you may open.",
                )
            if self._reads_records(tx, dashboard.id, dashboard.version):
                self._projects.authorize(ctx, project.id, Permission.RECORD_READ)
            rows.forget_views(tx, now - _FORGOTTEN)
            if rows.open_views(tx, viewer, now - self._idle) >= _OF_ONE_VIEWER:
                raise TooManyRequests(
                    f"{viewer} has {_OF_ONE_VIEWER} dashboards open",
                    mend="Close one of their pages, wait half a minute, and try again.",
                    retry_after_s=self._idle.total_seconds(),
                )
            view = View(
                id=new_id("vew"),
                dashboard_id=dashboard.id,
                version=dashboard.version,
                viewer=viewer,
                state=State.OPEN,
                opened_at=now,
                seen_at=now,
            )
            rows.add_view(tx, view, hash_of(ticket))
            summary = f"{viewer} opened version {view.version} of dashboard {dashboard.name}"
            records.write(
                tx, audit(ctx, "dashboard.open", dashboard.name, summary, project=project.id)
            )
        return Opened(view, dashboard, ticket)

    def keep(self, ctx: CallContext, view_id: str) -> View:
        """Return a view of the caller as it is now; it goes on where they still may.

        Raises
        ------
        NotFound
            It is none of the caller's, has ended, or its dashboard is not published any more.
        Forbidden
            The caller may not look at it any more.
        """
        now = clock.now()
        with self._database.read() as tx:
            view = rows.view_of(tx, rows.VIEWS.c.id == view_id)
            dashboard = (
                rows.dashboard_of(tx, reference=view.dashboard_id) if view is not None else None
            )
            reads = view is not None and self._reads_records(tx, view.dashboard_id, view.version)
        if view is None or dashboard is None or view.viewer != ctx.principal.name:
            raise NotFound("There is no such view of yours", mend="Open the dashboard again.")
        if view.state is State.ENDED or view.seen_at <= now - self._idle:
            raise _over()
        try:
            needed = Permission.RECORD_READ if reads else Permission.DASHBOARD_VIEW
            self._projects.authorize(ctx, dashboard.project_id, needed)
            if dashboard.version is None:
                raise NotFound(
                    f"{dashboard.name} is not published any more",
                    mend="The gallery of dashboards shows those that you may open.",
                )
        except MavisError:
            self._end(view.id)
            raise
        if view.seen_at <= now - self._idle / _SEEN_OFTEN:
            with self._database.write() as tx:
                rows.set_view(tx, view.id, seen_at=now, token_until=now + TOKEN_LIFETIME)
        return view

    def leave(self, ctx: CallContext, view_id: str) -> None:
        """Let a view of the caller end soon: its page is closed, or comes back in a moment."""
        soon = clock.now() - self._idle + _GRACE
        which = (rows.VIEWS.c.id == view_id) & (rows.VIEWS.c.viewer == ctx.principal.name)
        with self._database.write() as tx:
            later = rows.VIEWS.c.seen_at > soon
            tx.execute(sa.update(rows.VIEWS).where(which & later).values(seen_at=soon))

    def end(self, ctx: CallContext, view_id: str) -> None:
        """End a view of the caller now: their login is over, and so nobody keeps it."""
        which = (rows.VIEWS.c.id == view_id) & (rows.VIEWS.c.viewer == ctx.principal.name)
        with self._database.write() as tx:
            tx.execute(sa.update(rows.VIEWS).where(which).values(state=State.ENDED))

    def start(self, ticket: str) -> Started:
        """Return what the kernel of a view is started with; once, since it has one kernel.

        Raises
        ------
        NotFound
            No open view has this ticket.
        Conflict
            It has a kernel.
        """
        now, token = clock.now(), new_token()
        which = rows.VIEWS.c.ticket_hash == hash_of(ticket)
        with self._database.write() as tx:
            view = rows.view_of(tx, which, hold=True)
            if view is None or view.state is not State.OPEN or view.seen_at <= now - self._idle:
                raise _over()
            taken = rows.VIEWS.c.token_hash.is_not(None)
            if rows.view_of(tx, which & taken) is not None:
                raise Conflict("This view has a kernel already", mend="Open the dashboard again.")
            dashboard, notebook = _content(tx, view)
            rows.set_view(tx, view.id, token_hash=hash_of(token), token_until=now + TOKEN_LIFETIME)
        return Started(view, dashboard, notebook, token)

    def alive(self, ids: Sequence[str]) -> frozenset[str]:
        """Return which of some views go on."""
        with self._database.read() as tx:
            return rows.alive(tx, ids, clock.now() - self._idle)

    def died(self, view_id: str) -> None:
        """Note that the kernel of a view has ended, for its page to say so."""
        with self._database.write() as tx:
            which = (rows.VIEWS.c.id == view_id) & (rows.VIEWS.c.state == State.OPEN)
            tx.execute(sa.update(rows.VIEWS).where(which).values(state=State.DIED))

    def all_died(self) -> None:
        """Note that every kernel has ended: the process that runs them has begun anew."""
        which = (rows.VIEWS.c.token_hash.is_not(None)) & (rows.VIEWS.c.state == State.OPEN)
        with self._database.write() as tx:
            tx.execute(sa.update(rows.VIEWS).where(which).values(state=State.DIED))

    def caller(self, token: str) -> CallContext | None:
        """Return the call of a view's kernel; None where the token is none, or none any more."""
        if not token.startswith(TOKEN_PREFIX):
            return None
        now = clock.now()
        which = (rows.VIEWS.c.token_hash == hash_of(token)) & (rows.VIEWS.c.token_until > now)
        with self._database.read() as tx:
            view = rows.view_of(tx, which)
            if view is None or not _goes_on(view, now - self._idle):
                return None
            dashboard = rows.dashboard_of(tx, reference=view.dashboard_id)
            reads = self._reads_records(tx, view.dashboard_id, view.version)
        if dashboard is None or dashboard.version is None:
            return None
        role = Role.AUDITOR if reads else Role.VIEWER
        return CallContext(
            principal=Principal(f"{RESERVED}dashboard:{view.viewer}"),
            scopes=frozenset({Scope.READ}),
            confined=Confinement(dashboard.project_id, frozenset({role})),
        )

    def _reads_records(self, tx: sa.Connection, dashboard_id: str, number: int) -> bool:
        return rows.shipped_of(tx, dashboard_id, number) in self._reading

    def _end(self, view_id: str) -> None:
        with self._database.write() as tx:
            rows.set_view(tx, view_id, state=State.ENDED)


def _goes_on(view: View, seen_after: datetime) -> bool:
    return view.state is State.OPEN and view.seen_at > seen_after


def _content(tx: sa.Connection, view: View) -> tuple[Dashboard, str]:
    dashboard = rows.dashboard_of(tx, reference=view.dashboard_id)
    notebook = rows.notebook_of(tx, view.dashboard_id, view.version)
    if dashboard is None or notebook is None or dashboard.version is None:
        raise _over()
    return dashboard, notebook


def _over() -> NotFound:
    return NotFound("This view is over", mend="Open the dashboard again.")
