"""``mavis ssh``: to devices with an SSH client, by certificate or by a key of your own."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import common, every_command, examples, fields_option, yes_option
from mavis_kernel.cli.output import Empty, say, show_fields, show_list, show_one
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.ssh_certificates import certificate, login, logout
from mavis_kernel.cli.ssh_client import config, connect
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.models import PersonKey

__all__ = ["ssh"]

_COLUMNS: tuple[Column[PersonKey], ...] = (
    Column("NAME", lambda each: each.name),
    Column("ALGORITHM", lambda each: each.algorithm),
    Column("FINGERPRINT", lambda each: each.fingerprint),
    Column("ADDED", lambda each: relative(each.created_at)),
    Column("USED", lambda each: relative(each.used_at)),
)


class _Ssh(Group):
    """A group that takes what is none of its commands for a device: ``mavis ssh web-1``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [connect.name or "", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = complete.devices(ctx, ctx.command.params[0], incomplete)
        return [*super().shell_complete(ctx, incomplete), *names]


@click.group(cls=_Ssh, epilog=examples("mavis ssh web-1", "mavis ssh web-1 uptime"))
def ssh() -> None:
    """Come to devices with an SSH client of your own.

    mavis ssh DEVICE does it all; the other commands are its parts. A device that is called like one
    of them is reached by mavis ssh connect DEVICE.
    """


for each in (connect, login, logout, config, certificate):
    ssh.add_command(each)


@ssh.group(cls=Group)
def key() -> None:
    """Your public keys."""


@key.command("list")
@fields_option
@common
@click.pass_obj
def list_(state: State) -> None:
    """List your public keys."""
    show_list(
        state,
        state.client().person_keys.list(fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.name,
        nouns="public keys",
        empty=Empty("You have no public keys yet. Add one: mavis ssh key add NAME FILE.pub"),
    )


@key.command()
@click.argument("name")
@fields_option
@common
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show your public key NAME."""
    keys = state.client().person_keys
    if state.fields:
        show_fields(state, keys.get(name, fields=state.fields))
    else:
        _show(state, keys.get(name))


@key.command(epilog=examples("mavis ssh key add laptop ~/.ssh/id_ed25519.pub"))
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common
@click.pass_obj
def add(state: State, name: str, file: Path) -> None:
    """Add the public key in FILE as NAME. Its private half never leaves your machine."""
    try:
        public = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"{file} cannot be read as text.") from exc
    if "PRIVATE KEY" in public:
        raise click.UsageError(f"{file} is a private key. Give the file that ends in .pub.")
    _show(state, state.client().person_keys.add(name, public.strip()))


@key.command()
@click.argument("name")
@yes_option
@every_command
@click.pass_obj
def remove(state: State, name: str, yes: bool) -> None:
    """Forget your public key NAME; it lets nobody in any more."""
    client = state.client()
    confirm_removal(f"your public key {name}", yes=yes)
    client.person_keys.remove(name)
    say(f"Your key {name} lets nobody in any more.")


def _show(state: State, item: PersonKey) -> None:
    fields = [
        ("Name", item.name),
        ("Algorithm", item.algorithm),
        ("Fingerprint", item.fingerprint),
        ("Added", both(item.created_at)),
        ("Used", both(item.used_at)),
    ]
    show_one(state, item, fields, id_text=item.name)
