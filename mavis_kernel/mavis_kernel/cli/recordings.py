"""``mavis session recording`` and ``mavis session find``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import click

from mavis_kernel.cli.options import common, every_command, examples, fields_option, in_project
from mavis_kernel.cli.output import Empty, say, show_list
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.errors import BadSettings
from mavis_kernel.models import RecordingHit

__all__ = ["find", "recording"]


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


_COLUMNS: tuple[Column[RecordingHit], ...] = (
    Column("SESSION", lambda each: each.session_id),
    Column("AT", lambda each: _time(each.at_s)),
    Column("PERSON", lambda each: each.person),
    Column("DEVICE", lambda each: each.device),
    Column("LINE", lambda each: each.text, shrinks=True),
)


@click.command(
    epilog=examples(
        "mavis session recording ses_01 -o session.cast",
        "mavis session recording ses_01 -o - | asciinema play -",
    )
)
@click.argument("session_id")
@click.option(
    "-o",
    "--output",
    "file",
    required=True,
    metavar="FILE",
    help="Where it goes; it is there whole or not at all. - is standard output.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@in_project
@every_command
@click.pass_obj
def recording(state: State, session_id: str, file: str, force: bool) -> None:
    """Write the recording of the session SESSION_ID into a file, asciicast v2.

    For auditors and administrators of the project. That you took it is a record.
    """
    if file != "-" and Path(file).exists() and not force:
        raise BadSettings(f"There is a file {file} already.", mend="Replace it with --force.")
    target: str | IO[bytes] = sys.stdout.buffer if file == "-" else file
    size = state.client().sessions.recording(state.project, session_id, target, overwrite=force)
    where = "" if file == "-" else f" in {file}"
    say(f"{size} bytes{where}")


@click.command(epilog=examples("mavis session find 'permission denied'"))
@click.argument("words")
@fields_option
@in_project
@common
@click.pass_obj
def find(state: State, words: str) -> None:
    """Look for WORDS on the screens of sessions that are over, the newest session first.

    For auditors and administrators of the project. That you looked is a record.
    """
    show_list(
        state,
        state.client().sessions.search(state.project, words, fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.session_id,
        nouns=f"lines of recordings in project {state.project}",
        empty=Empty(f"No recording that is over has {words!r} on its screen."),
    )
