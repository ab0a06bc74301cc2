"""WebSockets are bridged: messages, subprotocols, ends and limits, both ways."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection

from integration.lab.conftest import XSRF, Jupyter, until
from integration.lab.people import LIMITS
from integration.lab.test_streams import kernel_buffers, memory_of
from integration.lab.upstream import API, PIECE, TOKEN, Upstream


def ended(connection: ClientConnection, within_s: float = 10) -> tuple[int, str]:
    """Return code and reason with which the connection was closed; (1006, "") without any."""
    with pytest.raises(ConnectionClosed) as caught:
        connection.recv(within_s)
    closed = caught.value.rcvd
    return (closed.code, closed.reason) if closed is not None else (1006, "")


def refusal(jupyter: Jupyter, path: str = "/socket", **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught, jupyter.socket(path, **options):
        pass
    answer = caught.value.response
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Set-Cookie" not in answer.headers
    return answer.status_code, json.loads(answer.body or b"{}")


def test_messages_go_both_ways_as_what_they_are(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.socket("/socket?project=shop&token=&_xsrf=x") as browser:
        for message in (
            "hello",
            "",
            "\u00e4\U0001f40b",
            b"\x00\xff",
            b"",
            "x" * LIMITS.message_in_bytes,
        ):
            browser.send(message)
            assert browser.recv(10) == message
        (seen,) = upstream.seen
        assert seen.uri == f"{API}/socket?project=shop"
    until(lambda: upstream.closed, "the end at the api")


def test_the_api_sees_the_server_s_token_and_nothing_of_the_browser_s(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    tricks = {
        "Cookie": f"person=ada; _xsrf={XSRF}; trick=1",
        "X-XSRFToken": XSRF,
        "X-Forwarded-For": "1.2.3.4",
        "Accept-Language": "de",
    }
    with jupyter.socket(person=None, additional_headers=tricks, origin=jupyter.url):
        until(lambda: upstream.seen, "the handshake at the api")
    (seen,) = upstream.seen
    assert seen.all("Authorization") == [f"token {TOKEN}"]
    assert seen.all("Accept-Language") == ["de"]
    assert not {"cookie", "origin", "x-xsrftoken", "x-forwarded-for"} & seen.names
    assert seen.all("Host") == [f"127.0.0.1:{upstream.port}"]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["other", "mavis.v1"], "mavis.v1"), (["other"], None), (None, None)],
    ids=["one that it knows", "none that it knows", "none"],
)
def test_the_api_chooses_the_subprotocol(
    jupyter: Jupyter, upstream: Upstream, offered: list[str] | None, chosen: str | None
) -> None:
    with jupyter.socket(subprotocols=offered) as browser:
        assert browser.subprotocol == chosen
        until(lambda: upstream.seen, "the handshake at the api")
        (seen,) = upstream.seen
        assert seen.all("Sec-WebSocket-Protocol") == ([",".join(offered)] if offered else [])


def test_the_api_s_end_comes_with_its_code_and_reason(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.socket() as browser:
        browser.send("close")
        assert ended(browser) == (4001, "that is all")


@pytest.mark.parametrize("how", ["end", "drop"])
def test_an_end_without_a_code_is_no_normal_one(
    jupyter: Jupyter, upstream: Upstream, how: str
) -> None:
    with jupyter.socket() as browser:
        browser.send(how)
        assert ended(browser) == (1011, "The appliance ended the connection")


def test_the_browser_s_end_comes_with_its_code_and_reason(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.socket() as browser:
        browser.close(4002, "seen enough")
    with jupyter.socket() as browser:
        browser.close(1000)
    until(lambda: len(upstream.closed) == 2, "both ends at the api")
    assert upstream.closed == [(4002, "seen enough"), (1000, None)]


def test_a_browser_that_vanishes_is_told_as_going_away(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.socket() as browser:
        browser.socket.shutdown(2)
        until(lambda: upstream.closed, "the end at the api", within_s=2)
    assert upstream.closed == [(1001, "The browser went away")]


def test_a_message_that_is_too_long_ends_it(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.socket() as browser:
        browser.send("x" * (LIMITS.message_in_bytes + 1))
        assert ended(browser)[0] in (1006, 1009)
    with jupyter.socket(max_size=None) as browser:
        browser.send("big")
        assert ended(browser)[0] == 1011
    until(lambda: len(upstream.closed) == 2, "both ends at the api")
    assert upstream.taken == 0


def test_a_browser_that_does_not_read_holds_the_api_back_and_is_cut_off(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.socket(max_size=None, max_queue=1, close_timeout=1) as browser:
        browser.send("flood")
        for _ in range(300):
            assert browser.recv(10) == PIECE
        before = memory_of(jupyter)
        until(lambda: upstream.closed, "the end at the api", within_s=10)
        assert memory_of(jupyter) - before < 8 * 1024 * 1024
    assert upstream.written < 300 * len(PIECE) + kernel_buffers() + 8 * 1024 * 1024


async def _sent_until_closed(jupyter: Jupyter) -> tuple[int, Close | None]:
    """Send like a browser, which reads while it writes, and return how much went and the end.

    The client that blocks holds one lock for both, and loses an end that comes meanwhile.
    """
    sent, closed = 0, None
    async with connect(
        f"ws://127.0.0.1:{jupyter.port}{jupyter.api}/socket",
        additional_headers={"Cookie": "person=ada"},
        compression=None,
        proxy=None,
        close_timeout=1,
    ) as browser:
        await browser.send("stop reading")
        try:
            while sent < 256 * 1024 * 1024:
                await browser.send(PIECE)
                sent += len(PIECE)
        except ConnectionClosed as exc:
            closed = exc.rcvd
    return sent, closed


def test_an_api_that_does_not_read_holds_the_browser_back_and_is_cut_off(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    before = memory_of(jupyter)
    sent, closed = asyncio.run(_sent_until_closed(jupyter))
    assert memory_of(jupyter) - before < 16 * 1024 * 1024
    assert closed is not None
    assert (closed.code, closed.reason) == (1013, "The appliance is too slow")
    assert sent < kernel_buffers() + 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("person", "status", "code"),
    [(None, 401, "unauthenticated"), ("olga", 403, "forbidden"), ("stranger", 403, "forbidden")],
)
def test_who_is_not_the_owner_opens_none(
    jupyter: Jupyter, upstream: Upstream, person: str | None, status: int, code: str
) -> None:
    found, told = refusal(jupyter, person=person)
    assert (found, told["code"]) == (status, code)
    assert told["mend"]
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("origin", "headers"),
    [("https://evil.example", {}), ("null", {})],
    ids=["another site", "a sandbox"],
)
def test_a_page_of_another_site_opens_none(
    jupyter: Jupyter, upstream: Upstream, origin: Any, headers: dict[str, str]
) -> None:
    found, told = refusal(jupyter, origin=origin, additional_headers=headers)
    assert (found, told["code"]) == (403, "forbidden")
    assert upstream.seen == []


def test_a_page_of_this_server_opens_one(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.socket(origin=jupyter.url) as browser:  # type: ignore[arg-type]  # a str by another name
        browser.send("hello")
        assert browser.recv(10) == "hello"


def test_what_the_api_refuses_is_the_answer_to_the_handshake(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    found, told = refusal(jupyter, "/refused")
    assert (found, told) == (
        404,
        {"code": "not_found", "detail": "No such feed", "mend": "List them."},
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/bad-gateway", "502"),
        ("/me", "no WebSocket"),
        ("/nothing", "does not answer"),
        ("/silent", "does not answer"),
    ],
)
def test_what_is_no_websocket_of_the_api_s_is_told_as_unavailable(
    jupyter: Jupyter, upstream: Upstream, path: str, words: str
) -> None:
    found, told = refusal(jupyter, path, open_timeout=20)
    assert (found, told["code"]) == (503, "unavailable")
    assert words in told["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_WebSocket_Version": "8", "Connection": "Upgrade"},
        {"Sec_WebSocket_Version": "13", "Connection": "close"},
        {"Connection": "Upgrade"},
    ],
    ids=["an old version", "no upgrade of the connection", "no version"],
)
def test_half_a_handshake_is_refused(
    jupyter: Jupyter, upstream: Upstream, headers: dict[str, str]
) -> None:
    status, answer = jupyter.raw(f"{jupyter.api}/socket", Upgrade="websocket", **headers)
    assert status == 400
    assert b'"code": "invalid_input"' in answer
    assert upstream.seen == []


def test_one_socket_too_many_is_told_when_to_come_back(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    opened = [jupyter.socket() for _ in range(LIMITS.feeds)]
    found, told = refusal(jupyter)
    with jupyter.browser() as browser:
        assert browser.get("/feed", headers={"Accept": "text/event-stream"}).status_code == 503
        assert browser.get("/me").status_code == 200
    for each in opened:
        each.close()
    assert (found, told["code"], told["retry_after_s"]) == (503, "unavailable", 1)
    until(lambda: not upstream.open["socket"], "the end of all")
    for _ in range(LIMITS.feeds + 1):  # seats are left, also where the api refuses
        assert refusal(jupyter, "/refused")[0] == 404
    with jupyter.socket() as browser:
        browser.send("hello")
        assert browser.recv(10) == "hello"


def test_a_browser_that_answers_no_ping_is_given_up(jupyter: Jupyter, upstream: Upstream) -> None:
    """As when its machine sleeps; one that is only silent stays."""
    head = (
        f"GET {jupyter.api}/socket HTTP/1.1\r\nHost: 127.0.0.1:{jupyter.port}\r\n"
        "Cookie: person=ada\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with (
        jupyter.socket(ping_interval=None) as silent,
        socket.create_connection(("127.0.0.1", jupyter.port)) as sleeping,
    ):
        sleeping.sendall(head.encode())
        until(lambda: upstream.open["socket"] == 2, "both at the api")
        until(lambda: upstream.open["socket"] == 1, "the end of one", within_s=12)
        silent.send("hello")
        assert silent.recv(10) == "hello"
    until(lambda: len(upstream.closed) == 2, "both ends")
    assert upstream.closed[0][0] == 1001
