"""``mavis key``. A secret is typed, or read from stdin or the environment; never an argument."""

from __future__ import annotations

import json
import os
import sys

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import common, every_command, fields_option, yes_option
from mavis_kernel.cli.output import Empty, say, show_fields, show_list, show_one
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State, is_terminal
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.models import Key

__all__ = ["key"]

_COLUMNS: tuple[Column[Key], ...] = (
    Column("NAME", lambda each: each.name),
    Column("KIND", lambda each: each.kind),
    Column("HOLDS", lambda each: " ".join(each.fields)),
    Column("CREATED", lambda each: relative(each.created_at)),
    Column("BY", lambda each: each.created_by or ""),
)
_NEEDED = ("access_key_id", "secret_access_key")
_PARTS = (*_NEEDED, "session_token")


@click.group(cls=Group)
def key() -> None:
    """Credentials in the vault."""


@key.command("list")
@fields_option
@common
@click.pass_obj
def list_(state: State) -> None:
    """List the keys, without their values; for platform administrators."""
    show_list(
        state,
        state.client().keys.list(fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.name,
        nouns="keys",
        empty=Empty("The vault holds no keys yet. Store one: mavis key add NAME"),
    )


@key.command()
@click.argument("name", shell_complete=complete.keys)
@fields_option
@common
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show the key NAME, without its value; for platform administrators."""
    keys = state.client().keys
    if state.fields:
        show_fields(state, keys.get(name, fields=state.fields))
    else:
        _show(state, keys.get(name))


@key.command()
@click.argument("name")
@click.option("--kind", default="aws", show_default=True, help="What the key is for.")
@click.option("--from-env", is_flag=True, help="Take AWS_ACCESS_KEY_ID and its companions.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read a JSON object from stdin.")
@common
@click.pass_obj
def add(state: State, name: str, kind: str, from_env: bool, from_stdin: bool) -> None:
    """Seal a key in the vault as NAME.

    The value is asked for, or taken with --from-env or --stdin: an object with access_key_id,
    secret_access_key and, for a key that ends, session_token.
    """
    if from_env and from_stdin:
        raise click.UsageError("--from-env and --stdin exclude each other.")
    client = state.client()
    if from_env:
        value = _from_environment()
    elif from_stdin:
        value = _from_stdin()
    else:
        value = _asked()
    _show(state, client.keys.add(name, value, kind=kind))


@key.command()
@click.argument("name", shell_complete=complete.keys)
@yes_option
@every_command
@click.pass_obj
def remove(state: State, name: str, yes: bool) -> None:
    """Remove the key NAME from the vault."""
    client = state.client()
    confirm_removal(f"key {name} from the vault", yes=yes)
    client.keys.remove(name)
    say(f"Key {name} is gone from the vault. Revoke it at the cloud too.")


def _show(state: State, item: Key) -> None:
    fields = [
        ("Name", item.name),
        ("Kind", item.kind),
        ("Id", item.id),
        ("Holds", " ".join(item.fields)),
        ("Created", both(item.created_at)),
        ("By", item.created_by),
    ]
    show_one(state, item, fields, id_text=item.name)


def _from_environment() -> dict[str, str]:
    found = {part: os.environ.get(f"AWS_{part.upper()}", "") for part in _PARTS}
    missing = [f"AWS_{part.upper()}" for part in _NEEDED if not found[part]]
    if missing:
        raise click.UsageError(f"Not set in the environment: {', '.join(missing)}.")
    return {part: text for part, text in found.items() if text}


def _from_stdin() -> dict[str, str]:
    try:
        value = json.loads(sys.stdin.read())
    except ValueError:
        # From None: the decoder's error carries the text, and the text is a secret.
        raise click.UsageError("stdin holds no JSON.") from None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise click.UsageError("stdin holds no JSON object with texts.")
    return value


def _asked() -> dict[str, str]:
    if not is_terminal():
        raise click.UsageError("There is no terminal to ask on: use --from-env or --stdin.")
    value = {
        "access_key_id": click.prompt("Access key id", err=True),
        "secret_access_key": click.prompt("Secret access key", hide_input=True, err=True),
    }
    token = click.prompt(
        "Session token, or nothing",
        hide_input=True,
        default="",
        show_default=False,
        err=True,
    )
    return value | ({"session_token": token} if token else {})
