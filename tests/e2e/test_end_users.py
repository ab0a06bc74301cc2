"""An end user reaches published pages and nothing else: every other address is tried as them.

The addresses are those of what is installed here, asked of the programs themselves: a notebook
server with all its extensions, the Hub, the API. A browser's login, a login of the command line
and a token that was made at the Hub are tried alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyterhub.apihandlers import default_handlers as hub_api
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from e2e.appliance import Appliance
from e2e.kernels import start_server
from e2e.lab_routes import Route, lab_routes, methods_of, sample
from mavis_core.access import Scope
from mavis_ext.app import operations
from mavis_hub.dashboards.addresses import FRAMES
from mavis_kernel import Mavis

ME, OTHER = "demo-enduser", "demo-operator"
CREDENTIALS = ("login", "minted", "browser")
CLOSED = (403, 404, 401)
"""401 says our part of somebody else's server: a browser's login at the Hub is none there."""
FORM = re.compile(r'name="_xsrf" value="([^"]+)"')
FRAME = re.compile(rf"{FRAMES}/([A-Za-z0-9_-]{{43}})/")
PAGE = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}

FILES = {
    "APIVersionHandler",  # the version of jupyter_server
    "FileFindHandler",
    "PublicStaticFileHandler",
    "MultiStaticFileHandler",
    "TemplateStaticFileHandler",
}
"""Handlers of a notebook server that send everybody the same: parts of what is installed."""
WAYS = {"LoginFormHandler", "LogoutHandler"}
"""Its ways to the Hub's login and out of it."""
UNANSWERED = {"LicensesHandler"}
"""Handlers that refuse without ever saying so: jupyterlab_server 2 loses the answer to an error
there (its ``finish`` is a coroutine, which ``write_error`` does not await)."""
OWN_AT_THE_HUB = {
    ("GET", "/api/"),  # the version
    ("GET", "/api/user"),  # who one is
}
OWN_OPERATIONS = {
    ("GET", "/health"),
    ("GET", "/openapi.json"),
    ("GET", "/me"),
    ("GET", "/projects"),  # with the role in each, and no more
    ("POST", "/device-logins"),  # logins of one's own
    ("POST", "/device-logins/token"),
    ("GET", "/me/ssh-keys"),  # public keys of one's own, which open nothing without a role
    ("POST", "/me/ssh-keys"),
    ("GET", "/me/ssh-keys/{sshkey}"),
    ("DELETE", "/me/ssh-keys/{sshkey}"),
    ("GET", "/me/ssh-certificates"),  # as the keys
    ("POST", "/me/ssh-certificates"),
    ("GET", "/me/ssh-certificates/{sshcertificate}"),
    ("DELETE", "/me/ssh-certificates/{sshcertificate}"),
    ("GET", "/ssh-door"),  # where it is, which every SSH client is shown
    ("GET", "/projects/{project}/dashboards"),
    ("GET", "/projects/{project}/dashboards/{dashboard}"),
}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    found = lab_routes(tmp_path_factory.mktemp("lab"))
    starts = {each.sample.partition("/x")[0].partition("/a")[0] for each in found}
    for noun in ("contents", "kernels", "sessions", "terminals", "nbconvert", "events"):
        assert any(f"api/{noun}" in each.sample for each in found), noun
    assert {"lsp/status", "files", "voila/render", "mavis", "view"} <= starts
    return found


@pytest.fixture(scope="module")
def dashboard(shop: str, operator: Mavis) -> Iterator[str]:
    """A dashboard that end users may open."""
    operator.dashboards.publish(shop, "closed", shipped="status")
    yield "closed"
    operator.dashboards.unpublish(shop, "closed")


@pytest.fixture(scope="module")
def minted(appliance: Appliance, tokens: dict[str, str]) -> str:
    """The widest token that the Hub's page of tokens makes for an end user."""
    with appliance.http(tokens[ME]) as client:
        made = client.post(f"/hub/api/users/{ME}/tokens", json={"note": "mine", "expires_in": 3600})
    assert made.status_code == 201, made.text
    assert {Scope.READ, Scope.OPERATE, Scope.DESTROY} <= set(made.json()["scopes"])
    return str(made.json()["token"])


@pytest.fixture(scope="module")
def browser_like(appliance: Appliance, shop: str) -> Iterator[httpx.Client]:
    """A client that has logged in with the page, at the Hub and at Mavis."""
    with appliance.http() as client:
        client.follow_redirects = True
        page = client.get("/services/mavis/", headers=PAGE)
        xsrf = FORM.search(page.text)
        assert xsrf
        form = {"username": ME, "password": appliance.people[ME], "_xsrf": xsrf[1]}
        home = client.post(page.url, data=form, headers=PAGE)
        assert home.url.path == "/services/mavis/", home.text
        assert "Your dashboards" in home.text
        yield client


@pytest.fixture(params=CREDENTIALS)
def client(
    request: pytest.FixtureRequest, appliance: Appliance, tokens: dict[str, str], minted: str
) -> Iterator[httpx.Client]:
    """The end user, with each thing that says so."""
    if request.param == "browser":
        yield request.getfixturevalue("browser_like")
        return
    with appliance.http({"login": tokens[ME], "minted": minted}[request.param]) as found:
        found.follow_redirects = True
        yield found


def opened(client: httpx.Client, tried: list[tuple[str, str]], **request: Any) -> list[Any]:
    """Return what answered otherwise than by a refusal."""
    assert tried
    found = []
    for method, path in tried:
        status = client.request(method, path, **request).status_code
        if status not in CLOSED:
            found.append((method, path, status))
    return found


@pytest.mark.parametrize("owner", [ME, OTHER])
def test_no_route_of_a_notebook_server_opens(
    appliance: Appliance,
    tokens: dict[str, str],
    shop: str,
    routes: list[Route],
    client: httpx.Client,
    owner: str,
) -> None:
    """Neither of one's own, which cannot be started, nor of somebody's that runs."""
    start_server(appliance, OTHER, tokens[OTHER])
    known = {each.handler for each in routes}
    left_out = FILES | WAYS | (UNANSWERED if owner == OTHER else set())
    assert known >= left_out
    tried = [
        (method, f"/user/{owner}/{each.sample}")
        for each in routes
        for method in each.methods
        if each.handler not in left_out
    ]
    assert opened(client, tried) == []


@pytest.mark.parametrize("owner", [ME, OTHER])
def test_no_websocket_of_a_notebook_server_opens(
    appliance: Appliance,
    tokens: dict[str, str],
    shop: str,
    routes: list[Route],
    minted: str,
    owner: str,
) -> None:
    start_server(appliance, OTHER, tokens[OTHER])
    sockets = [each.sample for each in routes if each.websocket]
    assert len(sockets) >= 4
    for token in (tokens[ME], minted):
        for path in sockets:
            url = appliance.config.public_url.replace("http", "ws", 1) + f"/user/{owner}/{path}"
            header = {"Authorization": f"token {token}"}
            with pytest.raises(InvalidStatus) as caught:
                connect(url, additional_headers=header, ssl=appliance.trust, proxy=None)
            # Where no server runs the Hub leads on to itself, which no WebSocket follows.
            assert caught.value.response.status_code in (*CLOSED, 302), path


def test_the_hub_starts_nothing_and_tells_of_nobody_else(
    appliance: Appliance, shop: str, client: httpx.Client
) -> None:
    tried = []
    for pattern, handler, *_ in hub_api:
        if pattern.startswith("/api/oauth2") or pattern == "/api/health$":
            continue
        path = sample(pattern.replace("([^/]+)", OTHER, 1))
        tried += [
            (method, f"/hub{path}")
            for method in methods_of(handler)
            if (method, path) not in OWN_AT_THE_HUB
        ]
    servers = ("server", "servers/", "servers/x", "server/progress")
    tried += [("POST", f"/hub/api/users/{ME}/{each}") for each in servers[:3]]
    tried += [("GET", f"/hub/api/users/{ME}/{each}") for each in servers]
    assert len(tried) > 40
    assert opened(client, tried, json={}) == []


@pytest.mark.parametrize(
    "scopes",
    [
        ["admin:users"], ["admin:servers"], ["list:users"], ["servers"], ["access:servers"],
        ["access:services"], ["tokens"], ["groups"], ["shares"], ["proxy"], ["shutdown"],
        [f"access:servers!user={OTHER}"], [f"servers!user={OTHER}"], [f"tokens!user={OTHER}"],
        [Scope.ADMIN], ["custom:mavis:everything"],
    ],
    ids=lambda scopes: scopes[0],
)  # fmt: skip
def test_no_token_is_wider_than_its_owner(
    appliance: Appliance, tokens: dict[str, str], scopes: list[str]
) -> None:
    hub = f"http://127.0.0.1:{appliance.config.ports.hub}"  # the edge lets few at a time through
    for name in (ME, OTHER):
        answer = httpx.post(
            f"{hub}/hub/api/users/{name}/tokens",
            json={"scopes": scopes},
            headers={"Authorization": f"token {tokens[ME]}"},
            trust_env=False,
        )
        assert answer.status_code in (400, *CLOSED)
        assert '"token"' not in answer.text


@pytest.mark.parametrize("client", CREDENTIALS[:2], indirect=True)  # the API takes no cookies
def test_no_operation_opens_but_those_for_dashboards(
    shop: str, dashboard: str, client: httpx.Client
) -> None:
    description = json.loads(
        (Path(__file__).parents[2] / "extensions/mavis_ext/openapi.json").read_text()
    )
    own, broken = set(), []
    for path, operation in operations():
        method = operation.method
        told = description["paths"][f"{path}"][method.lower()]
        address = path.replace("{project}", shop).replace("{dashboard}", dashboard)
        body = told.get("requestBody", {}).get("content", {}).get("application/json", {})
        examples = [each["value"] for each in body.get("examples", {}).values()]
        answer = client.request(
            method,
            f"/services/mavis/api/v1{re.sub('{[a-z]+}', 'x', address)}",
            **({"json": examples[0]} if examples else {}),
        )
        if (method, path) in OWN_OPERATIONS:
            own.add((method, path))
        elif answer.status_code not in CLOSED:
            broken.append((method, path, answer.status_code))
    assert broken == []
    assert own == OWN_OPERATIONS


def test_prefect_and_pages_of_the_project_are_closed(shop: str, client: httpx.Client) -> None:
    site = "/services/mavis"
    tried = [
        ("GET", f"{site}/prefect/"),
        ("GET", f"{site}/prefect/v2/runs"),
        ("GET", f"{site}/prefect/api/health"),
        ("POST", f"{site}/prefect/api/flow_runs/filter"),
        ("POST", f"{site}/prefect/api/deployments/"),
        ("GET", f"{site}/projects/{shop}"),
        ("GET", f"{site}/projects/{shop}/runs"),
        ("GET", f"{site}/projects/{shop}/runs/x"),
        ("GET", f"{site}/projects/{shop}/previews/x"),
        ("GET", f"{site}/projects/{shop}/schedules"),
        ("GET", f"{site}/stories/x"),
        ("POST", f"{site}/internal/servers/may"),
        ("POST", f"{site}/internal/views/alive"),
    ]
    assert opened(client, tried) == []


def test_a_frame_has_no_route_of_a_notebook_server_or_of_voila(
    shop: str, dashboard: str, routes: list[Route], browser_like: httpx.Client
) -> None:
    page = browser_like.get(f"/services/mavis/dashboards/{shop}/{dashboard}/", headers=PAGE)
    ticket = FRAME.search(page.text)
    assert ticket
    assert browser_like.get(f"{FRAMES}/{ticket[1]}/").status_code == 200
    for before in (f"{FRAMES}/{ticket[1]}/", f"{FRAMES}/{'x' * 43}/"):
        tried = [
            (method, before + each.sample)
            for each in routes
            for method in each.methods
            if each.sample not in ("", "x/")
        ]
        assert opened(browser_like, tried) == []
