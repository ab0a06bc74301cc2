"""What loading the extension gives a shell, and what unloading takes away."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mavis_kernel.notebook.cells import Cells
from mavis_kernel.notebook.completion import MATCHER, matcher_for
from mavis_kernel.notebook.later import Later
from mavis_kernel.notebook.lists import show_as_before, show_as_tables
from mavis_kernel.notebook.magics import CellMagic, LineMagic
from mavis_kernel.notebook.overviews import show_overviews, show_reprs
from mavis_kernel.notebook.session import Session

if TYPE_CHECKING:
    import click
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["CELL_MAGICS", "MAGICS", "load", "unload"]

_HERE = "mavis_kernel.notebook"
MAGICS: dict[str, tuple[str, str]] = {
    "mavis": (f"{_HERE}.command_line", "command_line"),
    "project": (f"{_HERE}.commands", "project"),
    "snapshot": (f"{_HERE}.commands", "snapshot"),
    "restore": (f"{_HERE}.restoring", "restore"),
    "watch": (f"{_HERE}.commands", "watch"),
}
"""Each magic's module and the name of its command there."""

CELL_MAGICS: dict[str, tuple[str, str]] = {
    "opslog": (f"{_HERE}.asking", "opslog"),
    "ssh": (f"{_HERE}.ssh", "ssh"),
}
"""The same for magics of cells."""


def load(shell: InteractiveShell) -> None:
    """Give `shell` the client, the magics, completions and tables."""
    session = Session(shell.user_ns)
    magics = {name: LineMagic(name, session, _loader(*MAGICS[name])) for name in MAGICS}
    of_cells = {name: CellMagic(name, session, _loader(*CELL_MAGICS[name])) for name in CELL_MAGICS}
    for kind, made in (("line", magics), ("cell", of_cells)):
        for name, magic in made.items():
            shell.register_magic_function(magic, kind, name)  # type: ignore[arg-type]  # a callable
    show_as_tables(shell)
    show_overviews(shell)
    _completer(shell).custom_matchers.append(matcher_for(session, magics, of_cells, shell.user_ns))
    session.cells = Cells(shell, session)
    session.cells.watch()
    # Hidden, so that %who tells of what the person made.
    shell.push(session.put_clients(), interactive=False)  # type: ignore[no-untyped-call]  # IPython's own


def unload(shell: InteractiveShell) -> None:
    """Take from `shell` what `load` gave it."""
    for kind, names in (("line", MAGICS), ("cell", CELL_MAGICS)):
        there = shell.magics_manager.magics[kind]
        for name in names:
            if isinstance(there.get(name), LineMagic):
                _stop(there.pop(name).session)
    show_as_before(shell)
    show_reprs(shell)
    matchers = _completer(shell).custom_matchers
    matchers[:] = [each for each in matchers if getattr(each, "matcher_identifier", "") != MATCHER]
    for name in ("mavis", "amavis"):
        if type(shell.user_ns.get(name)) is Later:
            del shell.user_ns[name]


def _stop(session: Session) -> None:
    cells, session.cells = session.cells, None
    if cells is not None:
        cells.stop()
    session.close()


def _completer(shell: InteractiveShell) -> Any:
    return shell.Completer


def _loader(module: str, name: str) -> Callable[[], click.Command]:
    def load_command() -> click.Command:
        command: click.Command = getattr(import_module(module), name)
        return command

    return load_command
