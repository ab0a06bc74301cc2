"""Where there is no api, the browser is told what is the matter and what to do."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from integration.lab.conftest import Jupyter, running
from integration.lab.test_people import is_problem
from integration.lab.upstream import TOKEN, Reply, Upstream


@pytest.mark.parametrize("status", [400, 404, 500, 502, 504])
def test_a_refusal_that_is_not_the_api_s_is_told_as_unavailable(
    jupyter: Jupyter, upstream: Upstream, status: int
) -> None:
    """The edge proxy's, when the api is down or an address leads nowhere."""
    upstream.replies["/me"] = Reply(status, (("Content-Type", "text/plain"),), b"Bad Gateway")
    with jupyter.browser() as browser:
        answer = browser.get("/me")
        assert is_problem(answer, 503, "unavailable")
        assert str(status) in answer.json()["detail"]


def test_a_rate_limit_says_when_to_come_back(jupyter: Jupyter, upstream: Upstream) -> None:
    plain = ("Content-Type", "text/plain")
    upstream.replies["/me"] = Reply(429, (plain, ("Retry-After", "3")), b"Too Many Requests")
    with jupyter.browser() as browser:
        answer = browser.get("/me")
        assert is_problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "3"
        upstream.replies["/me"] = Reply(413, (plain,), b"Request Entity Too Large")
        assert is_problem(browser.post("/me", json={}), 413, "too_large")


def test_a_401_of_the_api_is_about_the_server_and_not_about_the_person(
    jupyter: Jupyter, upstream: Upstream
) -> None:
    body = json.dumps({"code": "unauthenticated", "detail": "The token is unknown"}).encode()
    upstream.replies["/me"] = Reply(401, (("Content-Type", "application/problem+json"),), body)
    with jupyter.browser() as browser:
        answer = browser.get("/me")
        assert is_problem(answer, 503, "unavailable")
        assert "start it again" in answer.json()["mend"]


def test_an_appliance_that_is_down_is_told_as_unavailable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/services/mavis"
        with running(tmp_path, {"MAVIS_URL": url}) as jupyter, jupyter.browser() as browser:
            for method in ("GET", "POST"):
                answer = browser.request(method, "/me")
                assert is_problem(answer, 503, "unavailable")
                assert "does not answer" in answer.json()["detail"]
                assert answer.headers["retry-after"] == "5"
                assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("environ", "status", "words"),
    [
        ({}, 503, "MAVIS_URL is not set"),
        ({"MAVIS_URL": "ftp://a"}, 503, "MAVIS_URL, is no plain http"),
        ({"MAVIS_URL": "https://a", "MAVIS_CA_FILE": "/nowhere"}, 503, "/nowhere"),
        ({"MAVIS_URL": "http://a", "JUPYTERHUB_USER": ""}, 403, "Only the owner"),
    ],
    ids=["no address", "an odd address", "no such certificate", "nobody's server"],
)
def test_a_server_that_knows_no_appliance_starts_and_says_so(
    tmp_path: Path, environ: dict[str, str], status: int, words: str
) -> None:
    with running(tmp_path, environ) as jupyter, jupyter.browser() as browser:
        answer = browser.get("/me")
        assert is_problem(answer, status, "unavailable" if status == 503 else "forbidden")
        assert words in answer.json()["detail"]
