"""``mavis device``: what there is to connect to, and how."""

from __future__ import annotations

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
    yes_option,
)
from mavis_kernel.cli.output import Empty, say, show_fields, show_list, show_one
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.models import AccessService, Device, HostKey

__all__ = ["device"]

_COLUMNS: tuple[Column[Device], ...] = (
    Column("NAME", lambda each: each.name),
    Column("ADDRESS", lambda each: each.address),
    Column("TITLE", lambda each: each.title, shrinks=True),
    Column("ADDED", lambda each: relative(each.created_at)),
    Column("BY", lambda each: each.created_by),
)


def _allowed(item: AccessService) -> str:
    policy = item.policy
    words = [
        "shell" if policy.shell else "",
        "commands" if policy.commands else "",
        "" if policy.transfers == "none" else f"transfers ({policy.transfers})",
        "forwarding" if policy.forwarding else "",
        *policy.algorithms,
    ]
    return ", ".join(filter(None, words)) or "nothing"


_WAYS: tuple[Column[AccessService], ...] = (
    Column("NAME", lambda each: each.name),
    Column("PROTOCOL", lambda each: each.protocol),
    Column("PORT", lambda each: str(each.port)),
    Column("LOGIN", lambda each: each.login),
    Column("KEY", lambda each: each.key or "certificate"),
    Column("ALLOWS", _allowed, shrinks=True),
)
_HOST_KEYS: tuple[Column[HostKey], ...] = (
    Column("FINGERPRINT", lambda each: each.fingerprint),
    Column("ALGORITHM", lambda each: each.algorithm),
    Column("STATE", lambda each: each.state, is_state=True),
    Column("SEEN", lambda each: relative(each.seen_at)),
    Column("DECIDED BY", lambda each: each.decided_by or ""),
)
_service_option = click.option(
    "--service", default="ssh", show_default=True, help="The way into the device, by name."
)


@click.group(cls=Group)
def device() -> None:
    """Machines and network devices to connect to."""


@device.command("list")
@fields_option
@in_project
@common
@click.pass_obj
def list_(state: State) -> None:
    """List the devices of the project."""
    show_list(
        state,
        state.client().devices.list(state.project, fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.name,
        nouns=f"devices in project {state.project}",
        empty=Empty(
            f"Project {state.project} has no devices yet. Add one:"
            f" mavis device add NAME ADDRESS -p {state.project}"
        ),
    )


@device.command()
@click.argument("name", shell_complete=complete.devices)
@fields_option
@in_project
@common
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show the device NAME."""
    devices = state.client().devices
    if state.fields:
        show_fields(state, devices.get(state.project, name, fields=state.fields))
    else:
        _show(state, devices.get(state.project, name))


@device.command(epilog=examples("mavis device add web-1 10.0.3.17 --title 'Web server'"))
@click.argument("name")
@click.argument("address")
@click.option("--title", default="", help="A line for people.")
@click.option("--resource", help="Id of the resource that it is.")
@in_project
@common
@click.pass_obj
def add(state: State, name: str, address: str, title: str, resource: str | None) -> None:
    """Add the device NAME, which the appliance reaches at ADDRESS.

    For platform administrators. Nothing is connected to yet.
    """
    made = state.client().devices.add(state.project, name, address, title=title, resource=resource)
    _show(state, made)
    say(f"Say how it is reached next: mavis device allow {name} --login NAME --key KEY")


@device.command()
@click.argument("name", shell_complete=complete.devices)
@in_project
@yes_option
@every_command
@click.pass_obj
def remove(state: State, name: str, yes: bool) -> None:
    """Forget the device NAME. Its sessions end; their recordings stay."""
    client = state.client()
    confirm_removal(f"device {name} from project {state.project}", yes=yes)
    client.devices.remove(state.project, name)
    say(f"Device {name} is gone from project {state.project}.")


@device.command()
@click.argument("name", shell_complete=complete.devices)
@fields_option
@in_project
@common
@click.pass_obj
def ways(state: State, name: str) -> None:
    """List the ways into the device NAME."""
    show_list(
        state,
        state.client().devices.services(state.project, name, fields=state.fields),
        _WAYS,
        id_of=lambda each: each.name,
        nouns=f"ways into {name}",
        empty=Empty(f"No way leads into {name}. Add one: mavis device allow {name} --login NAME"),
    )


@device.command(
    epilog=examples(
        "mavis device allow web-1 --login admin --key web",
        "mavis device allow old-switch --login admin --key switches"
        " --algorithm diffie-hellman-group14-sha1 --algorithm ssh-rsa",
    )
)
@click.argument("name", shell_complete=complete.devices)
@click.option("--login", required=True, help="Whom the device knows the session as.")
@click.option(
    "--key",
    shell_complete=complete.keys,
    help="A key of the vault; none: certificates of the appliance's authority.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=22, show_default=True)
@_service_option
@click.option("--no-shell", is_flag=True, help="Allow no terminal.")
@click.option("--no-commands", is_flag=True, help="Allow no single commands.")
@click.option(
    "--transfers",
    type=click.Choice(["none", "download", "upload", "both"]),
    default="both",
    show_default=True,
    help="In which directions files may go.",
)
@click.option("--path", "paths", multiple=True, help="Only files below this folder; repeatable.")
@click.option("--forwarding", is_flag=True, help="Allow ports of the device to be reached.")
@click.option("--record-input", is_flag=True, help="Record what people type, too.")
@click.option("--idle-s", type=click.IntRange(60, 86400), help="Seconds without typing.")
@click.option("--longest-s", type=click.IntRange(60, 604800), help="Seconds of a session.")
@click.option("--sessions", type=click.IntRange(1, 1000), help="Sessions at a time.")
@click.option(
    "--algorithm", "algorithms", multiple=True, help="Allow this old algorithm; repeatable."
)
@in_project
@common
@click.pass_obj
def allow(
    state: State,
    name: str,
    login: str,
    key: str | None,
    port: int,
    service: str,
    no_shell: bool,
    no_commands: bool,
    transfers: str,
    paths: tuple[str, ...],
    forwarding: bool,
    record_input: bool,
    idle_s: int | None,
    longest_s: int | None,
    sessions: int | None,
    algorithms: tuple[str, ...],
) -> None:
    """Add a way into the device NAME by SSH, and say what may be done by it.

    For platform administrators. Every session by it is recorded.
    """
    said = {"idle_s": idle_s, "longest_s": longest_s, "sessions": sessions}
    policy: dict[str, Any] = {
        "shell": not no_shell,
        "commands": not no_commands,
        "transfers": transfers,
        "paths": list(paths),
        "forwarding": forwarding,
        "record_input": record_input,
        "algorithms": list(algorithms),
        **{option: value for option, value in said.items() if value is not None},
    }
    made = state.client().devices.allow(
        state.project, name, login, service=service, port=port, key=key, policy=policy
    )
    _show_way(state, name, made)
    say(f"Connect: mavis ssh {name} -p {state.project}")


@device.command()
@click.argument("name", shell_complete=complete.devices)
@_service_option
@in_project
@yes_option
@every_command
@click.pass_obj
def forbid(state: State, name: str, service: str, yes: bool) -> None:
    """Forget a way into the device NAME. Its sessions end; their recordings stay."""
    client = state.client()
    confirm_removal(f"the way {service} into device {name}", yes=yes)
    client.devices.forbid(state.project, name, service)
    say(f"The way {service} leads into {name} no more.")


@device.command("host-keys")
@click.argument("name", shell_complete=complete.devices)
@_service_option
@fields_option
@in_project
@common
@click.pass_obj
def host_keys(state: State, name: str, service: str) -> None:
    """List the host keys that the device NAME has shown."""
    show_list(
        state,
        state.client().devices.host_keys(state.project, name, service, fields=state.fields),
        _HOST_KEYS,
        id_of=lambda each: each.fingerprint,
        nouns=f"host keys of {name}",
        empty=Empty(f"{name} has shown none yet. Try to connect once: mavis ssh {name}"),
    )


@device.command()
@click.argument("name", shell_complete=complete.devices)
@click.argument("fingerprint")
@_service_option
@in_project
@common
@click.pass_obj
def approve(state: State, name: str, fingerprint: str, service: str) -> None:
    """Trust the host key with FINGERPRINT, which the device NAME has shown.

    Compare it before with what the device says of itself, by another way than this one:
    `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` at its console. An earlier key of the same
    algorithm is trusted no more.
    """
    approved = state.client().devices.approve(state.project, name, service, fingerprint)
    fields = [
        ("Fingerprint", approved.fingerprint),
        ("Algorithm", approved.algorithm),
        ("State", approved.state),
        ("Seen", both(approved.seen_at)),
    ]
    show_one(state, approved, fields, id_text=approved.fingerprint)


def _show(state: State, item: Device) -> None:
    fields = [
        ("Name", item.name),
        ("Title", item.title),
        ("Project", item.project),
        ("Id", item.id),
        ("Address", item.address),
        ("Resource", item.resource_id or ""),
        ("Added", both(item.created_at)),
        ("By", item.created_by),
    ]
    show_one(state, item, fields, id_text=item.name)


def _show_way(state: State, name: str, item: AccessService) -> None:
    fields = [
        ("Device", name),
        ("Name", item.name),
        ("Protocol", item.protocol),
        ("Port", str(item.port)),
        ("Login", item.login),
        ("Key", item.key or "a certificate of the appliance's authority"),
        ("Allows", _allowed(item)),
        ("Added", both(item.created_at)),
        ("By", item.created_by),
    ]
    show_one(state, item, fields, id_text=item.name)
