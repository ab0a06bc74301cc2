"""The tutorials, laid out in the folder of a person who has none yet."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

__all__ = ["FOLDER", "lay_out", "shipped"]

FOLDER = "tutorials"


def shipped() -> Path:
    """Return where the tutorials are: beside the sources, else from the installed wheel."""
    source = Path(__file__).resolve().parents[3] / "notebooks" / FOLDER
    installed = Path(sysconfig.get_path("data")) / "share" / "mavis" / "notebooks" / FOLDER
    return source if source.is_dir() else installed


def lay_out(home: Path, tutorials: Path) -> Path | None:
    """Copy `tutorials` into `home`, unless there is something of that name.

    What a person has is never written over; who deletes the folder gets a new one.

    Returns
    -------
    Path or None
        The new folder; None where nothing was copied.

    Raises
    ------
    OSError
        The folder cannot be written; half of one is not left behind.
    """
    folder = home / FOLDER
    if folder.exists() or folder.is_symlink() or not tutorials.is_dir():
        return None
    begun = home / f".{FOLDER}.new"
    try:
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir()
        for each in sorted(tutorials.glob("*.ipynb")):
            # Content alone: who installed the appliance may have closed the original.
            shutil.copyfile(each, begun / each.name)
        begun.rename(folder)
    except OSError:
        shutil.rmtree(begun, ignore_errors=True)
        raise
    return folder
