"""Whether an answer is the api's.

Between it and this server is the edge proxy, which answers, too: when the api is down, when it is
asked too often, and where an address leads elsewhere.
"""

from __future__ import annotations

from tornado.httputil import HTTPHeaders

from mavis_ext.lab.addresses import Addresses
from mavis_ext.lab.problems import CONTENT_TYPE, Problem, TooLarge, Unavailable

__all__ = ["foreign"]


def foreign(status: int, headers: HTTPHeaders, addresses: Addresses) -> Problem | None:
    """Return what to say instead of an answer; None where it is one of the api's own.

    The api's refusals are problem details, and it sends nobody elsewhere. Its 401 is about this
    server's token, and so says nothing to whoever is logged in here.
    """
    if status == 401:
        return Unavailable(
            "The appliance does not take this server's token any more",
            mend="Stop your server at the Hub's control panel and start it again.",
        )
    if 300 <= status < 400 and status != 304:
        if addresses.location(headers.get("Location", "")) is not None:
            return None
        return Unavailable(
            f"The appliance answers with status {status} and leads elsewhere",
            mend="Ask an administrator whether MAVIS_URL is the appliance's own address.",
        )
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if status < 400 or kind == CONTENT_TYPE:
        return None
    if status == 413:
        return TooLarge("The body is larger than the appliance takes")
    if status == 429:
        return Unavailable(
            "The appliance is asked too often from this machine", retry_after_s=_seconds(headers)
        )
    return Unavailable(
        f"The appliance answers with status {status}: its API is down or not there",
        mend="Wait a moment and retry; `mavisctl status` shows an administrator what is down.",
        retry_after_s=5,
    )


def _seconds(headers: HTTPHeaders) -> float:
    said = headers.get("Retry-After", "")
    return float(said) if said.isdecimal() and len(said) < 6 else 1.0
