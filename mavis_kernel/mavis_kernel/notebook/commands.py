"""``%project``, ``%snapshot`` and ``%watch``."""

from __future__ import annotations

import difflib

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.options import dry_run_option, examples, in_project
from mavis_kernel.errors import NotFound
from mavis_kernel.models import Preview, Project, RecoveryPoint, Run
from mavis_kernel.notebook.following import follow, say_begun
from mavis_kernel.notebook.state import NotebookState
from mavis_kernel.outcomes import demand_success

__all__ = ["project", "snapshot", "watch"]

wait_option = click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Follow the Run to its end, or return when it has begun.",
)
cancel_option = click.option(
    "--cancel-on-interrupt",
    is_flag=True,
    help="Let the stop button cancel the Run, too; else it ends the watching only.",
)


@click.command(epilog=examples("%project shop"))
@click.argument("name", required=False, shell_complete=complete.projects)
@click.pass_obj
def project(state: NotebookState, name: str | None) -> Project:
    """Show the project that magics are about, or make NAME the one.

    It holds until the kernel ends. The variable MAVIS_PROJECT sets the first.
    """
    session, client = state.session, state.client()
    if name is None:
        return client.projects.get(session.project())
    try:
        found = client.projects.get(name)
    except NotFound as exc:
        raise _no_such_project(name, [each.name for each in client.me().projects]) from exc
    session.choose(found.name)
    return found


@click.command(
    epilog=examples("%snapshot web-1", 'point = %snapshot web-1 --description "before the upgrade"')
)
@click.argument("resource", shell_complete=complete.instances)
@click.option("--description", help="Why; kept with the recovery point and in the cloud.")
@dry_run_option
@wait_option
@cancel_option
@in_project
@click.pass_obj
def snapshot(
    state: NotebookState,
    /,
    resource: str,
    description: str | None,
    dry_run: bool,
    wait: bool,
    cancel_on_interrupt: bool,
) -> Preview | Run | RecoveryPoint:
    """Take a recovery point of RESOURCE: all volumes of an instance at one moment.

    RESOURCE is a name, a cloud id or an id. Returns the recovery point; with --no-wait the Run that
    makes it, with --dry-run what would be done.
    """
    in_project, points = state.project, state.client().recovery_points
    if dry_run:
        return points.preview(in_project, resource, description=description)
    begun = points.create(in_project, resource, description=description)
    if not wait:
        say_begun(begun)
        return begun
    ended = follow(state.client(), in_project, begun.id, cancel=cancel_on_interrupt)
    made = points.made_by(in_project, demand_success(ended))
    return ended if made is None else made


@click.command(epilog=examples("%watch run_01"))
@click.argument("run", shell_complete=complete.runs)
@cancel_option
@in_project
@click.pass_obj
def watch(state: NotebookState, run: str, cancel_on_interrupt: bool) -> None:
    """Follow RUN, the id of a Run, until it has ended.

    The stop button ends the watching; the work goes on.
    """
    ended = follow(state.client(), state.project, run, cancel=cancel_on_interrupt)
    demand_success(ended)


def _no_such_project(name: str, mine: list[str]) -> NotFound:
    near = difflib.get_close_matches(name, mine, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Yours are {', '.join(mine[:10]) or 'none'}."
    return NotFound(f"There is no project {name!r}, or you are not in it.", mend=hint)
