"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mavis_kernel.errors import BadSettings

__all__ = ["new_file"]


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Give the block a file that becomes `path` at its end; an error leaves what was there.

    Only this user may read it.

    Raises
    ------
    BadSettings
        There is a file already and `overwrite` is not set; or none can be written there.
    """
    if path.exists() and not overwrite:
        raise _exists(path)
    try:
        fd, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and not overwrite:
            raise _exists(path)
        Path(name).replace(path)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _exists(path: Path) -> BadSettings:
    return BadSettings(
        f"There is a file {path} already.", mend="Name another, or say that it may be replaced."
    )


def _unwritable(path: Path, error: OSError) -> BadSettings:
    return BadSettings(
        f"{path} cannot be written: {error.strerror}.", mend="Name a place where you may write."
    )
