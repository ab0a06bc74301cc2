"""``mavis dashboard``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    every_command,
    examples,
    fields_option,
    in_project,
    watch_option,
    yes_option,
)
from mavis_kernel.cli.output import Empty, say, show_one
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.cli.watching import list_again, show_again
from mavis_kernel.models import Dashboard, DashboardVersion

__all__ = ["dashboard"]

_COLUMNS: tuple[Column[Dashboard], ...] = (
    Column("NAME", lambda each: each.name),
    Column("TITLE", lambda each: each.title, shrinks=True),
    Column("VERSION", lambda each: "" if each.version is None else str(each.version), right=True),
    Column("CHANGED", lambda each: relative(each.changed_at)),
    Column("BY", lambda each: each.changed_by),
)
_VERSIONS: tuple[Column[DashboardVersion], ...] = (
    Column("VERSION", lambda each: str(each.number), right=True),
    Column("SHOWN", lambda each: "yes" if each.current else ""),
    Column("PUBLISHED", lambda each: relative(each.published_at)),
    Column("BY", lambda each: each.published_by),
    Column("SHA-256", lambda each: each.hash[:12]),
    Column("NOTE", lambda each: each.note, shrinks=True),
)
_PUBLISH = examples(
    "mavis dashboard publish machines.ipynb --title 'Our machines'",
    "mavis dashboard publish machines.ipynb --name fleet --note 'with the new region'",
    "mavis dashboard publish --shipped protection",
)
_name = click.argument("name", shell_complete=complete.dashboards)


@click.group(cls=Group)
def dashboard() -> None:
    """Notebooks that are published as pages of a project."""


@dashboard.command("list")
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(state: State) -> None:
    """List the dashboards of the project."""
    project, dashboards = state.project, state.client().dashboards
    list_again(
        state,
        lambda: dashboards.list(project, fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.name,
        nouns=f"dashboards in project {project}",
        empty=Empty(
            f"Project {project} has no dashboards yet. Publish one that comes with Mavis:"
            f" mavis dashboard publish --shipped status -p {project}"
        ),
    )


@dashboard.command()
@_name
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show the dashboard NAME, with its address."""
    project, dashboards = state.project, state.client().dashboards
    show_again(
        state,
        lambda: dashboards.get(project, name, fields=state.fields),
        lambda item: _show(state, item),
    )


@dashboard.command(epilog=_PUBLISH)
@click.argument("file", required=False)
@click.option(
    "--shipped", help="Publish one that comes with Mavis: status, protection, runs or records."
)
@click.option("--name", help="What it is called; else as the file or the shipped one.")
@click.option("--title", default="", help="What people read; else as before.")
@click.option("--description", default="", help="What it shows, in a sentence; else as before.")
@click.option("--note", default="", help="What is new in this version.")
@in_project
@common
@click.pass_obj
def publish(
    state: State,
    file: str | None,
    shipped: str | None,
    name: str | None,
    title: str,
    description: str,
    note: str,
) -> None:
    """Publish the notebook FILE as a new version of a dashboard.

    Everybody with a role in the project may open it. Its code reads the project as a viewer does,
    and changes nothing; its outputs stay here.
    """
    if (file is None) == (shipped is None):
        raise click.UsageError("Say what to publish: either a FILE or --shipped NAME.")
    project = state.project
    made = state.client().dashboards.publish(
        project,
        name or _name_of(file or shipped or ""),
        None if file is None else _read(file),
        shipped=shipped,
        title=title,
        description=description,
        note=note,
    )
    _show(state, made)
    say(f"Who may see the project may open it: mavis project members -p {project}")


@dashboard.command()
@_name
@fields_option
@in_project
@common
@click.pass_obj
def versions(state: State, name: str) -> None:
    """List what was published as NAME, the newest first."""
    project, dashboards = state.project, state.client().dashboards
    list_again(
        state,
        lambda: dashboards.versions(project, name, fields=state.fields),
        _VERSIONS,
        id_of=lambda each: str(each.number),
        nouns=f"versions of the dashboard {name}",
        empty=Empty(f"The dashboard {name} has no versions."),
    )


@dashboard.command()
@_name
@click.argument("version", type=int)
@in_project
@every_command
@click.pass_obj
def notebook(state: State, name: str, version: int) -> None:
    """Print the notebook that was published as VERSION of NAME, without outputs."""
    found = state.client().dashboards.version(state.project, name, version)
    click.echo(json.dumps(found.notebook, indent=1, ensure_ascii=False))


@dashboard.command()
@_name
@click.argument("version", type=int)
@in_project
@common
@click.pass_obj
def activate(state: State, name: str, version: int) -> None:
    """Show VERSION of NAME to viewers from now on: go back, or forth."""
    made = state.client().dashboards.activate(state.project, name, version)
    _show(state, made)
    say("Pages that are open show what they show; who opens one sees this version.")


@dashboard.command()
@_name
@yes_option
@in_project
@every_command
@click.pass_obj
def unpublish(state: State, name: str, yes: bool) -> None:
    """Show the dashboard NAME to nobody any more; open pages end, its versions stay."""
    project, client = state.project, state.client()
    confirm_removal(f"dashboard {name} from the viewers of project {project}", yes=yes)
    client.dashboards.unpublish(project, name)
    say(f"The dashboard {name} is not shown any more.")
    say(f"Show it again: mavis dashboard activate {name} VERSION -p {project}")


def _name_of(file: str) -> str:
    return Path(file).stem.lower().replace("_", "-").replace(" ", "-")


def _read(file: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as exc:
        raise click.UsageError(f"{file} cannot be read: {exc.strerror}.") from exc
    except (ValueError, RecursionError) as exc:
        raise click.UsageError(f"{file} is no notebook: {exc}.") from exc
    if not isinstance(found, dict):
        raise click.UsageError(f"{file} is no notebook.")
    return found


def _show(state: State, item: Dashboard) -> None:
    address = f"{state.client().url}/dashboards/{item.project}/{item.name}/"
    fields = [
        ("Name", item.name),
        ("Project", item.project),
        ("Title", item.title),
        ("Description", item.description),
        ("Address", address if item.version is not None else "not published now"),
        ("Version", "" if item.version is None else str(item.version)),
        ("Changed", both(item.changed_at)),
        ("By", item.changed_by),
        ("Id", item.id),
    ]
    show_one(state, item, fields, id_text=item.name)
