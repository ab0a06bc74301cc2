"""The root of the command line, and the one place where errors become text and exit codes."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from mavis_kernel.cli.groups import LazyGroup, Place
from mavis_kernel.cli.options import every_command
from mavis_kernel.cli.output import ReaderGone
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import printable
from mavis_kernel.errors import EXIT_CODES, ApiError, MavisError

__all__ = ["PLACES", "main", "root"]

_HERE = "mavis_kernel.cli"
_USAGE, _BUG, _INTERRUPTED, _READER_GONE = 2, 70, 130, 141

PLACES: dict[str, Place] = {
    "login": Place(f"{_HERE}.login", "login", "Log in to an appliance."),
    "logout": Place(f"{_HERE}.logout", "logout", "End the login, at the Hub too."),
    "whoami": Place(f"{_HERE}.logout", "whoami", "Show who you are and where."),
    "profile": Place(f"{_HERE}.profile", "profile", "Several logins, each under a name."),
    "project": Place(f"{_HERE}.project", "project", "Projects and their members."),
    "environment": Place(f"{_HERE}.environment", "environment", "Cloud accounts of a project."),
    "key": Place(f"{_HERE}.key", "key", "Credentials in the vault."),
    "resource": Place(f"{_HERE}.resource", "resource", "Machines, volumes and networks."),
    "backup-plan": Place(
        f"{_HERE}.backup_plan",
        "backup_plan",
        "Backups that run by themselves, and what they keep.",
    ),
    "recovery-point": Place(
        f"{_HERE}.recovery_point",
        "recovery_point",
        "Points in time to which machines can go back.",
    ),
    "restore": Place(f"{_HERE}.restore", "restore", "Bring recovery points back, and undo that."),
    "report": Place(f"{_HERE}.report", "report", "How well a project is protected."),
    "dashboard": Place(
        f"{_HERE}.dashboard", "dashboard", "Notebooks that are published as pages of a project."
    ),
    "preview": Place(
        f"{_HERE}.preview", "preview", "Plans that --dry-run has shown, until they expire."
    ),
    "run": Place(f"{_HERE}.run", "run", "Work that goes on at the appliance."),
    "device": Place(f"{_HERE}.device", "device", "Machines and network devices to connect to."),
    "session": Place(f"{_HERE}.session", "session", "See who is, or was, at which device."),
    "ssh": Place(f"{_HERE}.ssh", "ssh", "Come to devices with an SSH client of your own."),
    "record": Place(f"{_HERE}.record", "record", "Show what was done, by whom and when."),
    "completion": Place(f"{_HERE}.about", "completion", "Print the completion of a shell."),
    "version": Place(f"{_HERE}.about", "version", "Show the client's and the appliance's version."),
}

_SYNONYMS = {
    "backup": "backup-plan",
    "plan": "backup-plan",
    "policy": "backup-plan",
    "schedule": "backup-plan",
    "undo": "restore",
    "snapshot": "recovery-point",
    "instance": "resource",
    "machine": "resource",
    "context": "profile",
    "apply": "preview",
    "host": "device",
    "server": "device",
    "connection": "session",
}

_EPILOG = "\b\nExit codes:\n" + "\n".join(
    f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items()
)


class _Root(LazyGroup):
    """The root group; ends the process with the code that the error stands for."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal without Unicode shows an escape, rather than ending the command.
            sys.stdout.reconfigure(errors="backslashreplace")
        state = State()
        try:
            code = super().main(args, prog_name, complete_var, False, obj=state, **extra)
        except Exception as exc:  # noqa: BLE001 - the outermost edge
            code = _exit_code(exc, debug=state.debug)
        sys.exit(code if isinstance(code, int) else 0)


def _exit_code(exc: Exception, *, debug: bool) -> int:
    """Tell the person about `exc` and return the exit code that it stands for."""
    if isinstance(exc, ReaderGone):
        # What is left in the buffer goes nowhere, instead of failing once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE
    if debug:
        traceback.print_exception(exc)
    if isinstance(exc, MavisError):
        _tell(exc)
        return exc.exit_code
    if isinstance(exc, click.ClickException):
        exc.show()
        return _USAGE
    if isinstance(exc, click.Abort):
        click.echo("\nInterrupted.", err=True)
        return _INTERRUPTED
    click.echo(f"mavis: a bug in this command: {type(exc).__name__}.", err=True)
    click.echo("  Mend:     Report it with what the same call with --debug shows.", err=True)
    return _BUG


def _tell(error: MavisError) -> None:
    lines = [("mavis:", error.message), ("  Mend:    ", error.mend)]
    if isinstance(error, ApiError):
        lines += [("  Field:   ", error.field or ""), ("  Request: ", error.request_id or "")]
    for label, text in lines:
        if text:
            said = "\n".join(map(printable, text.split("\n")))  # a place in SQL has lines
            click.echo(f"{label} {said}", err=True)


@click.group(
    cls=_Root,
    places=PLACES,
    synonyms=_SYNONYMS,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@every_command
def root() -> None:
    """Operate the projects of a Mavis appliance.

    Begin with: mavis login --url https://mavis.example.org
    """


def main() -> None:
    """Run the command ``mavis``."""
    root.main(prog_name="mavis")
