"""``mavis environment``."""

from __future__ import annotations

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    every_command,
    fields_option,
    in_project,
    watch_option,
    yes_option,
)
from mavis_kernel.cli.output import Empty, say, show_one
from mavis_kernel.cli.pairs import pair
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.cli.watching import list_again, show_again
from mavis_kernel.models import Environment

__all__ = ["environment"]

_COLUMNS: tuple[Column[Environment], ...] = (
    Column("NAME", lambda each: each.name),
    Column("KIT", lambda each: each.kit),
    Column("ACCOUNT", lambda each: each.account),
    Column("REGIONS", lambda each: " ".join(each.regions), shrinks=True),
    Column("KEY", lambda each: each.key or ""),
    Column("STATE", lambda each: each.state, is_state=True),
    Column("CHECKED", lambda each: relative(each.checked_at)),
)


@click.group(cls=Group)
def environment() -> None:
    """Cloud accounts of a project."""


@environment.command("list")
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(state: State) -> None:
    """List the environments of the project."""
    project, environments = state.project, state.client().environments
    list_again(
        state,
        lambda: environments.list(project, fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.name,
        nouns=f"environments in project {project}",
        empty=Empty(
            f"Project {project} has no environments yet. Connect a cloud account:"
            f" mavis environment add NAME --account NUMBER --region REGION -p {project}"
        ),
    )


@environment.command()
@click.argument("name", shell_complete=complete.environments)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show the environment NAME."""
    project, environments = state.project, state.client().environments
    show_again(
        state,
        lambda: environments.get(project, name, fields=state.fields),
        lambda item: _show(state, item),
    )


@environment.command()
@click.argument("name")
@click.option("--account", required=True, help="The account's number; no other is accepted.")
@click.option("--region", "regions", multiple=True, required=True, help="A region; repeatable.")
@click.option("--kit", default="aws", show_default=True, help="The expansion kit.")
@click.option(
    "--key",
    shell_complete=complete.keys,
    help="A key of the vault; else the appliance's own credentials.",
)
@click.option(
    "--option",
    "options",
    type=pair,
    metavar="NAME=VALUE",
    multiple=True,
    help="What the kit takes besides, as NAME=VALUE; for aws profile, role_arn, external_id.",
)
@in_project
@common
@click.pass_obj
def add(
    state: State,
    name: str,
    account: str,
    regions: tuple[str, ...],
    kit: str,
    key: str | None,
    options: tuple[tuple[str, str], ...],
) -> None:
    """Connect a cloud account to the project as NAME."""
    project = state.project
    made = state.client().environments.add(
        project, name, account=account, regions=regions, kit=kit, key=key, options=dict(options)
    )
    _show(state, made)
    say(f"Look for its resources next: mavis resource discover --environment {name} -p {project}")


@environment.command()
@click.argument("name", shell_complete=complete.environments)
@in_project
@yes_option
@every_command
@click.pass_obj
def remove(state: State, name: str, yes: bool) -> None:
    """Disconnect the environment NAME; nothing changes in the cloud."""
    project, client = state.project, state.client()
    confirm_removal(f"environment {name} from project {project}", yes=yes)
    client.environments.remove(project, name)
    say(f"Environment {name} is disconnected from project {project}.")


def _show(state: State, item: Environment) -> None:
    fields = [
        ("Name", item.name),
        ("Project", item.project),
        ("Id", item.id),
        ("Kit", item.kit),
        ("Account", item.account),
        ("Regions", " ".join(item.regions)),
        ("Key", item.key or "the appliance's own credentials"),
        *((name, str(value)) for name, value in item.options.items()),
        ("State", item.state),
        ("Checked", both(item.checked_at)),
        ("Error", item.error.message if item.error else ""),
        ("Mend", (item.error.mend or "") if item.error else ""),
        ("Created", both(item.created_at)),
        ("By", item.created_by or ""),
    ]
    show_one(state, item, fields, id_text=item.name)
