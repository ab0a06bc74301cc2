"""``mavis key``. A secret is typed, or read from stdin or the environment; never an argument."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.key_rotation import rotate, rotation, ways
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
_SSH_KEY = "ssh-key"
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
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the private key in this file, with --kind ssh-key.",
)
@common
@click.pass_obj
def add(
    state: State, name: str, kind: str, from_env: bool, from_stdin: bool, file: Path | None
) -> None:
    """Seal a key in the vault as NAME.

    The value is asked for, or taken with --from-env, --file or --stdin. Of an account of AWS: an
    object with access_key_id, secret_access_key and, for a key that ends, session_token. Of the
    kind device-password: password. Of the kind ssh-key: private_key and, where it has one,
    passphrase.
    """
    if from_env + from_stdin + (file is not None) > 1:
        raise click.UsageError("--from-env, --file and --stdin exclude each other.")
    if (file is not None or kind == _SSH_KEY) and not from_stdin:
        value = _from_file(kind, file)
    elif from_env:
        value = _from_environment()
    elif from_stdin:
        value = _from_stdin()
    elif kind == "device-password":
        value = {"password": _hidden("Password", twice=True)}
    else:
        value = _asked()
    client = state.client()
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


for _command in (ways, rotate, rotation):
    key.add_command(_command)


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


def _from_file(kind: str, file: Path | None) -> dict[str, str]:
    if kind != _SSH_KEY or file is None:
        raise click.UsageError("A private key of the kind ssh-key is taken with --file or --stdin.")
    try:
        pem = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        # From None: the decoder's error carries the text, and the text is a secret.
        raise click.UsageError(f"{file} cannot be read as a private key.") from None
    if "PRIVATE KEY" not in pem:
        raise click.UsageError(f"{file} holds no private key.")
    if not _locked(pem):
        return {"private_key": pem}
    return {"private_key": pem, "passphrase": _hidden("Passphrase")}


def _locked(pem: str) -> bool:
    """Whether a private key needs a passphrase."""
    if "ENCRYPTED" in pem:
        return True
    if "OPENSSH PRIVATE KEY" not in pem:
        return False
    body = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    try:
        # "openssh-key-v1", NUL, and the name of the cipher; PROTOCOL.key of OpenSSH
        return b"\0\0\0\0\4none" not in base64.b64decode(body)[:40]
    except ValueError:
        return False


def _hidden(what: str, *, twice: bool = False) -> str:
    if not is_terminal():
        raise click.UsageError("There is no terminal to ask on: use --stdin.")
    typed: str = click.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
    return typed


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
