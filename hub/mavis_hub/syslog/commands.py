"""``mavisctl syslog``: who may send logs to this appliance, and whose log they go to."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import click

from mavis_core import clock, records
from mavis_core.config import Config
from mavis_core.db import open_database
from mavis_core.errors import Conflict, InvalidInput, Unavailable
from mavis_core.ids import new_id
from mavis_core.projects.model import Project
from mavis_hub.appliance import running_config
from mavis_hub.ownership import Owner, write_private
from mavis_hub.rebuilding import projects_of
from mavis_hub.syslog.authority import ensure_authority, fingerprint_of, issue, read_certificate
from mavis_hub.syslog.clients import Client, Clients, Local, check_name, read_clients, writing
from mavis_hub.tables import columns

__all__ = ["syslog"]

_DAYS = 397
_project = click.option("--project", required=True, help="The project whose log it writes to.")
_again = click.option("--again", is_flag=True, help="A further certificate of a known client.")


@click.group()
def syslog() -> None:
    """Say who may send logs to this appliance by syslog, and whose log they go to."""


@syslog.command("issue")
@click.argument("name")
@_project
@click.option("--days", type=click.IntRange(1, 3650), default=_DAYS, show_default=True)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write NAME.pem, NAME.key and ca.pem into this folder; else all three are printed.",
)
@_again
def syslog_issue(name: str, project: str, days: int, folder: Path | None, again: bool) -> None:
    """Make a client's certificate and key; the key is shown now and never again."""
    config = running_config()
    check_name(name)
    _folders_are_there(config)
    ensure_authority(config)
    paths = None if folder is None else _free_paths(folder, name)
    owner = _project_of(config, project)
    made = issue(config, name, owner.id, days)
    client = _client(name, owner, made.fingerprint, clock.iso(made.ends_at))
    _change(config, "syslog.issue", client, lambda held: held.add(client, again=again))
    if paths is None:
        click.echo(
            made.certificate + made.key + config.syslog_ca.read_text(encoding="ascii"), nl=False
        )
    else:
        certificate, key, authority = paths
        write_private(key, made.key, Owner())
        write_private(certificate, made.certificate, Owner(), 0o644)
        write_private(authority, config.syslog_ca.read_text(encoding="ascii"), Owner(), 0o644)
        click.echo(f"{certificate}\n{key}\n{authority}")
    _say(
        f"{name} writes to the log of {owner.name} until {client.ends_at}."
        " Its key is not kept here."
    )


@syslog.command("admit")
@click.argument("name")
@click.argument("certificate", type=click.Path(path_type=Path))
@_project
@_again
def syslog_admit(name: str, certificate: Path, project: str, again: bool) -> None:
    """Let a client in whose certificate another authority has signed (syslog.client_ca)."""
    config = running_config()
    check_name(name)
    _folders_are_there(config)
    if not config.syslog.client_ca:
        raise InvalidInput(
            "syslog.client_ca names no authority", mend="Set it to that authority's PEM file."
        )
    found = read_certificate(certificate)
    owner = _project_of(config, project)
    ends_at = clock.iso(found.not_valid_after_utc)
    client = _client(name, owner, fingerprint_of(found), ends_at)
    _change(config, "syslog.admit", client, lambda held: held.add(client, again=again))
    _say(f"{name} writes to the log of {owner.name} until {ends_at}.")


@syslog.command("revoke")
@click.argument("name")
@click.option("--fingerprint", help="Only the certificate whose fingerprint begins so.")
def syslog_revoke(name: str, fingerprint: str | None) -> None:
    """Take a client's certificates away; what it has open is closed within two seconds."""
    config = running_config()
    _folders_are_there(config)
    there = read_clients(config.syslog_clients).named(name)
    gone: list[Client] = []

    def revoke(held: Clients) -> Clients:
        left = held.revoke(name, fingerprint, clock.now())
        kept = {each.fingerprint for each in left.named(name)}
        gone.extend(each for each in held.named(name) if each.fingerprint not in kept)
        return left

    about = there[0] if there else Client(name, "", "", "", "", "")
    _change(config, "syslog.revoke", about, revoke)
    for each in gone:
        click.echo(each.fingerprint)


@syslog.command("list")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def syslog_list(output: str) -> None:
    """List the clients, with their projects and the state of their certificates."""
    held = read_clients(running_config().syslog_clients)
    now = clock.now()
    if output == "json":
        told = [asdict(each) | {"state": each.state(now)} for each in held.clients]
        click.echo(
            json.dumps({"clients": told, "local": held.local and asdict(held.local)}, indent=2)
        )
        return
    lines = [
        (each.name, each.project_name, each.state(now), each.ends_at[:10], each.fingerprint)
        for each in held.clients
    ]
    if held.local is not None:
        lines.append((held.local.name, held.local.project_name, "good", "-", "(Unix sockets)"))
    click.echo(columns(("CLIENT", "PROJECT", "STATE", "ENDS", "FINGERPRINT"), lines))


@syslog.command("local")
@click.option("--project", help="The project whose log programs of this machine write to.")
@click.option("--off", is_flag=True, help="Take the Unix sockets away.")
def syslog_local(project: str | None, off: bool) -> None:
    """Say whose log the Unix sockets belong to; without a project there are none."""
    if off == (project is not None):
        raise InvalidInput("Say either --project or --off")
    config = running_config()
    _folders_are_there(config)
    owner = None if project is None else _project_of(config, project)
    before = read_clients(config.syslog_clients).local
    local = None if owner is None else Local("local", owner.id, owner.name)
    about = local or before
    if about is None:
        _say("There are no Unix sockets.")
        return
    client = Client(about.name, about.project, about.project_name, "", "", "")
    words = None if local else _WORDS["syslog.local off"]
    _change(config, "syslog.local", client, lambda held: replace(held, local=local), words)
    if local is None:
        _say("The Unix sockets are gone within two seconds.")
        return
    click.echo(f"{config.syslog_run}/log\n{config.syslog_run}/log.stream")
    if not config.syslog.takes_local:
        _say("syslog.listen must be local or both: then they are there after the next start.")


@syslog.command("ca")
def syslog_ca() -> None:
    """Write the certificate of the authority that clients trust."""
    try:
        click.echo(running_config().syslog_ca.read_text(encoding="ascii"), nl=False)
    except OSError as exc:
        raise Unavailable(
            "There is no authority yet", mend="`mavisctl syslog issue` makes it."
        ) from exc


def _client(name: str, project: Project, fingerprint: str, ends_at: str) -> Client:
    return Client(name, project.id, project.name, fingerprint, ends_at, clock.iso(clock.now()))


def _change(
    config: Config,
    action: str,
    about: Client,
    work: Callable[[Clients], Clients],
    words: str | None = None,
) -> None:
    """Change the clients, with a record of it that is there before."""
    owner = Owner(group="mavis-syslog") if config.isolated else Owner()
    with writing(config.syslog_clients, owner) as held:
        changed = work(held[0])
        _record(config, action, about, words or _WORDS[action])
        held[0] = changed


_WORDS = {
    "syslog.issue": "got a certificate, and writes to",
    "syslog.admit": "was let in, and writes to",
    "syslog.revoke": "may not write any more to",
    "syslog.local": "has Unix sockets, and writes to",
    "syslog.local off": "has no Unix sockets any more, and does not write to",
}


def _record(config: Config, action: str, about: Client, words: str) -> None:
    with closing(open_database(config.database_url)) as database, database.write() as tx:
        records.write(
            tx,
            records.Record(
                kind=records.Kind.AUDIT,
                phase=records.Phase.EVENT,
                action=action,
                project=about.project or None,
                person=pwd.getpwuid(os.geteuid()).pw_name,
                object=about.name,
                outcome=records.Outcome.OK,
                summary=f"syslog:{about.name} {words} the log of {about.project_name}",
                correlation_id=new_id("cor"),
                source="mavisctl",
                data={"fingerprint": about.fingerprint, "ends_at": about.ends_at},
            ),
        )


def _folders_are_there(config: Config) -> None:
    if not config.syslog_folder.is_dir():
        raise Unavailable(
            f"There is no appliance of this release in {config.home} yet",
            mend="Start it once: `mavisctl up`.",
        )


def _free_paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    for path in (certificate, key):
        if path.exists():
            raise Conflict(f"{path} is there already", mend="Name another folder.")
    return certificate, key, folder / "ca.pem"


def _project_of(config: Config, name: str) -> Project:
    with closing(open_database(config.database_url)) as database:
        return projects_of(database, name)[0]


def _say(line: str) -> None:
    click.echo(line, err=True)
