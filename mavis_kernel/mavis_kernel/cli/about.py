"""``mavis completion`` and ``mavis version``."""

from __future__ import annotations

from dataclasses import replace

import click
from click.shell_completion import get_completion_class

from mavis_kernel.cli.options import common
from mavis_kernel.cli.output import put, say, show_document
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import fields_text
from mavis_kernel.errors import ApiError, NotLoggedIn
from mavis_kernel.version import client_version

__all__ = ["completion", "version"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print the completion of a shell.

    \b
    bash:  eval "$(mavis completion bash)"      in ~/.bashrc
    zsh:   eval "$(mavis completion zsh)"       in ~/.zshrc
    fish:  mavis completion fish > ~/.config/fish/completions/mavis.fish
    """
    made = get_completion_class(shell)
    assert made is not None, shell  # noqa: S101 - the choice above names click's own shells
    put(made(ctx.find_root().command, {}, "mavis", "_MAVIS_COMPLETE").source())


@click.command()
@common
@click.pass_obj
def version(state: State) -> None:
    """Show the client's and the appliance's version."""
    client = client_version()
    found: dict[str, str | None] = {"client": client, "appliance": None, "url": None}
    try:
        settings = replace(state.settings(), token=None)
        found["url"] = settings.url
        found["appliance"] = state.connect(settings).health().version
    except NotLoggedIn:
        say("No appliance is named: this is the client alone.")
    except ApiError as exc:
        say(f"The appliance's version is not known: {exc.detail}")
    if state.is_document:
        show_document(state, found)
    elif state.output == "id":
        put(client)
    else:
        for line in fields_text([(name.capitalize(), text or "") for name, text in found.items()]):
            put(line)
