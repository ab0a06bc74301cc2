"""Which headers go on, in which direction.

To the api goes what is listed: the request's own credentials, cookies and XSRF tokens are for
this server. Back comes all but what speaks of a connection, sets a cookie, or gives orders to
the browser about a whole origin, which is the origin of the person's server here.
"""

from __future__ import annotations

from collections.abc import Iterator

from tornado.httputil import HTTPHeaders

from mavis_ext.lab.addresses import Addresses
from mavis_ext.lab.problems import HeadersTooLarge

__all__ = ["incoming", "outgoing"]

_SENT_ON = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Cache-Control",
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Last-Event-Id",
    "Prefer",
    "Range",
)
# RFC 9110 section 7.6.1, and what older clients and servers take to be of the kind.
_OF_A_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_KEPT_BACK = _OF_A_CONNECTION | {
    "alt-svc",
    "authentication-info",
    "clear-site-data",
    "date",
    "nel",
    "public-key-pins",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "www-authenticate",
}
_ABOUT_OTHER_SITES = ("access-control-", "cross-origin-", "sec-websocket-")
_ADDRESSES = frozenset({"location", "content-location"})


def outgoing(asked: HTTPHeaders, longest: int) -> dict[str, str]:
    """Return what goes to the api of a request's headers.

    Raises
    ------
    HeadersTooLarge
        One of them has over `longest` characters.
    """
    dropped = _named_by_connection(asked)
    sent = {name: asked[name] for name in _SENT_ON if name in asked and name.lower() not in dropped}
    for name, value in sent.items():
        if len(value) > longest:
            raise HeadersTooLarge(f"The header {name} has over {longest} characters")
    return sent


def incoming(answered: HTTPHeaders, addresses: Addresses) -> Iterator[tuple[str, str]]:
    """Yield what comes back of an answer's headers; addresses are those below this server."""
    dropped = _KEPT_BACK | _named_by_connection(answered)
    for name, value in answered.get_all():
        lower = name.lower()
        if lower in dropped or lower.startswith(_ABOUT_OTHER_SITES):
            continue
        if lower not in _ADDRESSES:
            yield name, value
        elif (moved := addresses.location(value)) is not None:
            yield name, moved


def _named_by_connection(headers: HTTPHeaders) -> frozenset[str]:
    """Return the names of headers that are for the next hop only."""
    named = headers.get("Connection", "").split(",")
    return frozenset(name.strip().lower() for name in named)
