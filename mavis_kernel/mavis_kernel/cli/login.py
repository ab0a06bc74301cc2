"""``mavis login``; how that is done is in `logging_in`, which is loaded when it is."""

from __future__ import annotations

from typing import Any

import click

from mavis_kernel.cli.options import common
from mavis_kernel.cli.state import State

__all__ = ["login"]


@click.command()
@click.option("--url", envvar="MAVIS_URL", show_envvar=True, help="The appliance's address.")
@click.option(
    "--browser/--no-browser",
    default=None,
    help="Open a browser of this machine, or do not; else you are asked.",
)
@click.option("--password", is_flag=True, help="Type name and password here instead.")
@click.option("--username", help="Your name at the Hub, with a password.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@click.option("--token-stdin", is_flag=True, help="Read a Hub token from stdin.")
@click.option(
    "--ca-file",
    envvar="MAVIS_CA_FILE",
    show_envvar=True,
    help="Certificates to trust instead of the system's.",
)
@click.option("--fingerprint", help="Pin the certificate with this SHA-256 fingerprint.")
@common
@click.pass_obj
def login(state: State, /, **given: Any) -> None:
    """Log in to an appliance.

    You are shown an address and a code. Open the address in any browser, on this machine or on
    another, log in there as always, compare the code and allow the login; no password is typed
    here. For scripts, and where there is no browser, there are passwords and tokens.

    The login lasts twelve hours and is kept in a file that only you can read. A self-signed
    certificate is shown by its fingerprint; once you accept it, no other one is.
    """
    from mavis_kernel.cli.logging_in import log_in  # noqa: PLC0415 - brings httpx along

    log_in(state, **given)
