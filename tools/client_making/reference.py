"""The reference of the command line, from its commands: the second half of its page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from mavis_kernel.cli.root import root
from mavis_kernel.errors import EXIT_CODES

__all__ = ["MARK", "commands", "made_from"]

MARK = "<!-- From here on made by `make client`: edit the commands. -->\n"
_EVERYWHERE = ("--profile", "--debug", "--help", "--output", "--project")


def made_from(page: Path) -> str:
    """Return the text of `page` with the reference made anew below its mark."""
    begun, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{page} has no line {MARK.strip()}")
    return "\n".join([begun + mark, *_exit_codes(), *commands(root, "mavis")]) + "\n"


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | meaning |\n| --- | --- |"
    yield from (f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    yield ""


def commands(group: click.Group, name: str) -> Iterator[str]:
    """Yield each command below `group`, whose own heading has been said."""
    context = click.Context(group, info_name=name)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if command is None or command.hidden:
            continue
        full = f"{name} {word}"
        if isinstance(command, click.Group):
            yield f"## {full}\n\n{_text(command.help)}\n"
            yield from commands(command, full)
        else:
            yield from _command(command, full)


def _command(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    arguments = (each.make_metavar(context) for each in command.params if _is_argument(each))
    yield f"{'##' if name.count(' ') == 1 else '###'} {name}\n"
    yield f"`{' '.join([name, '[OPTIONS]', *arguments])}`\n"
    yield f"{_text(command.help)}\n"
    rows = [row for each in command.params if (row := _row(each, context))]
    if rows:
        yield "| option | what it does |\n| --- | --- |"
        yield from rows
        yield ""
    if command.epilog:
        lines = [line.strip() for line in command.epilog.splitlines()]
        examples = [line for line in lines if line.startswith("mavis ")]
        yield "```sh\n" + "\n".join(examples) + "\n```\n"


def _is_argument(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Argument)


def _row(parameter: click.Parameter, context: click.Context) -> str | None:
    if _is_argument(parameter):
        return None
    if set(parameter.opts) & set(_EVERYWHERE):
        return _forms(parameter)
    record = parameter.get_help_record(context)
    if record is None:
        return None
    return f"| {_cell(f'`{record[0]}`')} | {_cell(record[1])} |"


def _forms(parameter: click.Parameter) -> str | None:
    """Return the row of ``-o`` where a command has other forms than most."""
    if "--output" not in parameter.opts or not isinstance(parameter.type, click.Choice):
        return None
    forms = [str(each) for each in parameter.type.choices]
    if forms == ["table", "json", "yaml", "id"]:
        return None
    return f"| `-o, --output` | One of {', '.join(forms)}. |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _text(help_text: str | None) -> str:
    """Return a command's help as paragraphs; a block that is not to be filled stays as it is."""
    said = inspect.cleandoc(help_text or "").split("\n\n")
    return "\n\n".join(
        "```\n" + each.removeprefix("\b\n") + "\n```"
        if each.startswith("\b")
        else " ".join(each.split())
        for each in said
    )
