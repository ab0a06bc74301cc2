"""The owner of the server comes through and nobody else does."""

from __future__ import annotations

import re

import httpx
import pytest

from integration.lab.conftest import XSRF, Jupyter
from integration.lab.upstream import Upstream
from mavis_core.ids import check_id

WHO = {
    "nobody": (None, 401, "unauthenticated"),
    "somebody else": ("olga", 403, "forbidden"),
    "one whom the Hub does not let in": ("stranger", 403, "forbidden"),
    "a service that bears the name": ("service-ada", 403, "forbidden"),
    "somebody whose name begins so": ("ada2", 403, "forbidden"),
    "a name in capitals": ("ADA", 403, "forbidden"),
    "nobody knows, the Hub is down": ("hub-is-down", 503, "unavailable"),
}


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert told["type"] == f"urn:mavis:error:{code}"
    assert told["detail"]
    assert told["mend"].endswith(".")
    assert check_id(told["request_id"], "req") == answer.headers["x-request-id"]
    return True


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
@pytest.mark.parametrize(("person", "status", "code"), WHO.values(), ids=WHO)
def test_who_is_not_the_owner_is_told_so(
    jupyter: Jupyter, upstream: Upstream, person: str | None, status: int, code: str, method: str
) -> None:
    with jupyter.browser(person) as browser:
        answer = browser.request(method, "/me")
        if method == "HEAD":
            assert answer.status_code == status
        else:
            assert is_problem(answer, status, code)
    assert upstream.seen == []


def test_a_token_of_somebody_else_is_refused_like_their_login(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser(None) as script:
        answer = script.get("/me", headers={"Authorization": "token olga-key"})
        assert is_problem(answer, 403, "forbidden")
        assert is_problem(script.get("/me?token=olga-key"), 403, "forbidden")
    assert upstream.seen == []


def test_the_owner_comes_in_by_login_by_token_and_without_a_hub_s_words(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser("ada") as browser, jupyter.browser("plain-ada") as other:
        assert browser.get("/me").status_code == 200
        assert other.get("/me").status_code == 200
    with jupyter.browser(None) as script:
        assert script.get("/me", headers={"Authorization": "token ada-key"}).status_code == 200
    assert len(upstream.seen) == 3


def test_a_401_says_how_to_log_in_and_sends_nobody_to_a_page(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser(None, Accept="text/html") as browser:
        answer = browser.get("/me")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (
        401,
        'Bearer realm="jupyter"',
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("sent", [{}, {"X-XSRFToken": "cd" * 16}], ids=["none", "another"])
def test_a_changing_call_needs_the_page_s_xsrf_token(
    jupyter: Jupyter, upstream: Upstream, method: str, sent: dict[str, str]
) -> None:
    cookies = {"person": "ada", "_xsrf": XSRF}
    base = f"{jupyter.url}{jupyter.api}"
    with httpx.Client(base_url=base, cookies=cookies, headers=sent, trust_env=False) as page:
        assert is_problem(page.request(method, "/me", json={}), 403, "forbidden")
        assert upstream.seen == []
        assert page.request(method, f"/me?_xsrf={XSRF}", json={}).status_code == 200
        page.headers["X-XSRFToken"] = XSRF
        assert page.request(method, "/me", json={}).status_code == 200


def test_a_token_needs_no_xsrf_token(jupyter: Jupyter, upstream: Upstream) -> None:
    headers = {"Authorization": "token ada-key"}
    url = f"{jupyter.url}{jupyter.api}/me"
    assert httpx.post(url, json={}, headers=headers, trust_env=False).status_code == 200


def test_a_page_of_another_site_is_refused(jupyter: Jupyter, upstream: Upstream) -> None:
    with jupyter.browser(Origin="https://evil.example") as page:
        assert is_problem(page.post("/me", json={}), 403, "forbidden")
    assert upstream.seen == []


def test_a_method_that_there_is_not_is_told_which_there_are(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser() as browser:
        for method in ("OPTIONS", "TRACE", "PROPFIND"):
            answer = browser.request(method, "/me")
            assert is_problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE"
    assert upstream.seen == []


def test_jupyter_s_log_names_the_request_that_was_refused(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    with jupyter.browser("olga") as browser:
        request_id = browser.get("/me").json()["request_id"]
    log = jupyter.log.read_text(encoding="utf-8")
    assert re.search(rf"mavis: {request_id} GET '/user/ada/mavis/api/v1/me': forbidden", log)
