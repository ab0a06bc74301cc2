"""Errors in a cell: what happened, what to do, the id of the request; where it arose on demand."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mavis_kernel.cli.tables import printable
from mavis_kernel.settings import for_program

if TYPE_CHECKING:
    from mavis_kernel.errors import MavisError

__all__ = ["few_lines", "masked", "traceback_of"]

_RED, _PLAIN = "\x1b[0;31m", "\x1b[0m"
_WHOLE = frozenset({"Plain", "Verbose"})
_SENT = re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:token|bearer)\s+)[^\s'\"]+")
_SHORTEST = 8  # shorter ones are no tokens, and might be words
_TOKENS = ("MAVIS_TOKEN", "JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")


def few_lines(
    name: str, message: str, mend: str = "", *, field: str = "", request_id: str = ""
) -> list[str]:
    """Return an error in short, as lines of a cell's output."""
    # A message may have lines that stand one below the other, such as a place in SQL.
    said = "\n".join(map(printable, message.split("\n")))
    lines = [f"{_RED}{name}{_PLAIN}: {said}"]
    told = (("Mend:", mend), ("Field:", field), ("Request:", request_id))
    lines += [f"  {label:<9}{printable(text)}" for label, text in told if text]
    return [masked(line) for line in lines]


def traceback_of(error: MavisError) -> list[str]:
    """Return `error` in short; as it arose where ``%xmode`` or ``%tb`` asks for more than usual."""
    shell = _shell()
    mode = getattr(getattr(shell, "InteractiveTB", None), "mode", "Context")
    if shell is not None and mode in _WHOLE:
        lines = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        return [masked(line) for line in lines]
    if shell is None:
        return [masked(line.rstrip("\n")) for line in traceback.format_exception(error)]
    return [
        *few_lines(
            type(error).__name__,
            error.message,
            error.mend,
            field=getattr(error, "field", None) or "",
            request_id=getattr(error, "request_id", None) or "",
        ),
        "  (%tb plain shows where it arose)",
    ]


def masked(text: str) -> str:
    """Return `text` without the tokens of this process."""
    for token in _tokens():
        if len(token) >= _SHORTEST:
            text = text.replace(token, "***")
    return _SENT.sub(r"\1***", text)


def _tokens() -> Iterator[str]:
    for name in _TOKENS:
        yield os.environ.get(name, "")
    try:
        login = for_program().token
    except Exception:  # noqa: BLE001 - an error is being told; another one would hide it
        return
    yield login.reveal() if login else ""


def _shell() -> Any:
    """Return IPython's shell; None where this is no notebook."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()
