"""Answers are passed on as they come, for as long as both sides are there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from integration.lab.conftest import XSRF, Jupyter, until
from integration.lab.people import LIMITS
from integration.lab.test_people import is_problem
from integration.lab.upstream import PIECE, Upstream

FEED = {"Accept": "text/event-stream"}


def memory_of(jupyter: Jupyter) -> int:
    return int(psutil.Process(jupyter.process.pid).memory_info().rss)


def kernel_buffers() -> int:
    """Return how many bytes the kernel keeps at most of what two connections carry one way."""
    tops = [Path(f"/proc/sys/net/ipv4/tcp_{kind}mem").read_text().split()[2] for kind in "rw"]
    return 2 * sum(map(int, tops))


def test_events_come_one_by_one_and_the_api_hears_when_the_browser_goes(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser() as browser:
        with browser.stream("GET", "/feed", headers={**FEED, "Last-Event-ID": "41"}) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            assert "content-length" not in answer.headers
            stream = answer.iter_lines()
            told = [next(stream) for _ in range(6)]
            assert upstream.open["feed"] == 1
        until(lambda: not upstream.open["feed"], "the end of the feed at the api", within_s=2)
    assert [line for line in told if line] == [
        *("id: 42", "data: event 42"),
        *("id: 43", "data: event 43"),
    ]


def test_a_feed_outlives_the_limits_of_other_answers(jupyter: Jupyter, upstream: Upstream) -> None:
    began = time.monotonic()
    with (
        jupyter.browser() as browser,
        browser.stream("GET", "/feed", headers=FEED) as answer,
    ):
        events = 0
        for line in answer.iter_lines():
            events += line.startswith("id:")
            if time.monotonic() - began > LIMITS.begin_s + LIMITS.quiet_feed_s:
                break
    assert events > 20


def test_a_feed_that_says_nothing_is_cut_off_without_an_end(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    """EventSource comes back by itself; an end that was none would look like one of the api's."""
    with (
        jupyter.browser() as browser,
        browser.stream("GET", "/feed?quiet", headers=FEED) as answer,
    ):
        stream = answer.iter_lines()
        assert next(stream) == "id: 1"
        with pytest.raises(httpx.RemoteProtocolError):
            list(stream)
    until(lambda: not upstream.open["feed"], "the end of the feed at the api", within_s=2)


def test_the_api_hears_at_once_when_the_browser_goes_before_the_answer(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    head = (
        f"GET {jupyter.api}/silent HTTP/1.1\r\nHost: 127.0.0.1:{jupyter.port}\r\n"
        f"Cookie: person=ada; _xsrf={XSRF}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", jupyter.port)) as stream:
        stream.sendall(head.encode())
        until(lambda: upstream.open.get("silent"), "the call at the api", within_s=3)
    until(lambda: not upstream.open["silent"], "its end at the api", within_s=LIMITS.begin_s / 2)


def test_an_api_that_does_not_answer_is_told_as_unavailable(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser() as browser:
        assert is_problem(browser.get("/silent"), 503, "unavailable")
    until(lambda: not upstream.open["silent"], "the end of the call at the api", within_s=5)


def test_an_api_that_hangs_up_is_told_as_unavailable(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.browser() as browser:
        answer = browser.get("/nothing")
        assert is_problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_half_an_answer_does_not_look_whole(jupyter: Jupyter, upstream: Upstream, how: str) -> None:
    with jupyter.browser() as browser:
        with pytest.raises(httpx.RemoteProtocolError):
            browser.get(f"/half?{how}")
        assert browser.get("/me").status_code == 200


def test_a_browser_that_does_not_read_holds_the_api_back_and_is_cut_off(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with (
        jupyter.browser() as browser,
        browser.stream("GET", "/flood") as answer,
    ):
        pieces = answer.iter_raw(len(PIECE))
        for _ in range(500):  # 32 MB: nothing of it is kept on the way
            next(pieces)
        assert upstream.open["flood"] == 1
        before = memory_of(jupyter)
        until(lambda: not upstream.open["flood"], "the end of the flood at the api", within_s=10)
        assert memory_of(jupyter) - before < 8 * 1024 * 1024
    assert upstream.written < 500 * len(PIECE) + kernel_buffers() + 8 * 1024 * 1024


def pieces(number: int, size: int, pause_s: float = 0) -> Iterator[bytes]:
    for _ in range(number):
        yield b"x" * size
        threading.Event().wait(pause_s)


def test_a_slow_body_arrives_whole_while_it_is_in_time(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser() as browser:
        answer = browser.post("/things", content=pieces(8, 1000, pause_s=0.1))
    assert answer.status_code == 200
    (seen,) = upstream.seen
    assert seen.body == b"x" * 8000
    assert seen.all("Content-Length") == ["8000"]


def test_a_body_that_takes_too_long_is_refused(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.browser() as browser:
        answer = browser.post("/things", content=pieces(2, 1000, pause_s=LIMITS.body_s + 0.5))
        assert is_problem(answer, 408, "too_slow")
        assert answer.headers["connection"] == "close"
    assert upstream.seen == []


@pytest.mark.parametrize("kind", ["with a length", "in pieces"])
def test_a_body_is_at_most_a_mebibyte(jupyter: Jupyter, upstream: Upstream, kind: str) -> None:
    most = LIMITS.body_bytes
    with jupyter.browser() as browser:
        for size in (most, most + 1, 2 * most):
            content = b"x" * size if kind == "with a length" else pieces(1, size)
            answer = browser.post("/things", content=content)
            if size == most:
                assert answer.status_code == 200
            else:
                assert is_problem(answer, 413, "too_large")
    assert [len(seen.body) for seen in upstream.seen] == [most]


@pytest.mark.parametrize("said", ["999999999", ""], ids=["with a length", "in pieces"])
def test_an_endless_body_is_not_read_to_its_end(
    jupyter: Jupyter, upstream: Upstream, said: str
) -> None:
    head = (
        f"POST {jupyter.api}/things HTTP/1.1\r\nHost: 127.0.0.1:{jupyter.port}\r\n"
        f"Cookie: person=ada; _xsrf={XSRF}\r\nX-XSRFToken: {XSRF}\r\n"
    )
    head += f"Content-Length: {said}\r\n\r\n" if said else "Transfer-Encoding: chunked\r\n\r\n"
    piece = PIECE if said else b"10000\r\n" + PIECE + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", jupyter.port), timeout=20) as stream:
        stream.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            while sent < 1600 * len(PIECE):
                stream.sendall(piece)
                sent += len(PIECE)
    assert sent < LIMITS.drained_bytes + 16 * 1024 * 1024
    assert upstream.seen == []


def test_one_call_too_many_is_told_when_to_come_back(jupyter: Jupyter, upstream: Upstream) -> None:
    answers: list[int] = []

    def ask() -> None:
        with jupyter.browser() as browser:
            answers.append(browser.get("/held").status_code)

    asking = [threading.Thread(target=ask) for _ in range(LIMITS.calls)]
    for each in asking:
        each.start()
    until(lambda: upstream.open.get("held") == LIMITS.calls, "all calls at the api", within_s=3)
    with jupyter.browser() as browser:
        refused = browser.post("/me", json={})
        with browser.stream("GET", "/feed", headers=FEED) as feed:
            assert feed.status_code == 200  # those who listen sit elsewhere
        upstream.let_go()
        for each in asking:
            each.join(10)
        assert is_problem(refused, 503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["retry_after_s"] == 1
        assert answers == [200] * LIMITS.calls
        assert browser.get("/me").status_code == 200


def test_seats_are_left_however_a_call_ends(jupyter: Jupyter, upstream: Upstream) -> None:
    """Refused, broken off, cut off, left by the browser: each oftener than there are seats."""
    with jupyter.browser() as browser:
        for _ in range(LIMITS.calls + 1):
            assert browser.get("/nothing").status_code == 503
            assert browser.get("/%2e").status_code == 400
            assert browser.post("/me", content=b"x" * 2 * 1024**2).status_code == 413
            with pytest.raises(httpx.RemoteProtocolError):
                browser.get("/half")
            with browser.stream("GET", "/feed", headers=FEED) as feed:
                assert feed.status_code == 200
            with browser.stream("GET", "/feed") as feed:
                assert feed.status_code == 200
            until(lambda: not upstream.open["feed"], "the end of the feed", within_s=2)
        assert browser.get("/me").status_code == 200
