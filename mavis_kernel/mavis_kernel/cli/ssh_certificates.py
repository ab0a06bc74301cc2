"""``mavis ssh login | logout | certificate``: coming in with a certificate for some hours."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import common, every_command, examples, fields_option, yes_option
from mavis_kernel.cli.output import Empty, say, show_fields, show_list, show_one
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.errors import NotFound
from mavis_kernel.models import PersonCertificate
from mavis_kernel.ssh_files import Held, SshFiles

if TYPE_CHECKING:  # help needs no client
    from mavis_kernel.client import Mavis

__all__ = ["certificate", "forget_certificate", "get_certificate", "login", "logout"]

_COLUMNS: tuple[Column[PersonCertificate], ...] = (
    Column("ID", lambda each: each.id),
    Column("SERIAL", lambda each: str(each.serial)),
    Column("KEY", lambda each: each.fingerprint),
    Column("ISSUED", lambda each: relative(each.issued_at)),
    Column("ENDS", lambda each: relative(each.expires_at)),
    Column("USED", lambda each: relative(each.used_at)),
)


@click.command(epilog=examples("mavis ssh login", "mavis ssh login --hours 1"))
@click.option(
    "--hours", type=click.IntRange(1, 24), help="For how long; else eight, or what is allowed."
)
@click.option(
    "--if-needed", is_flag=True, help="Only where the certificate that is here is over, or soon."
)
@common
@click.pass_obj
def login(state: State, hours: int | None, if_needed: bool) -> None:
    """Get a certificate with which SSH clients come to devices, for some hours.

    The key pair is made on this machine, in ~/.config/mavis/ssh, and its private half stays there.
    """
    files = SshFiles.of()
    if if_needed:
        held = files.held(state.settings().url)
        if held is not None and not held.ends_soon:
            return
    client = state.client()
    held = get_certificate(client, files, hours=hours)
    made = client.person_certificates.get(held.id)
    if not state.is_table:
        _show(state, made)
    say(f"You have a certificate for SSH until {both(made.expires_at)}: {files.certificate}")


@click.command()
@click.option("--all", "every", is_flag=True, help="Every certificate of yours, on any machine.")
@every_command
@click.pass_obj
def logout(state: State, every: bool) -> None:
    """Revoke the certificate of `mavis ssh login`, and forget it and its key.

    Sessions that are open go on: end them with mavis session end.
    """
    files = SshFiles.of()
    client = state.client()
    held = files.held(client.url)
    ids = [held.id] if held is not None else []
    if every:
        ids = [each.id for each in client.person_certificates.list()]
    for each in ids:
        with contextlib.suppress(NotFound):  # it is over
            client.person_certificates.revoke(each)
    files.remove()
    what = "Your certificates let" if every else "Your certificate lets"
    say(f"{what} nobody in any more." if ids else "You have no certificate for SSH here.")


@click.group(cls=Group)
def certificate() -> None:
    """Your certificates, on any machine."""


@certificate.command("list")
@fields_option
@common
@click.pass_obj
def list_(state: State) -> None:
    """List your certificates that are good."""
    show_list(
        state,
        state.client().person_certificates.list(fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns="certificates",
        empty=Empty("You have no certificate for SSH. Get one: mavis ssh login"),
    )


@certificate.command()
@click.argument("certificate_id", metavar="ID")
@fields_option
@common
@click.pass_obj
def show(state: State, certificate_id: str) -> None:
    """Show your certificate ID."""
    certificates = state.client().person_certificates
    if state.fields:
        show_fields(state, certificates.get(certificate_id, fields=state.fields))
    else:
        _show(state, certificates.get(certificate_id))


@certificate.command()
@click.argument("certificate_id", metavar="ID")
@yes_option
@every_command
@click.pass_obj
def revoke(state: State, certificate_id: str, yes: bool) -> None:
    """Revoke your certificate ID; it lets nobody in any more."""
    client = state.client()
    confirm_removal(f"your certificate {certificate_id}", yes=yes, verb="Revoke", doing="Revoking")
    client.person_certificates.revoke(certificate_id)
    say(f"Your certificate {certificate_id} lets nobody in any more.")


def get_certificate(client: Mavis, files: SshFiles, *, hours: int | None = None) -> Held:
    """Return a new certificate, kept in `files` with the key of the door."""
    door, person = client.person_certificates.door(), client.me().name
    with files.alone():
        issued = client.person_certificates.issue(files.public_line(), hours=hours)
        files.pin(door.host_key)
        return files.keep(issued, client.url, person)


def forget_certificate(client: Mavis, files: SshFiles) -> None:
    """Revoke the certificate that lies in `files`, where there is one, and remove them."""
    held = files.held(client.url)
    if held is not None:
        with contextlib.suppress(NotFound):
            client.person_certificates.revoke(held.id)
    files.remove()


def _show(state: State, item: PersonCertificate) -> None:
    fields = [
        ("Id", item.id),
        ("Serial", str(item.serial)),
        ("Key", item.fingerprint),
        ("Issued", both(item.issued_at)),
        ("Ends", both(item.expires_at)),
        ("Used", both(item.used_at)),
    ]
    show_one(state, item, fields, id_text=item.id)
