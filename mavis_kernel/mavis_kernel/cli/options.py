"""Options that many commands take, each written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mavis_kernel.cli.state import State

__all__ = [
    "common",
    "debug_option",
    "dry_run_option",
    "examples",
    "in_project",
    "limit_option",
    "no_wait_option",
    "output_option",
    "yes_option",
]

F = TypeVar("F", bound=Callable[..., Any])


def common(function: F) -> F:
    """Add ``-o`` and ``--debug``, which every command takes."""
    return output_option("table", "json", "id")(debug_option(function))


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


def debug_option(function: F) -> F:
    """Add ``--debug``."""
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
        help="The project; else the one of `mavis project use`.",
    )(function)


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


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(State).debug = True


def _set_project(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    ctx.ensure_object(State).chosen_project = value
