"""Mavis in a notebook: the client as ``mavis``, the magics, completion of names.

The kernel *Mavis (Python)* loads this by itself; elsewhere ``%load_ext mavis_kernel.notebook``
does. Loading asks nobody and imports little: what a cell needs is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mavis_kernel.notebook.loading import load, unload

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give `shell` the client, the magics, completions and tables."""
    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take from `shell` what loading gave it; what it holds by then stays."""
    unload(shell)
