"""``%%ssh``: a cell run at devices, each line as it comes, with a result a device."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.options import in_project
from mavis_kernel.cli.tables import printable
from mavis_kernel.errors import BadSettings
from mavis_kernel.models import Device
from mavis_kernel.notebook.remote import HostResults, Line, run_on
from mavis_kernel.notebook.state import NotebookState

__all__ = ["ssh"]

_EXAMPLE = """\b
Examples:
  %%ssh web-1 web-2
  df -h /
\b
  %%ssh 'web-*' --at-a-time 3 --errors 1 -o upgraded
  sudo apt-get -y upgrade"""


@click.command(epilog=_EXAMPLE)
@click.argument("names", nargs=-1, required=True, shell_complete=complete.devices)
@click.option("--service", help="The way into each; else the only one, or ssh.")
@click.option(
    "--at-a-time", type=click.IntRange(1, 50), default=10, show_default=True, help="At once."
)
@click.option(
    "--errors", type=click.IntRange(1), help="After so many failures nothing more begins."
)
@click.option("--timeout", type=click.FloatRange(1), help="Seconds that a device may take.")
@click.option("-o", "--output", "name", metavar="NAME", help="Keep the results as this variable.")
@click.option("--dry-run", is_flag=True, help="Only show where it would run, and as whom.")
@in_project
@click.pass_obj
def ssh(
    state: NotebookState,
    names: tuple[str, ...],
    service: str | None,
    at_a_time: int,
    errors: int | None,
    timeout: float | None,
    name: str | None,
    dry_run: bool,
) -> HostResults | None:
    """Run the cell at devices: each NAME is one, or a pattern such as web-*.

    The cell is a command of each device's own shell. Every session is recorded. An interrupt hangs
    up everywhere. Returns a result a device, in the order of their names; with -o it is kept and
    not shown.
    """
    if name is not None and not name.isidentifier():
        raise BadSettings(f"{name!r} is no name of a variable.", mend="Use letters, as in -o done.")
    command = state.cell or ""
    if not command.strip() and not dry_run:
        raise BadSettings("The cell has no command.", mend="Write it below %%ssh: uptime")
    project, client = state.project, state.client()
    chosen = _chosen(names, list(client.devices.list(project)), project)
    if dry_run:
        for each in chosen:
            ways = list(client.devices.services(project, each.name))
            way = next((w for w in ways if w.name == (service or "ssh")), ways[0] if ways else None)
            how = f"as {way.login}, by {way.name}" if way else "no way leads in"
            click.echo(f"{each.name}  {each.address}  {how}")
        click.echo(f"{len(chosen)} device{'' if len(chosen) == 1 else 's'}; nothing was run.")
        return None
    width = max(len(each.name) for each in chosen)

    def show(line: Line) -> None:
        device, is_error, text = line
        mark = "!" if is_error else "|"
        click.echo(f"{device:<{width}} {mark} {printable(text)}")

    results = run_on(
        client,
        project,
        [each.name for each in chosen],
        command,
        service=service,
        at_a_time=at_a_time,
        errors=errors,
        timeout_s=timeout,
        on_line=show,
    )
    if name is None:
        return results
    state.session.put(name, results)
    bad = len(results.failed)
    click.echo(f"{name}: {len(results) - bad} ok, {bad} not")
    return None


def _chosen(names: Sequence[str], there: Sequence[Device], project: str) -> list[Device]:
    """Return the devices that are meant, each once; a name that means none is an error."""
    found: dict[str, Device] = {}
    for name in names:
        fitting = [each for each in there if fnmatchcase(each.name, name)]
        if not fitting:
            raise BadSettings(
                f"The project {project} has no device {name!r}.",
                mend="%mavis device list shows them. Nothing was run.",
            )
        found |= {each.name: each for each in fitting}
    return list(found.values())
