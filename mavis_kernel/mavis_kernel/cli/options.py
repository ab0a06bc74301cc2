"""Options that many commands take, each written once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.state import State

__all__ = [
    "common",
    "dry_run_option",
    "every_command",
    "examples",
    "fields_option",
    "in_project",
    "limit_option",
    "no_wait_option",
    "output_option",
    "sort_option",
    "watch_option",
    "yes_option",
]

F = TypeVar("F", bound=Callable[..., Any])


def common(function: F) -> F:
    """Add ``-o``, and what every command takes."""
    return output_option("table", "json", "yaml", "id")(every_command(function))


def output_option(*forms: str) -> Callable[[F], F]:
    """Return what adds ``-o``, for a command whose data has other forms; the first by default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        expose_value=False,
        callback=_set_output,
        help="Form of the data" + ("; id is one id (or name) a line." if "id" in forms else "."),
    )


def examples(*lines: str) -> str:
    """Return an epilog with calls to begin with."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def every_command(function: F) -> F:
    """Add ``--profile`` and ``--debug``, which every command takes."""
    return _profile_option(_debug_option(function))


def _profile_option(function: F) -> F:
    return click.option(
        "--profile",
        metavar="NAME",
        expose_value=False,
        callback=_set_profile,
        shell_complete=complete.profiles,
        help="Whose login: one of `mavis profile list`; else MAVIS_PROFILE, else the one in use.",
    )(function)


def _debug_option(function: F) -> F:
    return click.option(
        "--debug",
        is_flag=True,
        envvar="MAVIS_DEBUG",
        expose_value=False,
        callback=_set_debug,
        help="Show where an error comes from.",
    )(function)


def in_project(function: F) -> F:
    """Add ``-p``; the command asks ``state.project``."""
    return click.option(
        "-p",
        "--project",
        envvar="MAVIS_PROJECT",
        show_envvar=True,
        expose_value=False,
        callback=_set_project,
        shell_complete=complete.projects,
        help="The project; else the one of `mavis project use`.",
    )(function)


def fields_option(function: F) -> F:
    """Add ``--fields``; the command asks for ``state.fields`` only."""
    return click.option(
        "--fields",
        metavar="NAME,...",
        expose_value=False,
        callback=_set_fields,
        help="Show only these fields, by their names in -o json.",
    )(function)


def watch_option(function: F) -> F:
    """Add ``--watch``; the command shows its data by `watching`."""
    return click.option(
        "--watch",
        is_flag=True,
        expose_value=False,
        callback=_set_watch,
        help="Show it again at each change, until Ctrl-C; a line for each where no terminal is.",
    )(function)


def sort_option(*names: str) -> Callable[[F], F]:
    """Return what adds ``--sort`` by one of `names`."""
    choices = [word for name in names for word in (name, f"-{name}")]
    return click.option(
        "--sort",
        type=click.Choice(choices),
        metavar="|".join(names),
        help="In this order; with a minus before it the largest or newest first.",
    )


def limit_option(default: int) -> Callable[[F], F]:
    """Return what adds ``--limit``."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=default,
        show_default=True,
        help="Show at most so many; 0 for all.",
    )


yes_option = click.option("--yes", is_flag=True, help="Confirm without being asked.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")
no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Return when the Run has begun; do not watch it."
)


def _set_output(ctx: click.Context, _param: click.Parameter, value: str) -> None:
    ctx.ensure_object(State).output = value


def _set_profile(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    """Let the call be as if ``MAVIS_PROFILE`` were `value`, which is read in one place."""
    if value is not None:
        before = os.environ.get("MAVIS_PROFILE")
        os.environ["MAVIS_PROFILE"] = value
        ctx.find_root().call_on_close(lambda: _set_back(before))


def _set_back(before: str | None) -> None:
    os.environ.pop("MAVIS_PROFILE", None)
    if before is not None:
        os.environ["MAVIS_PROFILE"] = before


def _set_fields(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        names = tuple(name.strip() for name in value.split(","))
        if not all(names):
            raise click.BadParameter(f"{value!r} names no fields: write id,state.")
        ctx.ensure_object(State).chosen_fields = names


def _set_watch(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.ensure_object(State).watch = value


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(State).debug = True


def _set_project(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    ctx.ensure_object(State).chosen_project = value
