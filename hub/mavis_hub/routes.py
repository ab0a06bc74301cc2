"""The routes of the edge proxy: one table, from which Traefik's files are made.

A row says which requests it takes, where they go and what holds them back. Whatever no row takes
goes to the Hub and to people's servers by the routes that the Hub writes itself; the entry
point's own limits (`EVERYWHERE`) hold for those too.

Request ids: Traefik makes none (3.7 has only trace ids), so an incoming ``X-Request-Id`` is
dropped here, the api process makes one and answers with it, and the access log notes the
answer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mavis_core.config import Config
from mavis_core.remote.model import terminal_path
from mavis_hub.dashboards.addresses import FRAMES

__all__ = ["EVERYWHERE", "Authentication", "Rate", "Route", "routes"]

MIB = 1024 * 1024


class Authentication(StrEnum):
    """Who a route lets in. The process behind it decides; the edge keeps no sessions."""

    NONE = "none: it is where people log in"
    PROGRAM = "a Hub token, or the page's cookie with its XSRF token"
    COOKIE = "the login at the Hub (OAuth), by cookie"
    ADMINISTRATOR = "the login at the Hub, by cookie, of a platform administrator"
    HUB = "the Hub's own cookies and tokens"
    TICKET = "the ticket that a page, or a program, has got from the api for this one thing"


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests one address may send: `average` in `period_s` seconds, and a burst."""

    average: int
    period_s: int
    burst: int


@dataclass(frozen=True, slots=True)
class Route:
    """One row.

    Parameters
    ----------
    rule
        Traefik's rule.
    port
        Where it goes, on loopback.
    rate
        None: only the limit that holds everywhere.
    body_limit_bytes
        None: no limit here. A limit makes Traefik hold request and answer in full, so rows
        with WebSockets or streams have none.
    timeout_s
        Longest wait for the first byte of the answer.
    logged
        Whether the access log notes its requests.
    """

    name: str
    rule: str
    port: int
    authentication: Authentication
    rate: Rate | None
    body_limit_bytes: int | None
    timeout_s: int
    logged: bool = True


EVERYWHERE = Rate(average=200, period_s=1, burst=600)
"""JupyterLab asks for a few hundred files when it opens."""

_LOGIN = Rate(average=30, period_s=60, burst=20)
_API = Rate(average=150, period_s=1, burst=400)
"""Of an address, behind which may be everybody's servers; the api limits each person."""


def routes(config: Config) -> tuple[Route, ...]:
    """Return the table; where two rows match, the earlier one wins."""
    api, hub = config.ports.api, config.ports.hub
    return (
        Route(
            "login",
            "Method(`POST`) && (Path(`/hub/login`)"
            " || PathRegexp(`^/hub/api/users/[^/]+/tokens/?$`))",
            hub,
            Authentication.NONE,
            _LOGIN,
            MIB // 16,
            60,  # PAM waits some seconds after a wrong password
        ),
        Route(
            "hub-changes",
            "PathPrefix(`/hub/`) && (Method(`POST`) || Method(`PUT`) || Method(`PATCH`)"
            " || Method(`DELETE`))",
            hub,
            Authentication.HUB,
            None,
            MIB,
            120,  # starting a server answers when it is up
        ),
        Route(
            "device-logins",
            f"Method(`POST`) && Path(`{_API_BASE}/device-logins`)",
            api,
            Authentication.NONE,
            _LOGIN,
            MIB // 16,
            30,
        ),
        Route(
            "events",
            "Method(`GET`) && PathRegexp(`^/services/mavis/api/v1/.+/(events|export|recording)$`)",
            api,
            Authentication.PROGRAM,
            _API,
            None,  # a stream
            90,  # a large export takes a minute to be written
        ),
        Route(
            "api",
            "PathPrefix(`/services/mavis/api/`)",
            api,
            Authentication.PROGRAM,
            _API,
            16 * MIB,  # above the api's own limit, which answers in its own form
            60,
        ),
        Route(
            "prefect",
            f"PathPrefix(`{_PREFECT}/`) || Path(`{_PREFECT}`)",
            api,
            Authentication.ADMINISTRATOR,
            None,
            None,  # WebSockets
            300,
        ),
        Route(
            "page-events",
            "Method(`GET`) && PathRegexp(`^/services/mavis/"
            "(projects/[^/]+/runs/[^/]+/events|projects/[^/]+/sessions/[^/]+/cast"
            "|records/(events|export))$`)",
            api,
            Authentication.COOKIE,
            _API,
            None,  # a stream
            90,
        ),
        Route(
            "dashboards-live",
            r"Method(`GET`) && PathRegexp(`^/services/mavis/dashboards/[^/]+/[^/]+/live$`)",
            api,
            Authentication.COOKIE,
            _API,
            None,  # a stream
            60,
        ),
        Route(
            "dashboards",
            f"PathPrefix(`{FRAMES}/`)",
            config.ports.dashboards,
            Authentication.TICKET,
            None,
            None,  # WebSockets, and pages that come piece by piece
            60,
            logged=False,  # its addresses hold tickets
        ),
        *(
            Route(
                f"gateway-{shard}" if shard else "gateway",
                f"Path(`{terminal_path(shard)}`)",
                config.gateway_port(shard),
                Authentication.TICKET,
                _API,
                None,  # WebSockets
                60,
            )
            for shard in range(config.remote.processes)
        ),
        Route(
            "pages",
            "PathPrefix(`/services/mavis/`) || Path(`/services/mavis`)",
            api,
            Authentication.COOKIE,
            _API,
            MIB,
            60,
        ),
    )


_API_BASE = "/services/mavis/api/v1"
_PREFECT = "/services/mavis/prefect"
