"""Notebook servers of people: who may have one. The Hub starts and stops them, and asks here."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from mavis_core import records
from mavis_core.access import PERMISSIONS, PLATFORM, RESERVED, Permission, Principal, Role
from mavis_core.db import Database, tables
from mavis_core.errors import Forbidden
from mavis_core.ids import new_id
from mavis_core.projects.model import subjects_of
from mavis_core.records import Kind, Outcome, Phase

__all__ = ["Servers"]

_SOURCE = "hub"
_NAMED = 3
"""Administrators that a refusal names, at most."""


class Servers:
    """Who may have a notebook server: people with such a role in any project, and administrators.

    Parameters
    ----------
    database
        The main database.
    admin_group
        The Hub group of the platform's administrators.
    """

    def __init__(self, database: Database, *, admin_group: str) -> None:
        self._database = database
        self._admin_group = admin_group

    def may(self, principal: Principal) -> bool:
        """Whether somebody may have a server now."""
        if principal.name.startswith(RESERVED):
            return False
        if self._admin_group in principal.groups:
            return True
        members = tables.members
        good = sorted(PERMISSIONS[Permission.SERVER_START].roles)
        query = sa.select(members.c.role).where(
            members.c.subject.in_(subjects_of(principal)), members.c.role.in_(good)
        )
        with self._database.read() as tx:
            return tx.execute(query.limit(1)).first() is not None

    def check(self, principal: Principal) -> None:
        """Return where somebody may have a server now.

        Raises
        ------
        Forbidden
            They may not; it says whom they can ask.
        """
        if self.may(principal):
            return
        projects, people = self._asked(principal)
        if not projects:
            raise Forbidden(
                f"{principal.name} has no role in any project, and so no notebook server",
                mend="Ask an administrator of a project for a role in it, or an administrator of"
                " the platform where there is no project yet.",
            )
        raise Forbidden(
            f"{principal.name} opens dashboards and has no notebook server",
            mend="Your dashboards are on the start page. For a server, ask an administrator of"
            f" {' or '.join(projects)} for the role viewer or operator: {', '.join(people)}.",
        )

    def begin(self, principal: Principal) -> None:
        """Record that somebody's server starts.

        Raises
        ------
        Forbidden
            They may have none; that is recorded, too.
        """
        try:
            self.check(principal)
        except Forbidden as exc:
            self._record(principal, "server.start", Outcome.REFUSED, exc.message, exc.code)
            raise
        told = f"{principal.name}'s notebook server starts"
        self._record(principal, "server.start", Outcome.OK, told)

    def ended(self, principal: Principal) -> None:
        """Record that the server of somebody was stopped who may have none any more."""
        told = f"The notebook server of {principal.name} was stopped: no role gives it any more"
        self._record(principal, "server.stop", Outcome.OK, told, person=PLATFORM.name)

    def _asked(self, principal: Principal) -> tuple[Sequence[str], Sequence[str]]:
        """Return somebody's projects, and who may give them another role there; the first few."""
        members, projects = tables.members, tables.projects
        mine = sa.select(members.c.project_id).where(members.c.subject.in_(subjects_of(principal)))
        query = (
            sa.select(projects.c.name, members.c.subject)
            .join(members, members.c.project_id == projects.c.id)
            .where(projects.c.id.in_(mine), members.c.role == Role.ADMIN)
            .order_by(projects.c.name, members.c.subject)
        )
        with self._database.read() as tx:
            found = tx.execute(query).all()
        names = [_called(row.subject) for row in found]
        return (
            list(dict.fromkeys(row.name for row in found))[:_NAMED],
            list(dict.fromkeys(names))[:_NAMED],
        )

    def _record(
        self,
        principal: Principal,
        action: str,
        outcome: Outcome,
        summary: str,
        error_code: str | None = None,
        person: str | None = None,
    ) -> None:
        record = records.Record(
            kind=Kind.AUDIT,
            phase=Phase.EVENT,
            outcome=outcome,
            action=action,
            person=person or principal.name,
            object=principal.name,
            summary=summary,
            error_code=error_code,
            correlation_id=new_id("cor"),
            source=_SOURCE,
        )
        with self._database.write() as tx:
            records.write(tx, record)


def _called(subject: str) -> str:
    kind, _, name = subject.partition(":")
    return name if kind == "user" else f"the group {name}"
