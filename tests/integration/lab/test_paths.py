"""Only the API is reached, at one address that both sides read alike."""

from __future__ import annotations

import pytest

from integration.lab.conftest import Jupyter
from integration.lab.test_people import is_problem
from integration.lab.upstream import API, SERVICE, Upstream

ODD = {
    "up": "/v1/../../prefect",
    "up at the end": "/v1/..",
    "up, escaped": "/v1/%2e%2e/%2e%2e/prefect",
    "up, half escaped": "/v1/.%2e/prefect",
    "up, escaped twice": "/v1/%252e%252e/prefect",
    "up, escaped unevenly": "/v1/%25%32%65%2e/prefect",
    "here": "/v1/./me",
    "here, escaped": "/v1/%2E/me",
    "a slash, escaped": "/v1/projects%2Fshop",
    "a slash, escaped twice": "/v1/projects%252fshop",
    "a slash, escaped unevenly": "/v1/projects%25%32%66shop",
    "a backslash": "/v1/..\\..\\prefect",
    "a backslash, escaped": "/v1/..%5c..%5cprefect",
    "two slashes": "/v1//me",
    "a slash at the end": "/v1/me/",
    "a slash alone": "/",
    "zero": "/v1/me%00",
    "a line's end": "/v1/me%0d%0aX-Trick:%201",
    "delete": "/v1/me%7f",
    "half an escape": "/v1/me%2",
    "no escape": "/v1/me%zz",
    "a fragment": "/v1/me#x",
    "letters that are not ASCII": "/v1/pl\u00e4ne",
    "brackets": "/v1/[me]",
    "a quote": '/v1/"me"',
    "a query with a fragment": "/v1/me?a=#b",
    "a query with half an escape": "/v1/me?a=%2",
    "a query that is not ASCII": "/v1/me?a=\u00e4",
}


@pytest.mark.parametrize("path", ODD.values(), ids=ODD)
def test_an_odd_address_is_refused(jupyter: Jupyter, upstream: Upstream, path: str) -> None:
    prefix = f"{jupyter.base}mavis/api"
    for method in ("GET", "DELETE"):
        status, answer = jupyter.raw(prefix + path, method)
        assert status == 400
        assert b'"code": "invalid_input"' in answer
    status, _ = jupyter.raw(
        prefix + path,
        Upgrade="websocket",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert status == 400
    assert upstream.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "mavis/apiary",
        "mavis/prefect/",
        "mavis/",
        "mavis/API/v1/me",
        "mavis%2fapi/v1/me",
        "x/../mavis/api/v1/me",
        "/mavis/api/v1/me",
    ],
)
def test_what_is_not_below_the_prefix_is_not_the_forwarder_s(
    jupyter: Jupyter, upstream: Upstream, target: str
) -> None:
    status, _ = jupyter.raw(jupyter.base + target)
    assert status in (302, 403, 404)  # 302: Jupyter takes away a slash at the end
    assert upstream.seen == []


def test_no_other_host_can_be_named(jupyter: Jupyter, upstream: Upstream) -> None:
    for target in (
        f"http://127.0.0.1:{upstream.port}{API}/me",
        f"http://127.0.0.1:{jupyter.port}{jupyter.api}/me",
        f"//127.0.0.1:{upstream.port}{API}/me",
    ):
        assert jupyter.raw(target)[0] in (400, 403, 404)
    status, _ = jupyter.raw(f"{jupyter.api}/@evil.example/me")
    assert status == 200
    assert [seen.uri for seen in upstream.seen] == [f"{API}/@evil.example/me"]
    assert upstream.seen[0].all("Host") == [f"127.0.0.1:{upstream.port}"]


def test_names_of_all_kinds_come_through_untouched(jupyter: Jupyter, upstream: Upstream) -> None:
    names = (
        "user:olga@example.org",
        "a%20b",
        "%C3%A4",
        "a.b..c",
        "...",
        "50%25",
        "a+b;c=d,e~f!$&'()*",
    )
    for name in names:
        assert jupyter.raw(f"{jupyter.api}/members/{name}?q={name}")[0] == 200
    expected = [f"{API}/members/{name}?q={name}" for name in names]
    assert [seen.uri for seen in upstream.seen] == expected
    assert all(seen.uri.startswith(SERVICE) for seen in upstream.seen)


def test_a_long_address_and_a_long_header_are_refused(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.browser() as browser:
        long = browser.get(f"/me?a={'x' * 9000}")
        assert is_problem(long, 431, "headers_too_large")
        header = browser.get("/me", headers={"If-None-Match": "x" * 5000})
        assert is_problem(header, 431, "headers_too_large")
        assert "If-None-Match" in header.json()["detail"]
        # Its own cookies may be as long as they are: they do not go on.
        assert browser.get("/me", headers={"X-Other": "x" * 9000}).status_code == 200
    assert len(upstream.seen) == 1
