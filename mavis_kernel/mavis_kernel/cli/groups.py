"""Groups of commands whose modules are imported when they are called."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

__all__ = ["Group", "LazyGroup", "Place"]


@dataclass(frozen=True)
class Place:
    """Where a command is.

    Parameters
    ----------
    module, name
        The module and its attribute.
    help
        The first sentence of the command's help, so that listing it imports nothing.
    """

    module: str
    name: str
    help: str


class Group(click.Group):
    """A group that keeps its commands' order and suggests the nearest for an unknown one."""

    synonyms: Mapping[str, str] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] in known or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        meant = self.synonyms.get(args[0])
        near = [meant] if meant else difflib.get_close_matches(args[0], known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
        raise click.UsageError(f"No such command {args[0]!r}. {hint}", ctx)


class LazyGroup(Group):
    """A group that knows where its commands are.

    Parameters
    ----------
    places
        Where, by the command's name.
    synonyms
        Other words that people say, each with the command that they mean.
    """

    def __init__(
        self, *args: Any, places: Mapping[str, Place], synonyms: Mapping[str, str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.places = places
        self.synonyms = synonyms

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's form
        place = self.places.get(cmd_name)
        if place is None:
            return None
        command: click.Command = getattr(import_module(place.module), place.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's form
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in self.places.items()])
