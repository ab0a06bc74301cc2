"""``mavis report``."""

from __future__ import annotations

import click

from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import every_command, examples, in_project, output_option
from mavis_kernel.cli.output import put, put_whole, say, show_document
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, printable, table
from mavis_kernel.cli.times import both, relative
from mavis_kernel.errors import Found
from mavis_kernel.models import ProtectionReport, ReportRow

__all__ = ["report"]

_COLUMNS: tuple[Column[ReportRow], ...] = (
    Column("FINDING", lambda row: row.finding, is_state=True),
    Column("MACHINE", lambda row: row.machine or "-", shrinks=True),
    Column("PLAN", lambda row: row.plan or "-"),
    Column("ENVIRONMENT", lambda row: row.environment or "-"),
    Column("REGION", lambda row: row.region or "-"),
    Column("NEWEST", lambda row: relative(row.newest_at)),
    Column("WHY", lambda row: row.why, shrinks=True),
)
_EXAMPLES = examples(
    "mavis report protection",
    "mavis report protection --all -o csv > protection.csv",
    "mavis report protection --check || mail -s 'Backups' ops@example.org < /dev/null",
)


@click.group(cls=Group)
def report() -> None:
    """How well a project is protected."""


@report.command(epilog=_EXAMPLES)
@click.option("--all", "everything", is_flag=True, help="Those too with which nothing is wrong.")
@click.option("--check", is_flag=True, help="End with 9 where something is found: for cron.")
@in_project
@output_option("table", "json", "yaml", "csv")
@every_command
@click.pass_obj
def protection(state: State, everything: bool, check: bool) -> None:
    """Show which machines are not backed up as they should be.

    No plan takes them, no backup was made yet or none for too long; and which backups of the
    last seven days failed or were left out.
    """
    project, reports = state.project, state.client().reports
    if state.output == "csv":
        put_whole(reports.protection_csv(project, everything=everything))
    if state.output != "csv" or check:
        found = reports.protection(project, everything=everything)
        _show(state, found)
        if check and found.findings:
            raise Found(f"The protection of project {project} has {_findings(found)}.")


def _show(state: State, found: ProtectionReport) -> None:
    if state.is_document:
        show_document(state, found.raw)
    elif state.output == "table":
        _show_table(found)


def _show_table(found: ProtectionReport) -> None:
    if found.rows:
        for line in table(_COLUMNS, found.rows):
            put(line)
    for mend in dict.fromkeys(row.mend for row in found.rows if row.mend):
        say(f"Mend: {printable(mend)}")
    say(_summary(found))


def _summary(found: ProtectionReport) -> str:
    if not found.machines and not found.findings:
        return (
            f"Project {found.project} has no machines, as far as it was looked at. Look:"
            f" mavis resource discover -p {found.project}"
        )
    covered = f"{found.protected} of {found.machines} machines have a backup plan"
    at = f"as of {both(found.at)}"
    if not found.findings:
        return f"All is well in project {found.project}: {covered}, {at}."
    return f"{_findings(found)} in project {found.project}; {covered}, {at}."


def _findings(found: ProtectionReport) -> str:
    number = len(found.findings)
    return f"{number} finding{'s' * (number != 1)}"
