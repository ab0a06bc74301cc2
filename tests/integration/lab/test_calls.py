"""Calls go through as they are, with the server's token and without the browser's own."""

from __future__ import annotations

import json

import httpx
import pytest

from integration.lab.conftest import XSRF, Jupyter
from integration.lab.upstream import API, PACKED, TOKEN, Reply, Upstream

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize("method", METHODS)
def test_a_call_goes_through_with_the_server_s_token(
    jupyter: Jupyter, upstream: Upstream, method: str
) -> None:
    upstream.replies["/projects"] = Reply(202, body=b'{"name": "shop"}')
    body = None if method == "GET" else b'{"a": "\xc3\xa4"}'
    with jupyter.browser() as browser:
        answer = browser.request(
            method, "/projects?limit=5&name=a%20b", content=body, headers={"Content-Type": "a/b"}
        )
    assert (answer.status_code, answer.json()) == (202, {"name": "shop"})
    assert answer.headers["x-request-id"] == "req_of_the_api"
    (seen,) = upstream.seen
    assert (seen.method, seen.uri) == (method, f"{API}/projects?limit=5&name=a%20b")
    assert seen.body == (body or b"")
    assert seen.all("Authorization") == [f"token {TOKEN}"]
    assert seen.all("Content-Type") == ["a/b"]
    assert TOKEN not in f"{answer.headers}{answer.text}"


def test_a_head_goes_through_without_a_body(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.browser() as browser:
        answer = browser.head("/projects")
        assert browser.get("/projects").status_code == 200  # the connection is still good
    assert (answer.status_code, answer.headers["content-length"]) == (200, "2")


def test_a_changing_call_without_a_body_says_that_there_is_none(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser() as browser:
        assert browser.post("/runs/x/cancel").status_code == 200
        assert browser.delete("/keys/x").status_code == 200
    posted, deleted = upstream.seen
    assert (posted.all("Content-Length"), posted.all("Transfer-Encoding")) == (["0"], [])
    assert (deleted.all("Content-Length"), deleted.body) == ([], b"")


def test_neither_the_browser_s_credentials_nor_hop_by_hop_headers_go_on(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    tricks = {
        "Authorization": "token ada-key",
        "X-XSRFToken": XSRF,
        "X-CSRFToken": "trick",
        "Cookie": "person=ada; trick=1",
        "Connection": "keep-alive, X-Hop, If-Match",
        "If-Match": '"trick"',
        "X-Hop": "trick",
        "Keep-Alive": "trick",
        "TE": "trick",
        "Proxy-Authorization": "trick",
        "Proxy-Connection": "trick",
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "trick.example",
        "Forwarded": "for=trick",
        "X-HTTP-Method-Override": "DELETE",
        "X-Request-Id": "trick",
        "Origin": jupyter.url,
        "Referer": f"{jupyter.url}/trick",
        "User-Agent": "trick",
        "Host": f"127.0.0.1:{jupyter.port}",
        "Upgrade": "h2c",
    }
    with jupyter.browser() as browser:
        assert browser.get("/me", headers=tricks).status_code == 200
    (seen,) = upstream.seen
    assert seen.names == {
        *("host", "connection", "authorization", "user-agent"),
        *("accept", "accept-encoding"),
    }
    assert seen.all("Host") == [f"127.0.0.1:{upstream.port}"]
    assert "trick" not in str(seen.headers)
    assert XSRF not in str(seen.headers)


def test_what_a_client_says_about_representations_and_repetition_goes_on(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    said = {
        "Accept": "text/csv",
        "Accept-Encoding": "br",
        "Accept-Language": "de",
        "Cache-Control": "no-cache",
        "Idempotency-Key": "k-1",
        "If-Match": '"a"',
        "If-None-Match": '"b", "c"',
        "If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT",
        "If-Unmodified-Since": "Mon, 01 Jan 2024 00:00:00 GMT",
        "Last-Event-ID": "7",
        "Prefer": "wait=5",
        "Range": "bytes=0-9",
    }
    with jupyter.browser() as browser:
        browser.get("/things", headers=said)
    (seen,) = upstream.seen
    assert {name: seen.all(name) for name in said} == {name: [v] for name, v in said.items()}


def test_jupyter_s_own_words_in_the_query_stay_here(jupyter: Jupyter, upstream: Upstream) -> None:
    """JupyterLab's ServerConnection ends each address with a moment, against caches."""
    with jupyter.browser() as browser:
        browser.get("/me?1732672800000")
        browser.get(f"/me?limit=5&_xsrf={XSRF}&%74oken=ada-key&no_track_activity=1&1732672800000")
        browser.get("/me?since=1732672800000&empty=")
    with jupyter.browser(None) as page:
        assert page.get("/me?token=ada-key").status_code == 200
    assert [seen.uri.removeprefix(API) for seen in upstream.seen] == [
        "/me",
        "/me?limit=5",
        "/me?since=1732672800000&empty=",
        "/me",
    ]


def test_what_is_packed_goes_on_packed(jupyter: Jupyter, upstream: Upstream) -> None:
    with (
        jupyter.browser() as browser,
        browser.stream("GET", "/packed", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        content = b"".join(answer.iter_raw())
    assert content == PACKED
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-length"] == str(len(PACKED))


def test_validators_and_a_304_come_back_as_they_are(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.browser() as browser:
        upstream.replies["/me"] = Reply(headers=(("ETag", 'W/"7"'), ("Cache-Control", "no-cache")))
        first = browser.get("/me", headers={"If-None-Match": 'W/"7"'})
        upstream.replies["/me"] = Reply(304, headers=(("ETag", 'W/"7"'),))
        second = browser.get("/me", headers={"If-None-Match": 'W/"7"'})
        upstream.replies["/me"] = Reply(204)
        third = browser.delete("/me")
    assert (first.status_code, first.headers["etag"]) == (200, 'W/"7"')
    assert first.headers["cache-control"] == "no-cache"
    assert (second.status_code, second.headers["etag"], second.content) == (304, 'W/"7"', b"")
    assert (third.status_code, third.content) == (204, b"")


def test_no_entity_tag_is_made_here(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.browser() as browser:
        upstream.replies["/me"] = Reply(headers=(("ETag", ""),), body=b"")
        upstream.replies["/health"] = Reply(headers=(("Etag", '"api"'),))
        answer = browser.get("/health")
    assert answer.headers["etag"] == '"api"'


def test_an_answer_sets_no_cookie_and_orders_nothing_about_the_origin(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    upstream.replies["/me"] = Reply(
        headers=(
            ("Set-Cookie", "a=b"),
            ("Set-Cookie", "_xsrf=trick; Path=/"),
            ("Clear-Site-Data", '"*"'),
            ("Service-Worker-Allowed", "/"),
            ("Strict-Transport-Security", "max-age=1"),
            ("Access-Control-Allow-Origin", "*"),
            ("Refresh", "0; url=https://evil.example"),
            ("Server", "trick"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authenticate", "Basic"),
            ("WWW-Authenticate", "Bearer"),
            ("X-Later", "kept"),
            ("Link", "<a>; rel=next"),
            ("Link", "<b>; rel=prev"),
        )
    )
    with jupyter.browser() as browser:
        answer = browser.get("/me")
    refused = ("set-cookie", "clear-site-data", "service-worker-allowed", "refresh")
    refused += ("strict-transport-security", "access-control-allow-origin", "keep-alive", "server")
    refused += ("proxy-authenticate", "www-authenticate")
    assert [name for name in refused if name in answer.headers] == []
    assert answer.headers["x-later"] == "kept"
    assert answer.headers.get_list("link") == ["<a>; rel=next", "<b>; rel=prev"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/services/mavis/api/v1/runs/run_1?a=b", "/user/ada/mavis/api/v1/runs/run_1?a=b"),
        ("{origin}/services/mavis/api/v1/runs/run_1", "/user/ada/mavis/api/v1/runs/run_1"),
        ("https://evil.example/services/mavis/api/v1/runs", None),
        ("//evil.example/services/mavis/api/v1/runs", None),
        ("/services/mavis/prefect/", None),
        ("/services/mavis/apiary", None),
        ("/services/mavis/api/../../hub/logout", None),
        ("runs/run_1", None),
    ],
)
def test_a_location_is_one_below_this_server_or_none(
    jupyter: Jupyter, upstream: Upstream, location: str, expected: str | None
) -> None:
    location = location.format(origin=f"http://127.0.0.1:{upstream.port}")
    upstream.replies["/runs"] = Reply(201, headers=(("Location", location),))
    with jupyter.browser() as browser:
        answer = browser.post("/runs", json={})
        assert (answer.status_code, answer.headers.get("location")) == (201, expected)
        upstream.replies["/runs"] = Reply(307, headers=(("Location", location),))
        moved = browser.post("/runs", json={})
    if expected:
        assert (moved.status_code, moved.headers["location"]) == (307, expected)
    else:
        assert (moved.status_code, moved.json()["code"]) == (503, "unavailable")
        assert "evil" not in moved.text
    assert len(upstream.seen) == 2  # no redirect was followed


def test_a_refusal_of_the_api_comes_back_word_for_word(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    told = {"code": "conflict", "detail": "No", "mend": "Do", "request_id": "req_of_the_api"}
    kind = ("Content-Type", "application/problem+json")
    upstream.replies["/keys"] = Reply(409, (kind, ("Retry-After", "7")), json.dumps(told).encode())
    with jupyter.browser() as browser:
        answer = browser.post("/keys", json={})
    assert (answer.status_code, answer.json()) == (409, told)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "7"


def test_the_api_s_own_prefix_without_anything_is_asked_too(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with httpx.Client(cookies={"person": "ada"}, trust_env=False) as browser:
        assert browser.get(f"{jupyter.url}/user/ada/mavis/api").status_code == 200
    assert [seen.uri for seen in upstream.seen] == ["/services/mavis/api"]
