"""The definition of a backup plan at the command line: read from a file, changed by ``--set``.

A file is JSON, TOML or YAML, by its suffix; stdin (``-``) is JSON. A path has the form in which the
appliance names faults: ``keep.daily``, ``rules[0].cron``.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import click

from mavis_kernel.cli.pairs import pair

__all__ = ["Setting", "changed", "file_option", "read_file", "set_option", "setting"]

Setting = tuple[tuple[str | int, ...], Any]
"""A path, and the value that it is to have; None takes the key away."""

_STEP = re.compile(r"(?:^|\.)([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{1,4})\]")


def read_file(name: str) -> dict[str, Any]:
    """Return the definition that the file `name` holds.

    Raises
    ------
    UsageError
        It cannot be read, or holds no JSON, TOML or YAML object.
    """
    form, read = _reader(name)
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        value = read(text)
    except OSError as exc:
        raise click.UsageError(f"{name} cannot be read: {exc.strerror}.") from exc
    except (ValueError, RecursionError) as exc:
        raise click.UsageError(
            f"{name} holds no {form}: {exc}. A name that ends in .toml is TOML, in .yaml or .yml"
            " YAML, others are JSON."
        ) from exc
    if not isinstance(value, dict):
        raise click.UsageError(
            f"{name} holds no object. mavis backup-plan show NAME -o json shows the form."
        )
    return value


def _reader(name: str) -> tuple[str, Callable[[str], Any]]:
    """Return the form of the file `name`, and what reads it."""
    if name.endswith(".toml"):
        return "TOML", lambda text: _plain(tomllib.loads(text))
    if name.endswith((".yaml", ".yml")):
        return "YAML", _from_yaml
    return "JSON", json.loads


def _from_yaml(text: str) -> Any:
    from mavis_kernel.cli import yaml_text  # noqa: PLC0415 - most calls need no YAML

    try:
        return yaml_text.read(text)
    except yaml_text.YAMLError as exc:
        raise ValueError(" ".join(str(exc).split())) from exc


def setting(text: str) -> Setting:
    """Return what ``PATH=VALUE`` sets; a value that is no JSON is text, none takes the key away.

    Raises
    ------
    BadParameter
        It is of another form.
    """
    name, value = pair(text)
    path, at = [], 0
    while at < len(name):
        step = _STEP.match(name, at)
        if step is None:
            raise click.BadParameter(f"{name!r} is no path: write keep.daily or rules[0].cron.")
        path.append(step[1] if step[1] is not None else int(step[2]))
        at = step.end()
    return tuple(path), _value(value)


def changed(definition: dict[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """Return `definition` with `settings` in it.

    Raises
    ------
    UsageError
        A path leads through something that is no object or list, or past the end of a list.
    """
    value = json.loads(json.dumps(definition))
    for path, new in settings:
        _set(value, path, new)
    return dict(value)


def _set(value: Any, path: tuple[str | int, ...], new: Any) -> None:
    for done, step in enumerate(path[:-1], start=1):
        _make_room(value, step, [] if isinstance(path[done], int) else {})
        value = _at(value, path[:done])
    if new is None:
        _at(value, path)
        del value[path[-1]]
    else:
        _make_room(value, path[-1], new)
        _at(value, path)
        value[path[-1]] = new


def _make_room(value: Any, step: str | int, empty: Any) -> None:
    """Let there be something at `step`, which may be a new key or the next place of a list."""
    if isinstance(value, dict) and isinstance(step, str) and value.get(step) is None:
        value[step] = empty
    elif isinstance(value, list) and step == len(value):
        value.append(empty)


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return what the last step of `path` leads to in `value`."""
    step = path[-1]
    if isinstance(value, dict) and isinstance(step, str) and step in value:
        return value[step]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    raise click.UsageError(f"The plan has no {_written(path)}; `show -o json` shows what it has.")


def _written(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _value(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(value: Any) -> Any:
    """Return a value of TOML as JSON has it: its moments become text, to the minute."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, datetime | time):
        return value.isoformat(timespec="minutes")
    return value.isoformat() if isinstance(value, date) else value


file_option = click.option(
    "-f",
    "--file",
    "file_name",
    metavar="FILE",
    help="The plan as JSON or, by its suffix, .toml or .yaml; - is JSON from stdin.",
)
set_option = click.option(
    "--set",
    "settings",
    type=setting,
    metavar="PATH=VALUE",
    multiple=True,
    help="Set one thing: keep.daily=14, zone=Europe/Berlin. Without a value it is taken away.",
)
