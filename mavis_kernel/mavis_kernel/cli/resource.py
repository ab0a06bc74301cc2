"""``mavis resource``."""

from __future__ import annotations

import json

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.changes import change, go_on
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    dry_run_option,
    fields_option,
    in_project,
    limit_option,
    no_wait_option,
    sort_option,
    watch_option,
    yes_option,
)
from mavis_kernel.cli.output import Empty, after, show_one
from mavis_kernel.cli.pairs import pair
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.cli.watching import list_again, show_again
from mavis_kernel.models import Resource

__all__ = ["resource"]

_KINDS = ("instance", "volume", "volume_snapshot", "image", "network")
_COLUMNS: tuple[Column[Resource], ...] = (
    Column("NAME", lambda each: each.name or "-", shrinks=True),
    Column("KIND", lambda each: each.kind),
    Column("STATE", lambda each: "gone" if each.gone else each.state, is_state=True),
    Column("CLOUD ID", lambda each: each.cloud_id),
    Column("ENVIRONMENT", lambda each: each.environment),
    Column("REGION", lambda each: each.region),
    Column("SEEN", lambda each: relative(each.seen_at)),
)


@click.group(cls=Group)
def resource() -> None:
    """Machines, volumes and networks."""


@resource.command("list")
@click.option("--kind", type=click.Choice(_KINDS), help="Only this kind.")
@click.option(
    "--environment", shell_complete=complete.environments, help="Only in this environment."
)
@click.option("--region", help="Only in this region.")
@click.option("-q", "--query", help="Only with this in name, cloud id or tags.")
@click.option("--gone", is_flag=True, help="Those too that are gone in the cloud.")
@sort_option("name", "kind", "region", "state", "seen_at")
@limit_option(200)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(
    state: State,
    kind: str | None,
    environment: str | None,
    region: str | None,
    query: str | None,
    gone: bool,
    sort: str | None,
    limit: int,
) -> None:
    """List the resources that were discovered in the project."""
    project, resources = state.project, state.client().resources
    list_again(
        state,
        lambda: resources.list(
            project,
            kind=kind,
            environment=environment,
            region=region,
            query=query,
            gone=gone,
            sort=sort,
            limit=after(limit),
            fields=state.fields,
        ),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"resources in project {project}",
        empty=Empty(
            f"Nothing has been discovered in project {project} yet. Look:"
            f" mavis resource discover -p {project}",
            f"No resource of project {project} matches. Leave out a filter, or look again:"
            f" mavis resource discover -p {project}",
            is_filtered=any((kind, environment, region, query)),
        ),
        limit=limit,
    )


@resource.command()
@click.argument("name", shell_complete=complete.resources)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show the resource NAME: a name, a cloud id or an id."""
    project, resources = state.project, state.client().resources
    show_again(
        state,
        lambda: resources.get(project, name, fields=state.fields),
        lambda item: _show(state, item),
    )


def _show(state: State, item: Resource) -> None:
    fields = [
        ("Name", item.name),
        ("Kind", item.kind),
        ("State", "gone" if item.gone else item.state),
        ("Cloud id", item.cloud_id),
        ("Id", item.id),
        ("Environment", item.environment),
        ("Account", item.account or ""),
        ("Region", item.region),
        ("Seen", both(item.seen_at)),
        *((name, _detail(value)) for name, value in item.details.items()),
        *((f"tag {name}", value) for name, value in item.tags.items()),
    ]
    show_one(state, item, fields, id_text=item.id)


@resource.command()
@click.option(
    "--environment", shell_complete=complete.environments, help="Look in this environment only."
)
@no_wait_option
@in_project
@common
@click.pass_obj
def discover(state: State, environment: str | None, no_wait: bool) -> None:
    """Look for resources in the project's environments."""
    project = state.project
    go_on(state, project, state.client().environments.discover(project, environment), no_wait)


@resource.command()
@click.argument("name", shell_complete=complete.resources)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def start(state: State, name: str, dry_run: bool, yes: bool, no_wait: bool) -> None:
    """Start the instance NAME."""
    change(state, "resource.start", name, {}, dry_run=dry_run, yes=yes, no_wait=no_wait)


@resource.command()
@click.argument("name", shell_complete=complete.resources)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def stop(state: State, name: str, dry_run: bool, yes: bool, no_wait: bool) -> None:
    """Stop the instance NAME, after the project's name is typed."""
    change(state, "resource.stop", name, {}, dry_run=dry_run, yes=yes, no_wait=no_wait)


@resource.command()
@click.argument("name", shell_complete=complete.resources)
@click.argument("tags", type=pair, metavar="KEY=VALUE...", nargs=-1, required=True)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def tag(
    state: State,
    name: str,
    tags: tuple[tuple[str, str], ...],
    dry_run: bool,
    yes: bool,
    no_wait: bool,
) -> None:
    """Set TAGS (KEY=VALUE) on the resource NAME; other tags stay."""
    arguments = {"tags": dict(tags)}
    change(state, "resource.tag", name, arguments, dry_run=dry_run, yes=yes, no_wait=no_wait)


def _detail(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
