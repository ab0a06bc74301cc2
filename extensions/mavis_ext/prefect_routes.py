"""The allow-list of Prefect's pages: which requests administrators may send, one row each.

Prefect has no roles of its own, most of its reads are POSTs, and the proxy adds the secret that
opens everything. So nothing passes by default: `find` matches method and raw path, as they came
over the wire, against `ROUTES`, and a path with anything unusual in it (``..``, ``//``, an
escape, a space) matches no row.

Rows are reads of Prefect 3.8.8 that its pages send. Reads that are missing on purpose:

- block documents, block schemas, variables, inputs of runs, the storage of results: they hold
  what people put there, keys too;
- ``/collections``: makes the server ask a host on the internet;
- ``get_scheduled_flow_runs``, ``get_runs``, ``work_queue_check``: named like reads, but they mark
  queues as polled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl

__all__ = ["EVENTS", "ROUTES", "Kind", "Route", "find"]


class Kind(Enum):
    """What a row's answer is."""

    HOME = "the entrance, which leads to the first page"
    PAGE = "a page: whichever path, it is the same file, and its script looks at the path"
    ASSET = "a file whose name changes with its content"
    FILE = "a file"
    SETTINGS = "the pages' settings, made by the proxy"
    SERVER_SETTINGS = "the server's settings as far as pages need them, made by the proxy"
    API = "an answer of Prefect's API"


@dataclass(frozen=True, slots=True)
class Route:
    """One row.

    Parameters
    ----------
    method
        The only method that it takes.
    path
        Below the prefix; a word in braces is one of `_PARTS`.
    kind
        What its answer is.
    query
        The names that the query may hold, each once.
    """

    method: str
    path: str
    kind: Kind = Kind.API
    query: frozenset[str] = frozenset()


_PARTS = {
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "name": r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}",
    "word": r"[a-z]{1,30}",
    "file": r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+",
    "page": r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,199}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,199}){0,7}/?)?",
}
_QUERY = re.compile(r"[A-Za-z0-9._~%=&:+-]{1,2000}")
_MAX_PATH = 500

EVENTS = "/api/events/out"
"""The one WebSocket: events as they happen."""


def _reads(*paths: str) -> tuple[Route, ...]:
    return tuple(Route("GET", f"/api{path}") for path in paths)


def _questions(*paths: str) -> tuple[Route, ...]:
    return tuple(Route("POST", f"/api{path}") for path in paths)


ROUTES: tuple[Route, ...] = (
    Route("GET", "", Kind.HOME),
    Route("GET", "/", Kind.HOME),
    Route("GET", "/v2", Kind.HOME),
    Route("GET", "/ui-settings", Kind.SETTINGS),
    Route("GET", "/api/admin/settings", Kind.SERVER_SETTINGS),
    Route("GET", "/v2/assets/{file}", Kind.ASSET),
    Route("GET", "/v2/ico/{file}", Kind.FILE),
    Route("GET", "/v2/fonts/{file}", Kind.FILE),
    Route("GET", "/v2/{file}", Kind.FILE),
    Route("GET", "/v2/{page}", Kind.PAGE),
    Route("GET", "/api/events/filter/next", query=frozenset({"page-token"})),
    Route("GET", "/api/flow_runs/{uuid}/graph-v2", query=frozenset({"since"})),
    *_reads(
        "/admin/version",
        "/artifacts/{uuid}",
        "/automations/{uuid}",
        "/automations/related-to/{name}",
        "/concurrency_limits/{uuid}",
        "/deployments/{uuid}",
        "/flow_runs/{uuid}",
        "/flow_runs/{uuid}/logs/download",
        "/flows/{uuid}",
        "/health",
        "/ui/task_runs/{uuid}",
        "/work_pools/{name}",
        "/work_pools/{name}/queues/{name}",
        "/work_queues/{uuid}",
    ),
    *_questions(
        "/artifacts/filter",
        "/artifacts/latest/count",
        "/artifacts/latest/filter",
        "/automations/filter",
        "/concurrency_limits/filter",
        "/deployments/count",
        "/deployments/filter",
        "/deployments/paginate",
        "/events/count-by/{word}",
        "/events/filter",
        "/flow_runs/count",
        "/flow_runs/filter",
        "/flow_runs/lateness",
        "/flow_runs/paginate",
        "/flows/count",
        "/flows/filter",
        "/flows/paginate",
        "/logs/filter",
        "/task_runs/count",
        "/task_runs/filter",
        "/task_runs/history",
        "/task_runs/paginate",
        "/ui/flow_runs/count-task-runs",
        "/ui/flow_runs/history",
        "/ui/flows/count-deployments",
        "/ui/flows/next-runs",
        "/v2/concurrency_limits/filter",
        "/work_pools/count",
        "/work_pools/filter",
        "/work_pools/{name}/queues/filter",
        "/work_pools/{name}/workers/filter",
        "/work_queues/filter",
    ),
)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    fixed, named = parts[::2], parts[1::2]
    ends = [*(_PARTS[name] for name in named), ""]
    return re.compile("".join(re.escape(text) + end for text, end in zip(fixed, ends, strict=True)))


_MATCHERS = tuple((route, _pattern(route.path)) for route in ROUTES)


def find(method: str, target: str, *, prefix: str) -> Route | None:
    """Return the row that takes a request, or None.

    Parameters
    ----------
    method
        As it came; a header that names another one is nobody's business.
    target
        The request's target as it came: raw path and query.
    prefix
        Where the proxy is mounted, without a slash at the end.
    """
    path, mark, query = target.partition("?")
    if len(path) > _MAX_PATH or not path.startswith(prefix):
        return None
    below = path.removeprefix(prefix)
    for route, pattern in _MATCHERS:
        if route.method == method and pattern.fullmatch(below):
            return route if not mark or _query_fits(route, query) else None
    return None


def _query_fits(route: Route, query: str) -> bool:
    if route.kind in (Kind.HOME, Kind.PAGE):  # never sent on: the page's script reads it
        return True
    if not _QUERY.fullmatch(query):
        return False
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    return len(names) == len(set(names)) and route.query.issuperset(names)
