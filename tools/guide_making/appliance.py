"""The reference of `mavisctl`, from its commands."""

from __future__ import annotations

from client_making.reference import commands
from guide_making.markdown import table
from mavis_hub.commands import cli

__all__ = ["commands_", "options"]


def options() -> str:
    """Return the options that go before a command."""
    rows = [
        (f"`{', '.join(each.opts)}`", each.help or "")
        for each in cli.params
        if (each.help or "") and each.name != "help"
    ]
    return table(("option", "what it does"), rows)


def commands_() -> str:
    """Return every command with its options."""
    return "\n".join(commands(cli, "mavisctl"))
