"""``mavis ssh DEVICE`` and ``mavis ssh config``: OpenSSH's client, told where to go and as whom."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.options import every_command, examples, in_project
from mavis_kernel.cli.output import put_whole, say
from mavis_kernel.cli.ssh_certificates import get_certificate
from mavis_kernel.cli.state import State
from mavis_kernel.errors import BadSettings, NotFound
from mavis_kernel.models import SshDoor
from mavis_kernel.ssh_files import ALIAS, Held, SshFiles, program

if TYPE_CHECKING:  # help needs no client
    from mavis_kernel.client import Mavis

__all__ = ["config", "connect"]


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "mavis ssh web-1",
        "mavis ssh web-1 uptime",
        "mavis ssh -L 8080:localhost:80 web-1",
        "mavis ssh web-1:console",
    ),
)
@click.option("-t", "terminal", is_flag=True, help="Ask for a terminal for COMMAND, too.")
@click.option(
    "-L",
    "forwards",
    multiple=True,
    metavar="PORT:HOST:PORT",
    help="Forward a port to the device, where its policy allows that.",
)
@in_project
@every_command
@click.argument("device", shell_complete=complete.devices)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def connect(
    state: State,
    device: str,
    command: tuple[str, ...],
    terminal: bool,
    forwards: tuple[str, ...],
) -> None:
    """Connect to DEVICE, or DEVICE:WAY, with the ssh of this machine; run COMMAND there.

    Gets a certificate first where there is none (mavis ssh login). All that stands after DEVICE is
    the command; the exit status is ssh's.
    """
    ssh = program("ssh")
    project, client, files = state.project, state.client(), SshFiles.of()
    held = _good_certificate(client, files)
    door = client.person_certificates.door()
    files.pin(door.host_key)
    options = [word for each in _options(files, client, door) for word in ("-o", " ".join(each))]
    words = [
        "ssh",
        *options,
        "-o",
        f"User={held.person}:{project}/{device}",
        *(("-t",) if terminal else ()),
        *(word for each in forwards for word in ("-L", each)),
        "--",
        f"{device.partition(':')[0]}.{project}.mavis",
        *command,
    ]
    client.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(ssh, words)  # noqa: S606 - no shell is wanted


@click.command(
    epilog=examples(
        "mavis ssh config >> ~/.ssh/config",
        "ssh web-1.shop.mavis",
        "rsync -a site/ web-1.shop.mavis:site/",
    )
)
@in_project
@every_command
@click.pass_obj
def config(state: State) -> None:
    """Print a block for ~/.ssh/config, so that every SSH client knows the devices of a project.

    They are called DEVICE.PROJECT.mavis there. The certificate is renewed by itself for as long as
    your login is good; devices that are added later need the block anew.
    """
    project, client, files = state.project, state.client(), SshFiles.of()
    held = _good_certificate(client, files)
    door = client.person_certificates.door()
    files.pin(door.host_key)
    names = sorted(each.name for each in client.devices.list(project))
    every, profile = f"*.{project}.mavis", os.environ.get("MAVIS_PROFILE")
    renew = f"mavis ssh login --if-needed{f' --profile {profile}' if profile else ''}"
    lines = [
        f"# Devices of the project {project} at {client.url}, by `mavis ssh config`",
        f'Match originalhost {every} exec "{renew}"',
        f"Host {every}",
        *(f"  {name} {value}" for name, value in _options(files, client, door)),
        *(
            line
            for name in names
            for line in (f"Host {name}.{project}.mavis", f"  User {held.person}:{project}/{name}")
        ),
    ]
    put_whole("\n".join(lines) + "\n")
    if not names:
        say(f"The project {project} has no devices yet: mavis device add NAME ADDRESS")


def _good_certificate(client: Mavis, files: SshFiles) -> Held:
    """Return the certificate that is here; another one where it is over, or was revoked."""
    held = files.held(client.url)
    if held is not None and not held.ends_soon:
        try:
            client.person_certificates.get(held.id)
            return held
        except NotFound:
            pass
    return get_certificate(client, files)


def _options(files: SshFiles, client: Mavis, door: SshDoor) -> Sequence[tuple[str, str]]:
    host = door.host or urlsplit(client.url).hostname
    if not host:
        raise BadSettings(f"{client.url} names no host.")
    return (
        ("HostName", host),
        ("Port", str(door.port)),
        ("IdentityFile", _quoted(files.key)),
        ("CertificateFile", _quoted(files.certificate)),
        ("IdentitiesOnly", "yes"),
        ("PreferredAuthentications", "publickey"),
        ("HostKeyAlias", ALIAS),
        ("UserKnownHostsFile", _quoted(files.known_hosts)),
        ("GlobalKnownHostsFile", "/dev/null"),
        ("StrictHostKeyChecking", "yes"),
        ("UpdateHostKeys", "no"),
    )


def _quoted(path: Path) -> str:
    """Return a path as a file of settings of OpenSSH takes it."""
    return '"' + str(path).replace("%", "%%") + '"'
