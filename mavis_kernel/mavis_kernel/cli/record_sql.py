"""``mavis record sql``."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from mavis_kernel.cli.options import every_command, examples, in_project, output_option
from mavis_kernel.cli.output import put, put_whole, say, show_document
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, table
from mavis_kernel.cli.times import moment_option
from mavis_kernel.errors import BadSettings
from mavis_kernel.models import SqlAnswer

__all__ = ["reach_options", "sql"]

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES = examples(
    'mavis record sql "SELECT person, count(*) FROM audit GROUP BY ALL ORDER BY 2 DESC"',
    'mavis record sql --since 1w -o csv "FROM records" > week.csv',
    "mavis record sql - < question.sql",
    'mavis record sql "DESCRIBE records"',
)


def reach_options(function: F) -> F:
    """Add ``--since`` and ``--until``."""
    since = click.option(
        "--since",
        type=moment_option,
        metavar="WHEN",
        help="Not before: 90s, 30m, 1h, 2d, 1w ago, or a date.",
    )
    until = click.option(
        "--until", type=moment_option, metavar="WHEN", help="Before; written the same way."
    )
    return since(until(function))


@click.command(epilog=_EXAMPLES)
@click.argument("question", metavar="SQL")
@reach_options
@click.option("--all-projects", is_flag=True, help="Wherever you may read records.")
@in_project
@output_option("table", "json", "yaml", "csv")
@every_command
@click.pass_obj
def sql(
    state: State, question: str, since: datetime | None, until: datetime | None, all_projects: bool
) -> None:
    """Ask the records in SQL: one SELECT of DuckDB.

    It sees the views records, audit and operations, with the records of the project in that time,
    and nothing else. SQL is a text, or - to read it from standard input.
    """
    if question == "-":
        question = sys.stdin.read()
    if not question.strip():
        raise BadSettings("There is no SQL.", mend='Write it: mavis record sql "FROM records".')
    project = None if all_projects else state.project
    answer = state.client().records.sql(question, project=project, since=since, until=until)
    if state.is_document:
        show_document(state, answer.to_dicts())
    elif state.output == "csv":
        put_whole(_csv(answer))
    else:
        _show_answer(answer, f"project {project}" if project else "all projects")


def _show_answer(answer: SqlAnswer, where: str) -> None:
    numbers = [all(_is_number(row[at]) for row in answer.rows) for at in range(len(answer.columns))]
    columns: list[Column[Sequence[object]]] = [
        Column(
            column.name,
            lambda row, at=at: _plain(row[at]),  # type: ignore[misc]  # a lambda's default has no type
            right=numbers[at],
            shrinks=not numbers[at],
        )
        for at, column in enumerate(answer.columns)
    ]
    if answer.rows:
        for line in table(columns, answer.rows):
            put(line)
    say(f"{_count(len(answer.rows), 'row')} from {_count(answer.records, 'record')} of {where}")


def _csv(answer: SqlAnswer) -> str:
    """Return the answer as CSV (RFC 4180), a heading first."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.name for column in answer.columns)
    writer.writerows([_plain(value) for value in row] for row in answer.rows)
    return text.getvalue()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
