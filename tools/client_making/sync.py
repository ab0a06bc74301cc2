"""The client that blocks, from the one for an event loop.

What differs between the two is a matter of words, as in httpcore's ``unasync.py``: ``await`` goes,
``async for`` becomes ``for``, and names that stand for one of the two become those of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["made_from", "sources"]

_HEAD = "# Made from {source} by `make client`: edit that.\n"
_WORDS = [
    (re.compile(pattern), text)
    for pattern, text in (
        (r"Callable\[\[float\], Awaitable\[None\]\]", "Callable[[float], None]"),
        (r"\basync (def|for|with)\b", r"\1"),
        (r"\bawait ", ""),
        (r"\bAwaitable, ", ""),
        (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
        (r"\bAsync(Generator|Iterator)\b", r"\1"),
        (r"\bAsync(Client|Exchange|Listing|Mavis|Transport)\b", r"\1"),
        (r"\b__a(enter|exit|next)__\b", r"__\1__"),
        (r"\bStopAsyncIteration\b", "StopIteration"),
        (r"\basyncio\.CancelledError\b", "KeyboardInterrupt"),
        (r"\ba(close|closing|iter_bytes|read)\b", r"\1"),
        (r"\bmavis_kernel\.aio\b", "mavis_kernel"),
        (r"\bimport asyncio\b", "import time"),
        (r"\basyncio\.sleep\b", "time.sleep"),
        (r"for programs with an event loop", "for notebooks and programs"),
        (r"A context manager\.", "Safe for threads, a context manager."),
    )
]


def sources(client: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each module of the client that waits, and where what is made from it stands."""
    for source in sorted((client / "aio").rglob("*.py")):
        if source.parent.name != "aio" or source.name != "__init__.py":
            yield source, client / source.relative_to(client / "aio")


def made_from(source: Path, client: Path) -> str:
    """Return the source of the module that blocks where `source` waits."""
    text = source.read_text(encoding="utf-8")
    for pattern, replacement in _WORDS:
        text = pattern.sub(replacement, text)
    return _HEAD.format(source=source.relative_to(client)) + text
