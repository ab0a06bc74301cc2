"""``mavis session``: who is, or was, at which device."""

from __future__ import annotations

from datetime import datetime

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    fields_option,
    in_project,
    limit_option,
    watch_option,
    yes_option,
)
from mavis_kernel.cli.output import Empty, show_one
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.recordings import find, recording
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.cli.watching import list_again, show_again
from mavis_kernel.models import Session

__all__ = ["session"]


def _lasted(begin: datetime | None, end: datetime | None) -> str:
    if begin is None or end is None:
        return ""
    minutes, seconds = divmod(int((end - begin).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


_COLUMNS: tuple[Column[Session], ...] = (
    Column("ID", lambda each: each.id),
    Column("PERSON", lambda each: each.person),
    Column("DEVICE", lambda each: each.device),
    Column("LOGIN", lambda each: each.login),
    Column("WHAT", lambda each: each.command or each.kind, shrinks=True),
    Column("STATE", lambda each: each.state, is_state=True),
    Column("BEGAN", lambda each: relative(each.opened_at or each.asked_at)),
    Column("LASTED", lambda each: _lasted(each.opened_at, each.ended_at)),
)


@click.group(cls=Group)
def session() -> None:
    """See who is, or was, at which device."""


@session.command("list")
@click.option("--person", help="Only of this person.")
@click.option("--device", shell_complete=complete.devices, help="Only at this device.")
@click.option("--state", "wanted", type=click.Choice(["asked", "open", "ended"]))
@limit_option(50)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(
    state: State, person: str | None, device: str | None, wanted: str | None, limit: int
) -> None:
    """List the sessions of the project, the newest first."""
    project, sessions = state.project, state.client().sessions
    list_again(
        state,
        lambda: sessions.list(
            project,
            person=person,
            device=device,
            state=wanted,
            limit=limit or None,
            fields=state.fields,
        ),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"sessions in project {project}",
        empty=Empty(f"No sessions in project {project}. Begin one: mavis ssh DEVICE -p {project}"),
    )


@session.command()
@click.argument("session_id")
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def show(state: State, session_id: str) -> None:
    """Show the session SESSION_ID."""
    project, sessions = state.project, state.client().sessions
    show_again(
        state,
        lambda: sessions.get(project, session_id, fields=state.fields),
        lambda item: _show(state, item),
    )


@session.command()
@click.argument("session_id")
@click.option("--reason", default="", help="Why; it stands in the records.")
@yes_option
@in_project
@common
@click.pass_obj
def end(state: State, session_id: str, reason: str, yes: bool) -> None:
    """End the session SESSION_ID: your own, or with the role for it anybody's.

    Who is in it is told who ended it. What runs there gets a hang-up.
    """
    client = state.client()
    confirm_removal(f"session {session_id}", yes=yes, verb="End", doing="Ending")
    _show(state, client.sessions.end(state.project, session_id, reason=reason))


session.add_command(recording)
session.add_command(find)


def _show(state: State, item: Session) -> None:
    fields = [
        ("Id", item.id),
        ("Person", item.person),
        ("From", f"{item.source} ({item.entrance})"),
        ("Device", item.device),
        ("Way", f"{item.access_service} ({item.protocol}), as {item.login}"),
        ("Kind", item.kind),
        ("Command", item.command or ""),
        ("State", item.state),
        ("Asked", both(item.asked_at)),
        ("Opened", both(item.opened_at)),
        ("Ended", both(item.ended_at)),
        ("Why", item.detail),
        ("Exit", "" if item.exit_status is None else str(item.exit_status)),
        ("Recorded", "yes" if item.recording else "no"),
        ("Story", item.correlation_id),
    ]
    show_one(state, item, fields, id_text=item.id)
