"""Every route of a notebook server with all that is installed here.

Run as a program it makes the server that the Hub would start, without a port, and tells of each
rule: the rule, the methods that its handler has, the handler, and whether it is a WebSocket.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]  # CPython's own parser of rules
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
BASE = "/user/somebody/"


@dataclass(frozen=True)
class Route:
    """A rule.

    Parameters
    ----------
    sample
        An address that it matches, below that of the server.
    """

    sample: str
    methods: tuple[str, ...]
    handler: str
    websocket: bool


def lab_routes(folder: Path) -> list[Route]:
    """Return the routes; `folder` is a home for the server."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "MAVIS_"))}
    environ |= {"HOME": str(folder), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    told = subprocess.run(
        [sys.executable, __file__],
        env=environ,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = []
    for pattern, methods, handler, websocket in json.loads(told.stdout.splitlines()[-1]):
        address = sample(pattern)
        if address.startswith(BASE):
            route = Route(address.removeprefix(BASE), tuple(methods), handler, websocket)
            found.append(route)
    return found


def sample(pattern: str) -> str:
    """Return an address that a rule matches."""
    found = "".join(_samples(parser.parse(pattern)))
    assert re.match(pattern, found), (pattern, found)
    return found


def _samples(parsed: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    for kind, value in parsed:
        match kind:
            case op.LITERAL:
                yield chr(value)
            case op.ANY | op.NOT_LITERAL:
                yield "x"
            case op.IN:
                first = value[0]
                yield chr(first[1]) if first[0] is op.LITERAL else "a"
            case op.MAX_REPEAT | op.MIN_REPEAT:
                least, most, inner = value
                yield "".join(_samples(inner)) * min(max(least, 1), most)
            case op.SUBPATTERN:
                yield from _samples(value[-1])
            case op.BRANCH:
                yield from _samples(value[1][0])


def methods_of(handler: type) -> tuple[str, ...]:
    """Return the methods that a Tornado handler has of its own."""
    from tornado.web import RequestHandler

    bare = vars(RequestHandler)
    return tuple(
        each for each in METHODS if getattr(handler, each.lower()) is not bare[each.lower()]
    )


def _tell() -> None:
    from jupyterlab.labapp import LabApp
    from tornado.websocket import WebSocketHandler

    made = LabApp.initialize_server(
        [f"--ServerApp.base_url={BASE}", "--allow-root", "--ServerApp.open_browser=False"]
    )
    rows = []

    def walk(rules: Iterable[Any]) -> None:
        for rule in rules:
            if hasattr(rule.target, "rules"):
                walk(rule.target.rules)
            elif isinstance(rule.target, type) and hasattr(rule.matcher, "regex"):
                handler = rule.target
                name, socket = handler.__name__, issubclass(handler, WebSocketHandler)
                rows.append((rule.matcher.regex.pattern, methods_of(handler), name, socket))

    walk(getattr(made, "serverapp", made).web_app.default_router.rules)
    sys.stdout.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    _tell()
