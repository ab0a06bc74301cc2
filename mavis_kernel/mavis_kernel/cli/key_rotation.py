"""``mavis key ways | rotate | rotation``: a new value for a key of devices."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.options import common, examples, fields_option, yes_option
from mavis_kernel.cli.output import Empty, put, say, show_document, show_fields, show_list
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, table
from mavis_kernel.cli.times import both
from mavis_kernel.errors import Conflict, MavisError
from mavis_kernel.models import KeyRotation, WayOfKey

if TYPE_CHECKING:  # help needs no client
    from mavis_kernel.client import Mavis

__all__ = ["rotate", "rotation", "ways"]

_LOOK_S = 0.5
_PLACES: tuple[Column[WayOfKey], ...] = (
    Column("PROJECT", lambda each: each.project),
    Column("DEVICE", lambda each: each.device),
    Column("WAY", lambda each: each.access_service),
    Column("LOGIN", lambda each: each.login),
)
_RESULTS = (
    *_PLACES,
    Column[WayOfKey]("STATE", lambda each: each.state or ""),
    Column[WayOfKey]("DETAIL", lambda each: each.detail),
)


@click.command()
@click.argument("name", shell_complete=complete.keys)
@fields_option
@common
@click.pass_obj
def ways(state: State, name: str) -> None:
    """List the ways into devices that the key NAME opens; for platform administrators."""
    show_list(
        state,
        state.client().keys.ways(name, fields=state.fields),
        _PLACES,
        id_of=lambda each: each.id,
        nouns=f"ways in by the key {name}",
        empty=Empty(f"No way into a device uses the key {name}."),
    )


@click.command(epilog=examples("mavis key rotate web", "mavis key rotate web --yes -o json"))
@click.argument("name", shell_complete=complete.keys)
@yes_option
@click.option("--no-wait", is_flag=True, help="Return when it was asked for; do not look on.")
@common
@click.pass_obj
def rotate(state: State, name: str, yes: bool, no_wait: bool) -> None:
    """Give the key NAME a new value on every device that it opens.

    The gateway makes it, and nobody else sees it. On each device the old one goes when a login with
    the new one has worked; where a device fails its old one goes on working, and calling this again
    goes on with what is left.
    """
    client = state.client()
    found = list(client.keys.ways(name))
    if not found:
        raise Conflict(
            f"No way into a device uses the key {name}.",
            mend="Store a new value under another name: mavis key add.",
        )
    for line in table(_PLACES, found):
        say(line)
    confirm_removal(
        f"the key {name} at {len(found)} ways in", yes=yes, verb="Rotate", doing="Rotating"
    )
    asked = client.keys.rotate(name, confirm=name)
    ended = asked if no_wait else _followed(client, asked)
    _show(state, ended)
    if ended.state == "failed":
        failed = [each for each in ended.ways if each.state == "failed"]
        raise MavisError(
            f"The key {name} could not be rotated at {len(failed)} of {len(ended.ways)} ways in.",
            mend=f"Mend what stands beside them, then go on: mavis key rotate {name}",
        )


@click.command()
@click.argument("name", shell_complete=complete.keys)
@fields_option
@common
@click.pass_obj
def rotation(state: State, name: str) -> None:
    """Show the last rotation of the key NAME; for platform administrators."""
    keys = state.client().keys
    if state.fields:
        show_fields(state, keys.rotation(name, fields=state.fields))
    else:
        _show(state, keys.rotation(name))


def _followed(client: Mavis, asked: KeyRotation) -> KeyRotation:
    """Tell how it goes until it has ended."""
    told: dict[str, str] = {}
    while True:
        now = client.keys.rotation(asked.key)
        for each in now.ways:
            if each.state not in (told.get(each.id), "waiting", None):
                say(f"{each.device}/{each.access_service}: {each.state}")
            told[each.id] = str(each.state)
        if now.state in ("done", "failed"):
            return now
        time.sleep(_LOOK_S)


def _show(state: State, item: KeyRotation) -> None:
    if state.is_document:
        show_document(state, item.raw)
    elif state.output == "id":
        put(item.id)
    else:
        for line in table(_RESULTS, list(item.ways)):
            put(line)
        ended = f", ended {both(item.ended_at)}" if item.ended_at else ""
        say(f"Rotation of {item.key}: {item.state}, asked by {item.person}{ended}.")
