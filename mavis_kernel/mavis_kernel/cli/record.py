"""``mavis record``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

import click

from mavis_kernel.batches import batches
from mavis_kernel.cli import record_following
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    every_command,
    examples,
    fields_option,
    in_project,
    limit_option,
    output_option,
)
from mavis_kernel.cli.output import Empty, after, put, say, show_document, show_list
from mavis_kernel.cli.record_export import export
from mavis_kernel.cli.record_holds import hold, holds, release
from mavis_kernel.cli.record_options import filtered
from mavis_kernel.cli.record_sql import sql
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, table
from mavis_kernel.cli.times import both, local_zone, relative
from mavis_kernel.errors import ApiError, BadSettings
from mavis_kernel.models import Record, RecordSummary
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

_BAR = 40


@dataclass(frozen=True)
class _Counted:
    """A row of a summary: how often something comes, of how many at most."""

    name: str
    value: str
    count: int
    most: int


_COUNTED: tuple[Column[_Counted], ...] = (
    Column("FIELD", lambda each: each.name),
    Column("VALUE", lambda each: each.value, shrinks=True),
    Column("COUNT", lambda each: f"{each.count:>8}"),
)
_OVER_TIME: tuple[Column[_Counted], ...] = (
    Column("FROM", lambda each: each.value),
    Column("COUNT", lambda each: f"{each.count:>8}"),
    Column("", lambda each: "#" * -(-each.count * _BAR // max(each.most, 1))),
)


@click.group(cls=Group)
def record() -> None:
    """Show what was done, by whom and when."""


for _command in (export, hold, holds, release, sql):
    record.add_command(_command)


@record.command("list")
@filtered
@limit_option(50)
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Go on with what arrives, until Ctrl-C. The newest comes last then, and --limit 0 begins"
    " with none.",
)
@fields_option
@in_project
@common
@click.pass_obj
def list_(state: State, /, all_projects: bool, limit: int, follow: bool, **filters: Any) -> None:
    """List what was done, the newest first."""
    project = None if all_projects else state.project
    if follow:
        record_following.follow(state, project, limit, **filters)
        return
    where = f"project {project}" if project else "all projects"
    found = state.client().records.list(project, limit=after(limit), fields=state.fields, **filters)
    show_list(
        state,
        found,
        (*_COLUMNS, _PROJECT) if all_projects else _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"records of {where}",
        empty=Empty(
            f"There are no records of {where} yet: whatever somebody does shows here.",
            f"No record of {where} matches. Leave out a filter, or begin earlier: --since 1w.",
            is_filtered=any(filters.values()),
        ),
        limit=limit,
    )


@record.command("context")
@click.argument("record_id")
@click.option(
    "--within",
    type=click.Choice(("project", "story", "person")),
    default="project",
    show_default=True,
    help="What the others have in common with it.",
)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(0, 100),
    default=10,
    show_default=True,
    help="So many before it, and so many after it.",
)
@click.option("--all-projects", is_flag=True, help="Everywhere; for platform administrators.")
@in_project
@output_option("table", "json", "yaml")
@every_command
@click.pass_obj
def context(state: State, record_id: str, within: str, number: int, all_projects: bool) -> None:
    """Show what was recorded just before and after a record, the earliest first."""
    project = None if all_projects else state.project
    found = state.client().records.context(
        project,
        record_id,
        within=within,  # type: ignore[arg-type]  # click has checked it
        earlier=number,
        later=number,
    )
    if state.is_document:
        show_document(state, found.raw)
        return
    here: Column[Record] = Column("", lambda each: ">" if each.id == found.record.id else "")
    columns = (here, *_COLUMNS, _PROJECT) if all_projects else (here, *_COLUMNS)
    for line in table(columns, [*found.earlier, found.record, *found.later]):
        put(line)


@record.command("summary")
@filtered
@click.option("--over-time", is_flag=True, help="Count by time instead of by field.")
@click.option(
    "--zone",
    metavar="NAME",
    help="By whose clock days begin, such as Europe/Vienna; else this machine's.",
)
@in_project
@output_option("table", "json", "yaml")
@every_command
@click.pass_obj
def summary(
    state: State, /, all_projects: bool, over_time: bool, zone: str | None, **filters: Any
) -> None:
    """Count what was done: by kind, action, person, outcome and more, and over time."""
    project = None if all_projects else state.project
    zone = zone or local_zone()
    found = state.client().records.summary(project, zone=zone, **filters)
    if state.is_document:
        show_document(state, found.raw)
        return
    columns, rows = (_OVER_TIME, _times(found, zone)) if over_time else (_COUNTED, _values(found))
    if rows and found.total:
        for line in table(columns, rows):
            put(line)
    span = f", from {both(found.first)} to {both(found.last)}" if found.total else ""
    say(f"{found.total} records{span}.")


def _values(found: RecordSummary) -> list[_Counted]:
    rows = []
    for facet in found.facets:
        rows += [
            _Counted(facet.field, each.value or "-", each.count, found.total)
            for each in facet.values
        ]
        if facet.other:
            rows.append(_Counted(facet.field, "(all others)", facet.other, found.total))
    return rows


def _times(found: RecordSummary, zone: str) -> list[_Counted]:
    most = max((each.count for each in found.buckets), default=0)

    def shown(moment: datetime) -> str:
        return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"

    return [_Counted("", shown(each.begin), each.count, most) for each in found.buckets]


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
