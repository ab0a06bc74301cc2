"""``mavis run``."""

from __future__ import annotations

import click

from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import common, in_project, limit_option
from mavis_kernel.cli.output import Empty, after, show_list
from mavis_kernel.cli.runs import follow, show_cancelled, show_run
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import relative, took
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
@limit_option(50)
@in_project
@common
@click.pass_obj
def list_(state: State, run_state: str | None, limit: int) -> None:
    """List the Runs of the project, the newest first."""
    project = state.project
    show_list(
        state,
        state.client().runs.list(project, state=run_state, limit=after(limit)),
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
@click.argument("run_id")
@in_project
@common
@click.pass_obj
def show(state: State, run_id: str) -> None:
    """Show the Run RUN_ID as it is now."""
    show_run(state, state.client().runs.get(state.project, run_id))


@run.command()
@click.argument("run_id")
@in_project
@common
@click.pass_obj
def watch(state: State, run_id: str) -> None:
    """Follow the Run RUN_ID to its end; the exit code is 1 unless it succeeded."""
    follow(state, state.project, run_id)


@run.command()
@click.argument("run_id")
@in_project
@common
@click.pass_obj
def cancel(state: State, run_id: str) -> None:
    """End the Run RUN_ID before it is done; what it had begun is cleaned up."""
    project = state.project
    show_cancelled(state, project, state.client().runs.cancel(project, run_id))
