"""``mavis record``."""

from __future__ import annotations

from datetime import datetime

import click

from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import common, fields_option, in_project, limit_option
from mavis_kernel.cli.output import Empty, after, show_list
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import moment_option, relative
from mavis_kernel.models import Record

__all__ = ["record"]


def _summary(item: Record) -> str:
    code = f"[{item.error_code}] " if item.error_code else ""
    return f"{code}{item.summary or ''}"


_COLUMNS: tuple[Column[Record], ...] = (
    Column("TIME", lambda each: f"{each.time.astimezone():%Y-%m-%d %H:%M:%S}"),
    Column("AGE", lambda each: relative(each.time)),
    Column("PERSON", lambda each: each.person or "-"),
    Column("ACTION", lambda each: each.action),
    Column("OBJECT", lambda each: each.object or "-", shrinks=True),
    Column("OUTCOME", lambda each: each.outcome or each.phase or "", is_state=True),
    Column("SUMMARY", _summary, shrinks=True),
)
_PROJECT: Column[Record] = Column("PROJECT", lambda each: each.project or "-")


@click.group(cls=Group)
def record() -> None:
    """Show what was done, by whom and when."""


@record.command("list")
@click.option(
    "--since",
    type=moment_option,
    metavar="WHEN",
    help="Not before: 90s, 30m, 1h, 2d, 1w ago, or a date.",
)
@click.option("--until", type=moment_option, metavar="WHEN", help="Before; written the same way.")
@click.option("--person", help="Only by this person.")
@click.option("--action", help="Only this action, such as recovery_point.create.")
@click.option("--correlation-id", help="Only what one call or event set off.")
@click.option("-q", "--query", help="Only with these words.")
@click.option("--all-projects", is_flag=True, help="Everywhere; for platform administrators.")
@limit_option(50)
@fields_option
@in_project
@common
@click.pass_obj
def list_(
    state: State,
    since: datetime | None,
    until: datetime | None,
    person: str | None,
    action: str | None,
    correlation_id: str | None,
    query: str | None,
    all_projects: bool,
    limit: int,
) -> None:
    """List what was done, the newest first."""
    project = None if all_projects else state.project
    where = f"project {project}" if project else "all projects"
    found = state.client().records.list(
        project,
        since=since,
        until=until,
        person=person,
        action=action,
        correlation_id=correlation_id,
        query=query,
        limit=after(limit),
        fields=state.fields,
    )
    show_list(
        state,
        found,
        (*_COLUMNS, _PROJECT) if all_projects else _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"records of {where}",
        empty=Empty(
            f"There are no records of {where} yet: whatever somebody does shows here.",
            f"No record of {where} matches. Leave out a filter, or begin earlier: --since 1w.",
            is_filtered=any((since, until, person, action, correlation_id, query)),
        ),
        limit=limit,
    )
