"""``%restore``: what a restore would do, and the way to have it done."""

from __future__ import annotations

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.options import examples, in_project
from mavis_kernel.display.links import preview_page
from mavis_kernel.errors import BadSettings
from mavis_kernel.models import Preview, Restore, Run
from mavis_kernel.notebook.commands import cancel_option, wait_option
from mavis_kernel.notebook.following import follow, say_begun
from mavis_kernel.notebook.state import NotebookState

__all__ = ["restore"]


@click.command(
    epilog=examples(
        "%restore rp_01",
        "%restore rp_01 --name web-1-test --apply",
        "%restore rp_01 --in-place",
    )
)
@click.argument("point", shell_complete=complete.points)
@click.option(
    "--instance", "kind", flag_value="instance", default="instance", help="A new instance (usual)."
)
@click.option("--volumes", "kind", flag_value="volumes", help="New volumes only.")
@click.option(
    "--in-place", "kind", flag_value="in_place", help="The instance itself goes back; destroys."
)
@click.option("--environment", help="Use the copy in this environment.")
@click.option("--region", help="Use the copy in this region; not with --in-place.")
@click.option("--name", help="The new instance's name; else the old one with -restored.")
@click.option("--apply", "applies", is_flag=True, help="Do it, where nothing is lost.")
@wait_option
@cancel_option
@in_project
@click.pass_obj
def restore(
    state: NotebookState,
    /,
    point: str,
    kind: str,
    applies: bool,
    wait: bool,
    cancel_on_interrupt: bool,
    **given: str | None,
) -> Preview | Run | Restore:
    """Show what a restore of the recovery point POINT would do. Nothing is changed.

    A new instance or new volumes are made beside the old ones, with --apply at once. What puts an
    instance back in place is applied on the page whose address is shown, where the project's name
    is asked for.
    """
    preview = _preview(state, point, kind, {n: text for n, text in given.items() if text})
    client, project = state.client(), state.project
    page = preview_page(client.url, project, preview.id)
    if preview.confirm is not None and applies:
        raise BadSettings(
            f"{preview.action} {preview.severity}: it is not applied from a notebook.",
            mend=f"Read the plan, confirm it and have it done on its page: {page}",
        )
    if preview.confirm is not None:
        click.echo(f"Nothing was changed. Read the plan, then confirm it on its page:\n{page}")
        return preview
    if not applies:
        click.echo(f"Nothing was changed. To have it done, add --apply, or go to its page:\n{page}")
        return preview
    begun = client.previews.apply(project, preview)
    if not wait:
        say_begun(begun)
        return begun
    ended = follow(client, project, begun.id, cancel=cancel_on_interrupt)
    made = ended.result.get("restore")
    return client.restores.get(project, made) if isinstance(made, str) else ended


def _preview(state: NotebookState, point: str, kind: str, given: dict[str, str]) -> Preview:
    client, project = state.client(), state.project
    if kind == "in_place":
        return client.previews.create(project, "restore.in_place", point, given)
    return client.restores.preview(project, point, kind, given)
