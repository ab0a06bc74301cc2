"""A person's own server leads to the REST API, for them and for nobody else."""

from __future__ import annotations

import pytest

from e2e.appliance import Appliance
from e2e.kernels import kernel, start_server
from mavis_core.access import Scope

ME, OTHER = "demo-operator", "demo-admin"
PATH = f"/user/{ME}/mavis/api/v1"


@pytest.fixture(scope="module")
def server_token(appliance: Appliance, tokens: dict[str, str], shop: str) -> str:
    """The token of the operator's running server, which its kernels know."""
    start_server(appliance, ME, tokens[ME])
    with kernel(appliance, ME, tokens[ME]) as inside:
        found = inside.run("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])").strip()
    assert len(found) >= 32
    return found


def test_a_person_s_server_asks_as_that_person_and_shows_no_token(
    appliance: Appliance, tokens: dict[str, str], shop: str, server_token: str
) -> None:
    with appliance.http(tokens[ME]) as client:
        me = client.get(f"{PATH}/me")
        listed = client.get(f"{PATH}/projects?1732672800000")
        denied = client.post(f"{PATH}/projects", json={"name": "other", "title": "Other"})
    assert (me.status_code, me.json()["name"]) == (200, ME)
    # The server's own authority, not that of the login that opened it.
    assert me.json()["scopes"] == sorted([Scope.READ, Scope.OPERATE])
    assert shop in [each["name"] for each in listed.json()["items"]]
    assert (denied.status_code, denied.json()["code"]) == (403, "forbidden")
    for answer in (me, listed, denied):
        assert answer.headers["x-request-id"].startswith("req_")
        assert server_token not in f"{answer.headers}{answer.text}"


def test_nobody_else_comes_through_a_person_s_server(
    appliance: Appliance, tokens: dict[str, str], server_token: str
) -> None:
    for token, status, code in ((tokens[OTHER], 403, "forbidden"), (None, 401, "unauthenticated")):
        with appliance.http(token) as client:
            for method in ("GET", "POST"):
                answer = client.request(method, f"{PATH}/me")
                assert answer.headers["content-type"] == "application/problem+json"
                assert (answer.status_code, answer.json()["code"]) == (status, code)
                assert answer.json()["request_id"] == answer.headers["x-request-id"]
                assert server_token not in f"{answer.headers}{answer.text}"
