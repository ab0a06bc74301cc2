"""``mavis record``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO

import click

from mavis_kernel.batches import batches
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    every_command,
    examples,
    fields_option,
    in_project,
    limit_option,
)
from mavis_kernel.cli.output import Empty, after, show_list
from mavis_kernel.cli.record_sql import reach_options, sql
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import relative
from mavis_kernel.errors import ApiError, BadSettings
from mavis_kernel.models import Record
from mavis_kernel.parsing import JsonObject

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
_PLACE = re.compile(r"records\.(\d+)")
_MEND = 'Write an object on each line: {"action": "deploy.finish", "object": "shop 4.2"}'
_PROJECT: Column[Record] = Column("PROJECT", lambda each: each.project or "-")


@click.group(cls=Group)
def record() -> None:
    """Show what was done, by whom and when."""


record.add_command(sql)


@record.command("list")
@reach_options
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


@record.command(
    epilog=examples(
        "mavis record report deploys.jsonl --stream deployer-1",
        """echo '{"action": "deploy.finish", "object": "shop 4.2"}' | mavis record report""",
    )
)
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--stream",
    help="Number the lines as records of this stream, so that a gap shows and a file that is sent"
    " twice, whose lines have a time, is kept once.",
)
@click.option(
    "--first", type=click.IntRange(min=1), default=1, show_default=True, help="The first number."
)
@in_project
@every_command
@click.pass_obj
def report(state: State, file: IO[bytes], stream: str | None, first: int) -> None:
    """Report what others saw, a JSON object on each line of FILE, or of standard input.

    An object has `action`, and as it has them `time` (else now), `object`, `summary`, `outcome`
    (ok, failed, refused), `data`, `correlation_id`, `stream` and `sequence`. Each is kept as
    reported by you: its action gets the prefix `reported.`.
    """
    lines: list[int] = []
    told = 0
    for batch in batches(_read(file, stream, first, lines)):
        try:
            told += state.client().records.report(state.project, batch)
        except ApiError as exc:
            _say_where(exc, lines, told)
            raise
    click.echo(f"{told} record{'s' * (told != 1)} reported to project {state.project}.", err=True)


def _read(
    file: IO[bytes], stream: str | None, first: int, lines: list[int]
) -> Iterator[JsonObject]:
    """Yield the records of `file`, and add to `lines` on which line each stands."""
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as exc:
            raise BadSettings(f"Line {number} is not JSON: {exc}", mend=_MEND) from exc
        if not isinstance(value, dict):
            raise BadSettings(f"Line {number} is no JSON object.", mend=_MEND)
        value.setdefault("time", datetime.now(UTC))
        if stream is not None:
            value |= {"stream": stream, "sequence": first + len(lines)}
        lines.append(number)
        yield value


def _say_where(error: ApiError, lines: list[int], told: int) -> None:
    place = _PLACE.match(error.field or "")
    if place is not None and told + int(place[1]) < len(lines):
        click.echo(f"Line {lines[told + int(place[1])]} is refused.", err=True)
    if told:
        click.echo(f"The first {told} records are kept.", err=True)
