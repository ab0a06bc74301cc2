"""Projects and their members: create, look up, give roles. `Projects.authorize` guards the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import islice

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import (
    PLATFORM,
    CallContext,
    Confinement,
    Permission,
    Principal,
    Role,
)
from mavis_core.db import Database, tables
from mavis_core.db.paging import Order, Page, PageRequest, fetch
from mavis_core.errors import Conflict, NotFound
from mavis_core.ids import new_id
from mavis_core.projects.model import (
    Member,
    Membership,
    Project,
    check_name,
    check_subject,
    check_text,
    subjects_of,
)

__all__ = ["Projects", "audit", "hold", "project_of"]

_PROJECTS = tables.projects
_ORDER = Order(
    _PROJECTS.c.id, columns={"name": _PROJECTS.c.name, "created_at": _PROJECTS.c.created_at}
)


def audit(
    ctx: CallContext, action: str, thing: str, summary: str, *, project: str | None = None
) -> records.Record:
    """Return the record of a change that a call made and that its transaction completes."""
    return records.Record(
        kind=records.Kind.AUDIT,
        phase=records.Phase.EVENT,
        outcome=records.Outcome.OK,
        action=action,
        person=ctx.principal.name,
        object=thing,
        summary=summary,
        project=project,
        correlation_id=ctx.correlation_id,
        request_id=ctx.request_id,
        source=ctx.source,
    )


# Projects with each role that some subjects have in them: all, and the one of a name or id; made
# once, since every call asks the latter.
_MEMBERSHIPS = (
    sa.select(*(tables.projects.c[name] for name in Project.__slots__), tables.members.c.role)
    .join(tables.members, tables.members.c.project_id == tables.projects.c.id)
    .where(tables.members.c.subject.in_(sa.bindparam("subjects", expanding=True)))
    .order_by(tables.projects.c.name)
)
_MEMBERSHIP = _MEMBERSHIPS.order_by(None).where(
    (tables.projects.c.name == sa.bindparam("reference"))
    | (tables.projects.c.id == sa.bindparam("reference"))
)
_MOST = 1000  # as many as the log can be asked about at once


_BY_REFERENCE = sa.select(*(tables.projects.c[name] for name in Project.__slots__)).where(
    (tables.projects.c.name == sa.bindparam("reference"))
    | (tables.projects.c.id == sa.bindparam("reference"))
)


def hold(tx: sa.Connection, project_id: str) -> None:
    """Let changes within a project that depend on each other queue until `tx` ends.

    Rows that refer to the project may be written by others meanwhile (``FOR NO KEY UPDATE``). On
    SQLite all writers queue anyway.
    """
    table = tables.projects
    tx.execute(
        sa.select(table.c.id).where(table.c.id == project_id).with_for_update(key_share=True)
    )


class Projects:
    """The projects of this appliance.

    Parameters
    ----------
    database
        The main database.
    """

    SORTS = _ORDER.sorts

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, ctx: CallContext, *, name: str, title: str, production: bool = False
    ) -> Membership:
        """Make a project whose first administrator is the caller.

        Raises
        ------
        Conflict
            There is a project of that name.
        """
        ctx.require(Permission.PROJECT_CREATE)
        project = Project(
            id=new_id("prj"),
            name=check_name(name),
            title=check_text(title, field="title") or name,
            created_at=clock.now(),
            created_by=ctx.principal.name,
            production=production,
        )
        table = tables.projects
        with self._database.write() as tx:
            if tx.scalar(sa.select(table.c.id).where(table.c.name == project.name)):
                raise Conflict(f"There is a project {name!r} already", mend="Choose another name.")
            tx.execute(sa.insert(table).values(**_row(project)))
            _put_member(tx, project.id, f"user:{ctx.principal.name}", Role.ADMIN, ctx)
            records.write(
                tx,
                audit(ctx, "project.create", name, f"Project {name} created", project=project.id),
            )
        return Membership(project, frozenset({Role.ADMIN}))

    def edit(self, ctx: CallContext, reference: str, *, title: str, production: bool) -> Membership:
        """Give a project another title, and say whether it is in production."""
        found = self.authorize(ctx, reference, Permission.PROJECT_WRITE)
        before, table = found.project, tables.projects
        project = replace(
            before, title=check_text(title, field="title") or before.name, production=production
        )
        with self._database.write() as tx:
            hold(tx, project.id)
            tx.execute(
                sa.update(table)
                .where(table.c.id == project.id)
                .values(title=project.title, production=project.production)
            )
            mark = "in production" if project.production else "not in production"
            summary = f"Project {project.name} is {mark}; its title is {project.title}"
            records.write(tx, audit(ctx, "project.edit", project.name, summary, project=project.id))
        return Membership(project, found.roles)

    def authorize(self, ctx: CallContext, reference: str, permission: Permission) -> Membership:
        """Return the project named by `reference` where the caller has `permission` in it.

        Parameters
        ----------
        reference
            A project's name or id.

        Raises
        ------
        NotFound
            There is no such project, or the caller is no member: the two look the same.
        Forbidden
            The caller is a member with too low a role, or the token lacks the scope.
        """
        with self._database.read() as tx:
            found = _membership(tx, ctx, reference)
        if found is None:
            raise NotFound(
                f"No project {reference[:60]!r} that {ctx.principal.name} may see",
                mend="`mavis project list` shows yours; a project's administrator adds members.",
            )
        ctx.require(permission, found.roles)
        return found

    def list(self, ctx: CallContext, want: PageRequest) -> Page[Membership]:
        """Return the projects in which the caller has any role, the oldest first."""
        table = tables.projects
        query = sa.select(table).where(table.c.id.in_(_mine(ctx)))
        with self._database.read() as tx:
            page = fetch(tx, query, _ORDER, want, lambda row: Project(**row))
            found = [project.id for project in page.items]
            if ctx.confined is not None:
                roles = dict.fromkeys(found, ctx.confined.roles)
            else:
                roles = _roles(tx, ctx.principal, found)
        return Page(tuple(Membership(each, roles[each.id]) for each in page.items), page.next)

    def where(self, ctx: CallContext, permission: Permission) -> tuple[Membership, ...]:
        """Return the projects in which the caller has `permission`, by name; 1000 at most."""
        given = {"subjects": subjects_of(ctx.principal)}
        found: dict[str, Membership] = {}
        with self._database.read() as tx:
            if ctx.confined is not None:
                only = _confined(tx, ctx.confined, ctx.confined.project_id)
                allowed = only is not None and ctx.may(permission, only.roles)
                return (only,) if only is not None and allowed else ()
            for *row, role in tx.execute(_MEMBERSHIPS, given):
                project = Project(*row)
                before = found[project.id].roles if project.id in found else frozenset()
                found[project.id] = Membership(project, before | {Role(role)})
        good = (each for each in found.values() if ctx.may(permission, each.roles))
        return tuple(islice(good, _MOST))

    def members(self, ctx: CallContext, reference: str) -> tuple[Member, ...]:
        """Return who has which role."""
        project = self.authorize(ctx, reference, Permission.PROJECT_READ).project
        table = tables.members
        query = sa.select(table).where(table.c.project_id == project.id).order_by(table.c.subject)
        with self._database.read() as tx:
            return tuple(
                Member(row.subject, Role(row.role), row.added_at, row.added_by)
                for row in tx.execute(query)
            )

    def queue(self, ctx: CallContext, reference: str) -> None:
        """Let others who change this project wait until the transaction around this call ends.

        For what is decided by a look and then done (`Database.together`): nobody comes between.
        """
        project = self.authorize(ctx, reference, Permission.PROJECT_READ).project
        with self._database.write() as tx:
            hold(tx, project.id)

    def member(self, ctx: CallContext, reference: str, subject: str) -> Member:
        """Return the role of one person or group.

        Raises
        ------
        NotFound
            It is no member.
        """
        project = self.authorize(ctx, reference, Permission.PROJECT_READ).project
        check_subject(subject)
        table = tables.members
        query = sa.select(table).where(table.c.project_id == project.id, table.c.subject == subject)
        with self._database.read() as tx:
            row = tx.execute(query).first()
        if row is None:
            raise NotFound(f"{subject} is no member of {project.name}")
        return Member(row.subject, Role(row.role), row.added_at, row.added_by)

    def put_member(self, ctx: CallContext, reference: str, subject: str, role: Role) -> None:
        """Give `subject` the one role `role`; an earlier one ends.

        Raises
        ------
        Conflict
            It is the last administrator and would be one no longer.
        """
        project = self.authorize(ctx, reference, Permission.MEMBER_WRITE).project
        check_subject(subject)
        with self._database.write() as tx:
            hold(tx, project.id)
            _remove_member(tx, project.id, subject)
            _put_member(tx, project.id, subject, role, ctx)
            _keep_an_administrator(tx, project)
            summary = f"{subject} is {role} of {project.name}"
            records.write(tx, audit(ctx, "member.put", subject, summary, project=project.id))

    def remove_member(self, ctx: CallContext, reference: str, subject: str) -> None:
        """End the membership of `subject`.

        Raises
        ------
        NotFound
            It is no member.
        Conflict
            It is the last administrator.
        """
        project = self.authorize(ctx, reference, Permission.MEMBER_WRITE).project
        check_subject(subject)
        with self._database.write() as tx:
            hold(tx, project.id)
            if not _remove_member(tx, project.id, subject):
                raise NotFound(f"{subject} is no member of {project.name}")
            _keep_an_administrator(tx, project)
            summary = f"{subject} is no longer a member of {project.name}"
            records.write(tx, audit(ctx, "member.remove", subject, summary, project=project.id))

    def still_may(self, ctx: CallContext, project_id: str, permission: Permission) -> None:
        """Check once more, before work begins, what was allowed when it was asked for.

        Raises
        ------
        Forbidden
            The person has lost the role since.
        """
        if ctx.principal == PLATFORM:  # Runs of its own are made inside of this process only
            return
        with self._database.read() as tx:
            ctx.require(permission, roles_in(tx, ctx.principal, project_id))


def _membership(tx: sa.Connection, ctx: CallContext, reference: str) -> Membership | None:
    """Return what the caller is in the project of a name or id; None where they are nothing."""
    if ctx.confined is not None:
        return _confined(tx, ctx.confined, reference)
    given = {"reference": reference, "subjects": subjects_of(ctx.principal)}
    rows = tx.execute(_MEMBERSHIP, given).all()
    if not rows:
        return None
    *project, _ = rows[0]
    return Membership(Project(*project), frozenset(Role(role) for *_, role in rows))


def _confined(tx: sa.Connection, to: Confinement, reference: str) -> Membership | None:
    for row in tx.execute(_BY_REFERENCE, {"reference": reference}):
        project = Project(*row)
        if project.id == to.project_id:
            return Membership(project, to.roles)
    return None


def _mine(ctx: CallContext) -> sa.Select[tuple[str]] | list[str]:
    """Return the ids of the projects in which the caller has a role."""
    if ctx.confined is not None:
        return [ctx.confined.project_id]
    table = tables.members
    subjects = subjects_of(ctx.principal)
    return sa.select(table.c.project_id).where(table.c.subject.in_(subjects))


def project_of(tx: sa.Connection, project_id: str) -> Project:
    """Return a project by its id."""
    table = tables.projects
    return Project(**tx.execute(sa.select(table).where(table.c.id == project_id)).mappings().one())


def roles_in(tx: sa.Connection, principal: Principal, project_id: str) -> frozenset[Role]:
    """Return the roles of `principal` in a project, by name and by group."""
    return _roles(tx, principal, [project_id])[project_id]


def _roles(
    tx: sa.Connection, principal: Principal, project_ids: Iterable[str]
) -> dict[str, frozenset[Role]]:
    """Return the roles of `principal` in each of `project_ids`."""
    table = tables.members
    found: dict[str, frozenset[Role]] = {project_id: frozenset() for project_id in project_ids}
    query = sa.select(table.c.project_id, table.c.role).where(
        table.c.project_id.in_(list(found)), table.c.subject.in_(subjects_of(principal))
    )
    for row in tx.execute(query):
        found[row.project_id] |= {Role(row.role)}
    return found


def _row(project: Project) -> dict[str, object]:
    return {name: getattr(project, name) for name in Project.__slots__}


def _put_member(
    tx: sa.Connection, project_id: str, subject: str, role: Role, ctx: CallContext
) -> None:
    tx.execute(
        sa.insert(tables.members).values(
            project_id=project_id,
            subject=subject,
            role=role,
            added_at=clock.now(),
            added_by=ctx.principal.name,
        )
    )


def _remove_member(tx: sa.Connection, project_id: str, subject: str) -> bool:
    table = tables.members
    removed = tx.execute(
        sa.delete(table).where(table.c.project_id == project_id, table.c.subject == subject)
    )
    return removed.rowcount > 0


def _keep_an_administrator(tx: sa.Connection, project: Project) -> None:
    table = tables.members
    roles: Collection[str] = tx.scalars(
        sa.select(table.c.role).where(table.c.project_id == project.id)
    ).all()
    if Role.ADMIN not in roles:
        raise Conflict(
            f"{project.name} would be left without an administrator",
            mend="Give somebody else the role admin first.",
        )
