"""Lists of the client's objects as tables: ``[run for run in ... if run.succeeded]`` in a cell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["show_as_before", "show_as_tables"]

_KINDS = (list, tuple)


def show_as_tables(shell: InteractiveShell) -> None:
    """Let `shell` show lists that hold objects of one kind as tables, and others as before."""
    for kind in _KINDS:
        _html(shell).for_type(kind, _html_of)
        plain = _plain(shell)
        plain.for_type(kind, _printer(plain.lookup_by_type(kind)))


def show_as_before(shell: InteractiveShell) -> None:
    """Let `shell` show lists as it did."""
    for kind in _KINDS:
        _html(shell).pop(kind, None)
        before = getattr(_plain(shell).lookup_by_type(kind), "before", None)
        if before is not None:
            _plain(shell).for_type(kind, before)


def _html(shell: InteractiveShell) -> Any:
    return _formatters(shell)["text/html"]


def _plain(shell: InteractiveShell) -> Any:
    return _formatters(shell)["text/plain"]


def _formatters(shell: InteractiveShell) -> Any:
    formatter: Any = shell.display_formatter
    return formatter.formatters


def _bundle_of(values: Any) -> dict[str, str] | None:
    """Return what is shown of `values`; None where they are not objects of one kind."""
    parsing = sys.modules.get("mavis_kernel.parsing")
    if parsing is None or not values or not isinstance(values[0], parsing.Model):
        return None  # nobody has objects before the client is loaded
    if any(type(each) is not type(values[0]) for each in values):
        return None
    from mavis_kernel.display import of_list  # noqa: PLC0415 - loaded when it is needed

    return of_list(values)


def _html_of(values: Any) -> str | None:
    bundle = _bundle_of(values)
    return None if bundle is None else bundle["text/html"]


def _printer(before: Any) -> Any:
    def print_(values: Any, printer: Any, cycle: bool) -> None:
        bundle = None if cycle else _bundle_of(values)
        if bundle is None:
            before(values, printer, cycle)
        else:
            printer.text(bundle["text/plain"])

    vars(print_)["before"] = before
    return print_
