"""A file of records that comes from the appliance: its form, its place, and how far it is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mavis_kernel.errors import UnexpectedAnswer
from mavis_kernel.new_files import new_file

__all__ = ["FORMATS", "ExportProgress", "format_of", "opened"]

FORMATS = ("csv", "jsonl", "parquet")


@dataclass
class ExportProgress:
    """How far it is.

    Parameters
    ----------
    records
        How many the file will have.
    done_bytes, size_bytes
        How much has come, of how much.
    """

    records: int = 0
    done_bytes: int = 0
    size_bytes: int = 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take note of what the appliance says of the file.

        Raises
        ------
        UnexpectedAnswer
            It says nothing of it.
        """
        texts = (headers.get("X-Records", ""), headers.get("Content-Length", ""))
        if not all(text.isascii() and text.isdigit() for text in texts):
            raise UnexpectedAnswer("The appliance's answer is no file of records.")
        self.records, self.size_bytes = map(int, texts)

    def check(self) -> None:
        """Return where all has come.

        Raises
        ------
        UnexpectedAnswer
            Some is missing.
        """
        if self.done_bytes != self.size_bytes:
            raise UnexpectedAnswer(
                f"Of {self.size_bytes} bytes of the file only {self.done_bytes} came."
            )


def format_of(file: object) -> str:
    """Return the form that the name of a file asks for; CSV where it asks for none."""
    if not isinstance(file, str | os.PathLike):
        return "csv"
    ending = Path(file).suffix.removeprefix(".").lower()
    return ending if ending in FORMATS else "csv"


@contextmanager
def opened(file: str | os.PathLike[str] | IO[bytes], *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Give the block what to write into; see `mavis_kernel.new_files.new_file`."""
    if isinstance(file, str | os.PathLike):
        with new_file(Path(file), overwrite=overwrite) as target:
            yield target
    else:
        yield file
