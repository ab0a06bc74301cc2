"""``mavis logout`` and ``mavis whoami``."""

from __future__ import annotations

from dataclasses import replace

import click

from mavis_kernel import profile as profiles
from mavis_kernel.cli.options import common, every_command
from mavis_kernel.cli.output import say, show_one
from mavis_kernel.cli.state import State
from mavis_kernel.cli.times import both
from mavis_kernel.errors import ApiError, NotLoggedIn
from mavis_kernel.profile import Profile
from mavis_kernel.settings import Settings, Trust
from mavis_kernel.ssh_files import SshFiles

__all__ = ["logout", "whoami"]


@click.command()
@every_command
@click.pass_obj
def logout(state: State) -> None:
    """End the login, at the Hub too.

    A certificate of mavis ssh login is revoked with it. The address, the accepted certificate and
    the chosen project are kept for the next login.
    """
    profile = state.profile
    if profile.token is None:
        say("You are not logged in.")
        return
    _forget_certificate(state, profile)
    _revoke(profile)
    bare = replace(profile, token=None, expires_at=None)
    profiles.save(bare, profiles.credentials_path())
    say(f"Logged out of {profile.url}.")


def _forget_certificate(state: State, profile: Profile) -> None:
    files = SshFiles.of()
    held = files.held(profile.url)
    if held is None or profile.url is None:
        return
    if profile.token is None or profile.has_ended:
        files.remove()
        return
    from mavis_kernel.cli.ssh_certificates import forget_certificate  # noqa: PLC0415 - as below

    trust = Trust(profile.ca_file, profile.certificate)
    client = state.connect(Settings(profile.url, profile.token, trust))
    try:
        forget_certificate(client, files)
    except ApiError as exc:
        files.remove()
        say(f"The certificate for SSH could not be revoked and ends {both(held.ends)}: {exc}")


def _revoke(profile: Profile) -> None:
    if profile.url is None or profile.token is None or profile.has_ended:
        return
    from mavis_kernel import hub  # noqa: PLC0415 - brings httpx along, which whoami's help does not need

    try:
        hub.revoke(profile.url, Trust(profile.ca_file, profile.certificate), profile.token)
    except NotLoggedIn:
        return  # the Hub has ended it already
    except ApiError as exc:
        ends = (
            f"ends {both(profile.expires_at)}" if profile.expires_at else "does not end by itself"
        )
        say(f"The token could not be revoked and {ends}: {exc.detail}")
        say(f"End it on the token page of the Hub: {exc.mend}")


@click.command()
@common
@click.pass_obj
def whoami(state: State) -> None:
    """Show who you are and where."""
    client = state.client()
    settings = state.settings()
    me = client.me()
    ends = state.profile.expires_at if settings.token_source == "mavis login" else None  # noqa: S105 - names a source
    fields = [
        ("Person", me.name),
        ("Appliance", client.url),
        ("Login", f"{settings.token_source}, ends {both(ends)}" if ends else settings.token_source),
        ("Groups", ", ".join(me.groups)),
        ("Platform administrator", "yes" if me.platform_admin else ""),
        ("Scopes", ", ".join(me.scopes)),
        ("Projects", ", ".join(f"{each.name} ({each.role})" for each in me.projects) or "none"),
        ("Project chosen", state.profile.project or ""),
    ]
    show_one(state, me, fields, id_text=me.name)
