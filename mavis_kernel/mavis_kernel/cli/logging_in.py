"""What `mavis login` does: whom to trust, the login, and the file that keeps it."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace

import click

from mavis_kernel import certificates, hub
from mavis_kernel import profile as profiles
from mavis_kernel.cli.browser import by_browser
from mavis_kernel.cli.output import say, show_one
from mavis_kernel.cli.state import State, is_terminal
from mavis_kernel.cli.times import both
from mavis_kernel.client import Mavis
from mavis_kernel.errors import BadSettings, CertificateNotTrusted, ConfirmationNeeded
from mavis_kernel.masking import Secret
from mavis_kernel.models import Me
from mavis_kernel.profile import Profile
from mavis_kernel.settings import Settings, Trust, existing_ca_file, is_private, normal_url

__all__ = ["log_in"]


def log_in(
    state: State,
    *,
    url: str | None,
    browser: bool | None,
    password: bool,
    username: str | None,
    password_stdin: bool,
    token_stdin: bool,
    ca_file: str | None,
    fingerprint: str | None,
) -> None:
    """Log in as the options of the command say, and keep the login."""
    way = _way(password or bool(username), password_stdin, token_stdin)
    path = profiles.credentials_path()
    kept = _kept_profile()
    address = normal_url(url or kept.url or _asked("Address of the appliance", "--url"))
    _refuse_plain(address)
    kept = kept if kept.url == address else Profile(project=None)
    trust = _trust(address, kept, ca_file, fingerprint)
    if way == "token":
        made = hub.identify(address, trust, Secret(_line_of_stdin("token")))
    elif way == "password":
        made = _by_password(address, trust, username or kept.username, password_stdin)
    else:
        made = by_browser(address, trust, opens=browser)
    with Mavis(settings=Settings(address, made.token, trust)) as client:
        me = client.me()
    new = replace(
        kept,
        url=address,
        username=me.name,
        token=made.token,
        expires_at=made.expires_at,
        certificate=trust.pinned_certificate,
        ca_file=trust.ca_file,
    )
    profiles.save(new, path)
    if kept.username not in (None, me.name):
        say(f"Before, you were {kept.username} there.")
    _welcome(state, me, new)


def _way(password: bool, password_stdin: bool, token_stdin: bool) -> str:
    """Return how to log in: with a ``browser``, ``password`` or ``token``."""
    if token_stdin and (password or password_stdin):
        raise click.UsageError("--token-stdin excludes names and passwords.")
    if token_stdin:
        return "token"
    if password or password_stdin:
        return "password"
    if not is_terminal():
        raise click.UsageError(
            "There is no terminal: log in with --password-stdin or --token-stdin."
        )
    return "browser"


def _kept_profile() -> Profile:
    try:
        return profiles.load(profiles.credentials_path())
    except BadSettings as exc:
        say(f"{exc.message} This login replaces it.")
        return Profile()


def _refuse_plain(address: str) -> None:
    if not is_private(address):
        raise BadSettings(
            f"{address} is not encrypted: everybody on the way could read the login.",
            mend="Use the https address of the appliance.",
        )


def _by_password(
    address: str, trust: Trust, username: str | None, password_stdin: bool
) -> hub.Login:
    if password_stdin:
        name = username or getpass.getuser()
        return hub.log_in(address, trust, name, Secret(_line_of_stdin("password")))
    name = _asked("User name", "--username", default=username or getpass.getuser())
    password = _asked("Password", "--password-stdin or --token-stdin", hidden=True)
    return hub.log_in(address, trust, name, Secret(password))


def _asked(what: str, option: str, *, default: str | None = None, hidden: bool = False) -> str:
    if not is_terminal():
        raise click.UsageError(f"{what} is missing and there is no terminal to ask on: {option}.")
    text: str = click.prompt(what, default=default, hide_input=hidden, err=True)
    return text


def _line_of_stdin(what: str) -> str:
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise click.UsageError(f"stdin holds no {what}.")
    return text


def _trust(address: str, kept: Profile, ca_file: str | None, fingerprint: str | None) -> Trust:
    """Return whom to trust at `address`, after asking the person where nobody vouches for it."""
    if fingerprint:
        return _pinned(address, fingerprint)
    if ca_file:
        return Trust(ca_file=existing_ca_file(ca_file))
    trust = Trust(kept.ca_file, kept.certificate)
    try:
        _ask_health(address, trust)
    except CertificateNotTrusted:
        trust = _accepted(address, changed=kept.certificate is not None)
        _ask_health(address, trust)
    return trust


def _ask_health(address: str, trust: Trust) -> None:
    with Mavis(settings=Settings(address, None, trust)) as client:
        client.health()


def _pinned(address: str, expected: str) -> Trust:
    if not address.startswith("https:"):
        raise BadSettings(f"{address} has no certificate to pin.", mend="Leave out --fingerprint.")
    certificate = certificates.fetch(address)
    shown = certificates.fingerprint(certificate)
    if not certificates.same_fingerprint(expected, shown):
        raise CertificateNotTrusted(
            f"{address} shows a certificate with the fingerprint {shown}, not {expected}.",
            mend="Compare with what `mavisctl status` says on the appliance itself."
            " Somebody may stand in between.",
        )
    return Trust(pinned_certificate=certificate)


def _accepted(address: str, *, changed: bool) -> Trust:
    certificate = certificates.fetch(address)
    shown = certificates.fingerprint(certificate)
    if changed:
        say("The appliance's certificate is ANOTHER ONE than at your last login.")
    say(f"No authority vouches for the certificate of {address}. Its SHA-256 fingerprint:")
    say(f"  {shown}")
    if not is_terminal():
        raise ConfirmationNeeded(
            "The certificate was not confirmed: there is no terminal to ask on.",
            mend="Compare the fingerprint with the appliance's own, then log in with"
            " --fingerprint; or name an authority with --ca-file.",
        )
    if not click.confirm("Is this the appliance's own fingerprint?", default=False, err=True):
        raise ConfirmationNeeded(
            "The certificate was not confirmed; you are not logged in.",
            mend="Ask the administrator for the fingerprint.",
        )
    return Trust(pinned_certificate=certificate)


def _welcome(state: State, me: Me, new: Profile) -> None:
    if not state.is_table:
        show_one(state, me, (), id_text=me.name)
    until = f" until {both(new.expires_at)}" if new.expires_at else ""
    say(f"Logged in to {new.url} as {me.name}{until}.")
    if os.environ.get("MAVIS_TOKEN"):
        say("MAVIS_TOKEN is set and goes before this login: unset it to use the login.")
    if os.environ.get("MAVIS_PROFILE"):
        say(f"Let calls without --profile use it, too: mavis profile use {profiles.chosen()}")
    if not new.project:
        say("Choose a project: mavis project list; mavis project use NAME.")
