"""``mavis profile``: several logins beside each other."""

from __future__ import annotations

from dataclasses import dataclass

import click

from mavis_kernel import profile as files
from mavis_kernel import profiles
from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import common, every_command, examples, yes_option
from mavis_kernel.cli.output import put, say, show_document
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, table
from mavis_kernel.cli.times import relative
from mavis_kernel.errors import BadSettings

__all__ = ["profile"]

_LIST = examples(
    "mavis login --profile work --url https://mavis.example.org",
    "mavis --profile work run list",
    "mavis profile use work",
)


@dataclass(frozen=True)
class _Login:
    """A line of the list; nothing of it is a secret."""

    name: str
    in_use: bool
    url: str | None = None
    person: str | None = None
    project: str | None = None
    ends: str = ""


_COLUMNS: tuple[Column[_Login], ...] = (
    Column("NAME", lambda each: each.name),
    Column("IN USE", lambda each: "yes" if each.in_use else ""),
    Column("APPLIANCE", lambda each: each.url or "", shrinks=True),
    Column("PERSON", lambda each: each.person or ""),
    Column("PROJECT", lambda each: each.project or ""),
    Column("LOGIN", lambda each: each.ends),
)


@click.group(cls=Group)
def profile() -> None:
    """Several logins, each under a name."""


@profile.command("list", epilog=_LIST)
@common
@click.pass_obj
def list_(state: State) -> None:
    """List your logins; mavis login --profile NAME adds one."""
    found = [_login(name) for name in profiles.names()]
    if state.is_document:
        show_document(state, [vars(each) for each in found])
    elif state.output == "id":
        for each in found:
            put(each.name)
    elif not found:
        say("You have no login yet. Make one: mavis login --url https://...")
    else:
        for line in table(_COLUMNS, found):
            put(line)


@profile.command()
@click.argument("name", shell_complete=complete.profiles)
@every_command
def use(name: str) -> None:
    """Let NAME be the login of the calls that follow."""
    profiles.use(name)
    say(f"Calls use the login {name} now, where --profile or MAVIS_PROFILE does not say otherwise.")


@profile.command()
@click.argument("name", shell_complete=complete.profiles)
@yes_option
@every_command
def remove(name: str, yes: bool) -> None:
    """Forget the login NAME, with its address and certificate.

    Its token goes on until it ends: revoke it before with mavis logout --profile NAME.
    """
    known = profiles.names()
    if name in known:
        confirm_removal(f"the login {name}", yes=yes)
    profiles.forget(name)
    say(f"The login {name} is forgotten. Calls use the login {files.chosen()}.")


def _login(name: str) -> _Login:
    in_use = files.chosen() == name
    try:
        kept = files.load(files.credentials_path(profile=name))
    except BadSettings as exc:
        say(f"{exc.message} {exc.mend}")
        return _Login(name, in_use, ends="cannot be read")
    if kept.token is None:
        ends = "logged out"
    elif kept.has_ended:
        ends = "has ended"
    else:
        ends = f"ends {relative(kept.expires_at)}" if kept.expires_at else "does not end"
    return _Login(name, in_use, kept.url, kept.username, kept.project, ends)
