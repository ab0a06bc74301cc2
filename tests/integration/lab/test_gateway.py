"""WebSockets of the gateway are bridged like the api's, but no token of the server goes there."""

from __future__ import annotations

from typing import Any

import pytest

from integration.lab.conftest import XSRF, Jupyter, until
from integration.lab.people import LIMITS
from integration.lab.test_sockets import ended, refusal
from integration.lab.upstream import GATEWAY, TOKEN, Upstream

PATH = "/terminal"


def test_messages_go_both_ways_and_the_end_with_its_reason(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.socket(PATH, below=jupyter.gateway, origin=jupyter.url) as browser:
        for message in ('{"ticket": "x"}', b"\x01\x00\xff", "x" * LIMITS.message_in_bytes):
            browser.send(message)
            assert browser.recv(10) == message
        browser.send("close")
        assert ended(browser) == (4001, "that is all")
    (seen,) = upstream.seen
    assert seen.uri == f"{GATEWAY}/terminal"


def test_the_gateway_sees_no_token_and_nothing_of_the_browser_s(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    tricks = {
        "Cookie": f"person=ada; _xsrf={XSRF}",
        "X-XSRFToken": XSRF,
        "X-Forwarded-For": "1.2.3.4",
    }
    with jupyter.socket(PATH, person=None, additional_headers=tricks, below=jupyter.gateway):
        until(lambda: upstream.seen, "the handshake at the gateway")
    (seen,) = upstream.seen
    assert not {"authorization", "cookie", "origin", "x-forwarded-for"} & seen.names
    assert TOKEN not in str(seen.headers)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"person": None}, 401, "unauthenticated"),
        ({"person": "olga"}, 403, "forbidden"),
        ({"origin": "https://evil.example"}, 403, "forbidden"),
    ],
    ids=["nobody", "somebody else", "another site"],
)
def test_who_is_not_the_owner_on_their_own_page_opens_none(
    jupyter: Jupyter, upstream: Upstream, options: dict[str, Any], status: int, code: str
) -> None:
    found, told = refusal(jupyter, PATH, below=jupyter.gateway, **options)
    assert (found, told["code"]) == (status, code)
    assert upstream.seen == []


@pytest.mark.parametrize("path", ["/../mavis/api/v1/me", "/%2e%2e/x", "/a%2fb", "//terminal"])
def test_no_address_leads_out_of_the_gateway_s(
    jupyter: Jupyter, upstream: Upstream, path: str
) -> None:
    status, _ = jupyter.raw(
        f"{jupyter.gateway}{path}",
        Upgrade="websocket",
        Connection="upgrade",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==",
    )
    assert status == 400
    assert upstream.seen == []


def test_nothing_but_websockets_is_there(jupyter: Jupyter, upstream: Upstream) -> None:
    for method in ("GET", "POST", "DELETE"):
        status, _ = jupyter.raw(f"{jupyter.gateway}/terminal", method)
        assert status in (400, 405)
    assert upstream.seen == []
