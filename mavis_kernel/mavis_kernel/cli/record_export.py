"""``mavis record export``."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import IO, Any

import click

from mavis_kernel.cli.options import every_command, examples, in_project
from mavis_kernel.cli.output import say
from mavis_kernel.cli.record_options import filtered
from mavis_kernel.cli.state import State
from mavis_kernel.errors import BadSettings
from mavis_kernel.record_export import FORMATS, ExportProgress

__all__ = ["export"]

_EVERY_S = 0.2
_MB = 1_000_000

_EXAMPLES = examples(
    "mavis record export --since 1w -o week.csv",
    "mavis record export --outcome failed --format parquet -o failed.parquet",
    "mavis record export --person olga --format jsonl -o - | jq .summary",
)


@click.command(epilog=_EXAMPLES)
@filtered
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="The form of the file; else the ending of its name says it, else it is csv.",
)
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
def export(
    state: State, /, all_projects: bool, format: str | None, file: str, force: bool, **filters: Any
) -> None:
    """Write all that was done into a file, the newest first.

    At most 1,000,000 records and 1 GiB of text. What arrives meanwhile is not in it. That you took
    it is a record.
    """
    project = None if all_projects else state.project
    if file != "-" and Path(file).exists() and not force:
        raise BadSettings(f"There is a file {file} already.", mend="Replace it with --force.")
    target: str | IO[bytes] = sys.stdout.buffer if file == "-" else file
    display = _Display()
    count = state.client().records.export(
        project,
        target,
        format=format,  # type: ignore[arg-type]  # click has checked it
        overwrite=force,
        on_progress=display.show,
        **filters,
    )
    display.close()
    where = "" if file == "-" else f" in {file}"
    say(f"{count} record{'s' * (count != 1)}{where}")


class _Display:
    """A line on a terminal that says how far it is; nothing elsewhere."""

    def __init__(self) -> None:
        self._drawn, self._last = False, 0.0

    def show(self, progress: ExportProgress) -> None:
        """Say it, now and then."""
        now = monotonic()
        if not sys.stderr.isatty() or now - self._last < _EVERY_S:
            return
        self._drawn, self._last = True, now
        percent = 100 * progress.done_bytes // max(progress.size_bytes, 1)
        size = f"{progress.done_bytes / _MB:.1f} of {progress.size_bytes / _MB:.1f} MB"
        sys.stderr.write(f"\r\x1b[K{progress.records} records: {size}, {percent} %")
        sys.stderr.flush()

    def close(self) -> None:
        """Remove the line."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
