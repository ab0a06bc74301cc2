"""``%mavis``: who and where one is, and the command line in a cell."""

from __future__ import annotations

import click

from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import examples
from mavis_kernel.cli.root import PLACES, root
from mavis_kernel.errors import BadSettings
from mavis_kernel.models import Me
from mavis_kernel.notebook.state import NotebookState

__all__ = ["command_line"]

_NOT_HERE = {
    "login": "Kernels of the appliance are logged in already. Elsewhere call mavis login in a"
    " terminal; the next cell is logged in.",
    "completion": "It is for shells. In a cell the Tab key completes.",
}


class _InCell(Group):
    """The command line's groups, without what needs a terminal."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return [name for name in PLACES if name not in _NOT_HERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _NOT_HERE:
            raise BadSettings(f"mavis {cmd_name} is not for a cell.", mend=_NOT_HERE[cmd_name])
        return root.get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in _NOT_HERE:
            self.get_command(ctx, args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, PLACES[name].help) for name in self.list_commands(ctx)])


@click.group(
    "mavis",
    cls=_InCell,
    invoke_without_command=True,
    epilog=examples(
        "%mavis", "%mavis resource list --kind instance", "%mavis run list --state failed -o json"
    ),
)
@click.pass_context
def command_line(context: click.Context) -> Me | None:
    """Show who you are, where, and in which project; or do a command of `mavis`."""
    if context.invoked_subcommand is not None:
        return None
    state: NotebookState = context.obj
    me = state.client().me()
    click.echo(f"{me.name} at {state.client().url}")
    click.echo(f"Project: {_project_words(state.session.chosen_project, me)}")
    click.echo(_cells_words(state, me))
    return me


def _cells_words(state: NotebookState, me: Me) -> str:
    cells, chosen = state.session.cells, state.session.chosen_project
    project = chosen or (me.projects[0].name if len(me.projects) == 1 else None)
    if cells is None or not cells.reporter.wanted:
        return "Cells: what you run is not reported."
    if project is None:
        return "Cells: what you run is reported nowhere until a project is chosen."
    return f"Cells: what you run here is reported to the log of the project {project}."


def _project_words(chosen: str | None, me: Me) -> str:
    if chosen:
        return chosen
    if len(me.projects) == 1:
        return f"{me.projects[0].name}, the only one"
    return "none is chosen; %project NAME chooses one" if me.projects else "none yet"


command_line.synonyms = root.synonyms
