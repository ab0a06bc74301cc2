"""``mavis run``."""

from __future__ import annotations

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    fields_option,
    in_project,
    limit_option,
    sort_option,
    watch_option,
)
from mavis_kernel.cli.output import Empty, after, show_fields
from mavis_kernel.cli.runs import follow, show_cancelled, show_run
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import relative, took
from mavis_kernel.cli.watching import list_again, watched
from mavis_kernel.models import Run, RunState

__all__ = ["run"]

_COLUMNS: tuple[Column[Run], ...] = (
    Column("ID", lambda each: each.id),
    Column("KIND", lambda each: each.kind),
    Column("SUBJECT", lambda each: each.subject or "", shrinks=True),
    Column("STATE", lambda each: each.state, is_state=True),
    Column("PERSON", lambda each: each.person or ""),
    Column("CREATED", lambda each: relative(each.created_at)),
    Column("TOOK", lambda each: took(each.started_at, each.finished_at), right=True),
)


@click.group(cls=Group)
def run() -> None:
    """Work that goes on at the appliance."""


@run.command("list")
@click.option("--state", "run_state", type=click.Choice(RunState.known()), help="Only those.")
@sort_option("created_at", "finished_at", "state")
@limit_option(50)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(state: State, run_state: str | None, sort: str | None, limit: int) -> None:
    """List the Runs of the project, the newest first."""
    project, runs = state.project, state.client().runs
    list_again(
        state,
        lambda: runs.list(
            project, state=run_state, sort=sort, limit=after(limit), fields=state.fields
        ),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"Runs in project {project}",
        empty=Empty(
            f"Project {project} has no Runs yet. A discovery is one:"
            f" mavis resource discover -p {project}",
            f"No Run of project {project} is {run_state}. See all: leave out --state.",
            is_filtered=run_state is not None,
        ),
        limit=limit,
    )


@run.command()
@click.argument("run_id", shell_complete=complete.runs)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def show(state: State, run_id: str) -> None:
    """Show the Run RUN_ID as it is now; with --watch until it has ended."""
    project, runs = state.project, state.client().runs
    if state.watch:
        with watched(state):
            for each in runs.watch(project, run_id):
                show_fields(state, each) if state.fields else show_run(state, each)
    elif state.fields:
        show_fields(state, runs.get(project, run_id, fields=state.fields))
    else:
        show_run(state, runs.get(project, run_id))


@run.command()
@click.argument("run_id", shell_complete=complete.runs)
@in_project
@common
@click.pass_obj
def watch(state: State, run_id: str) -> None:
    """Follow the Run RUN_ID to its end; the exit code is 1 unless it succeeded."""
    follow(state, state.project, run_id)


@run.command()
@click.argument("run_id", shell_complete=complete.runs)
@in_project
@common
@click.pass_obj
def cancel(state: State, run_id: str) -> None:
    """End the Run RUN_ID before it is done; what it had begun is cleaned up."""
    project = state.project
    show_cancelled(state, project, state.client().runs.cancel(project, run_id))
