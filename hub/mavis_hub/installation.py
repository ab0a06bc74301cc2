"""Where the parts of this installation are: programs, and the Hub's configuration file."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

from mavis_core.errors import Unavailable

__all__ = ["config_file", "program"]

_SOURCE_TREE = Path(__file__).resolve().parents[2]


def program(name: str) -> str:
    """Return the path of a program of this virtual environment, else of the system.

    Raises
    ------
    Unavailable
        There is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise Unavailable(
            f"The program {name} is not installed",
            mend="Install the appliance's parts: pip install 'mavis-ops[appliance]'.",
        )
    return found


def config_file() -> Path:
    """Return ``jupyterhub_config.py``: beside the sources, else from the installed wheel.

    Raises
    ------
    Unavailable
        Neither has one.
    """
    source = _SOURCE_TREE / "jupyterhub_config.py"
    installed = Path(sysconfig.get_path("data")) / "share" / "mavis" / "jupyterhub_config.py"
    for path in (source, installed):
        if path.is_file():
            return path
    raise Unavailable(
        f"jupyterhub_config.py is at neither {source} nor {installed}",
        mend="Install mavis-ops again: its wheel carries the file.",
    )
