"""The inventory of all that can be called: every route says how it is guarded, and is.

The application is the one that the api process makes; a small server says whose a token is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyterhub.services import auth as hub_auth
from tornado.routing import Rule
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from core_double import PLATFORM
from hub_double import Hub, hub_application
from integration.api.test_operations import (
    ALL,
    BY_ROLE,
    IN_PROJECT,
    OF_PLATFORM,
    Operation,
    ask,
    name,
)
from mavis_core.access import PERMISSIONS, Permission, Role
from mavis_core.config import Config
from mavis_ext.answers import Needs
from mavis_ext.app import PREFIX
from mavis_ext.base import ApiHandler, Services, methods_of
from mavis_ext.operation import operations_of
from mavis_ext.prefect_routes import EVENTS
from mavis_hub import api
from mavis_hub.hub_identity import CACHE_S, HubIdentity, hub_oauth
from mavis_hub.hub_logins import HubLogins
from mavis_hub.processes import processes
from rest_service import RestService, served, serving

TESTS = Path(__file__).parents[2]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Guard(StrEnum):
    """How a route is guarded."""

    OPERATION = "by a token, and by what its operation needs"
    OPEN = "by limits only: it is there for those who have no token yet, and tells nothing"
    TOKEN = "by a token; then there is nothing"
    PAGE = "by the login of a browser, to which it leads"
    FILE = "not at all: it is the same for everybody, and tells nothing"
    LOADED = "by the login of a browser; it leads nowhere"
    ANSWER = "by the login of a browser and what it was sent away with"
    ADMINISTRATOR = "by the login of a browser of an administrator of the platform"
    LEADS = "by the login of a browser, to which it leads; then it leads to a page"
    STREAM = "by the login of a browser, asked again every few seconds"
    SECRET = "by a secret of a process; to all others there is nothing"
    WAY_BACK = "by what the browser was sent to the login with"


@dataclass(frozen=True)
class Row:
    """A route that is no operation of the API.

    Parameters
    ----------
    sample
        An address that leads to it, below the prefix of the process.
    status
        What somebody gets there who may have it; 404 where the address names nothing.
    """

    sample: str
    guard: Guard
    status: int = 200


OPEN = {"Health", "DeviceLogins", "DeviceToken"}
"""Handlers of operations that take no token."""
API_PROCESS = {
    "mavis_ext.handlers.platform.Unknown": Row("/api/v1/nothing", Guard.TOKEN),
    "mavis_ext.prefect_events.EventsHandler": Row(f"/prefect{EVENTS}", Guard.ADMINISTRATOR),
    "mavis_ext.prefect_proxy._PagesHandler": Row("/prefect/v2/", Guard.ADMINISTRATOR),
    "mavis_hub.pages.api_docs._DocsPage": Row("/docs", Guard.PAGE),
    "mavis_hub.pages.api_docs._Description": Row("/docs/openapi.json", Guard.LOADED),
    "mavis_hub.pages.api_docs._Assets": Row("/docs/page.css", Guard.LOADED),
    "mavis_hub.pages.login.Question": Row("/login", Guard.PAGE),
    "mavis_hub.pages.login.Answer": Row("/login/callback", Guard.ANSWER),
    "mavis_hub.pages.home.Home": Row("/", Guard.PAGE),
    "mavis_hub.pages.audit.Audit": Row("/records", Guard.PAGE),
    "mavis_hub.pages.searches.SavedSearches": Row("/records/searches", Guard.LEADS),
    "mavis_hub.pages.record_parts.RecordEvents": Row("/records/events", Guard.LOADED),
    "mavis_hub.pages.record_parts.RecordsFile": Row("/records/export?format=csv", Guard.PAGE),
    "mavis_hub.pages.record_parts.Around": Row(
        "/records/rec_01jd3k00000000000000000000", Guard.PAGE, 404
    ),
    "mavis_hub.pages.members.Members": Row("/projects/shop/members", Guard.PAGE),
    "mavis_hub.pages.new_project.NewProject": Row("/new-project", Guard.PAGE, 403),
    "mavis_hub.pages.projects.ProjectPage": Row("/projects/shop", Guard.PAGE),
    "mavis_hub.pages.preview_groups.GroupConfirmation": Row(
        "/projects/shop/preview-groups/x", Guard.PAGE, 404
    ),
    "mavis_hub.pages.previews.Confirmation": Row("/projects/shop/previews/x", Guard.PAGE, 404),
    "mavis_hub.pages.recovery_points.PointsPage": Row("/projects/shop/recovery-points", Guard.PAGE),
    "mavis_hub.pages.recovery_points.PointPage": Row(
        "/projects/shop/recovery-points/x", Guard.PAGE, 404
    ),
    "mavis_hub.pages.restores.RestoresPage": Row("/projects/shop/restores", Guard.PAGE),
    "mavis_hub.pages.runs.RunsPage": Row("/projects/shop/runs", Guard.PAGE),
    "mavis_hub.pages.runs.RunPage": Row("/projects/shop/runs/x", Guard.PAGE, 404),
    "mavis_hub.pages.runs.RunEvents": Row("/projects/shop/runs/x/events", Guard.LOADED, 404),
    "mavis_hub.pages.schedules.Schedules": Row("/projects/shop/schedules", Guard.PAGE),
    "mavis_hub.pages.devices.DevicesPage": Row("/projects/shop/devices", Guard.PAGE),
    "mavis_hub.pages.sessions.SessionsPage": Row("/projects/shop/sessions", Guard.PAGE),
    "mavis_hub.pages.sessions.SessionPage": Row("/projects/shop/sessions/x", Guard.PAGE, 404),
    "mavis_hub.pages.sessions.CastFile": Row("/projects/shop/sessions/x/cast", Guard.PAGE, 403),
    "mavis_hub.pages.sessions.FoundPage": Row("/projects/shop/recordings", Guard.PAGE, 403),
    "mavis_hub.pages.sessions.TerminalPage": Row(
        "/projects/shop/sessions/x/terminal", Guard.PAGE, 403
    ),
    "mavis_hub.pages.sessions.WatchPage": Row("/projects/shop/sessions/x/watch", Guard.PAGE, 405),
    "mavis_hub.pages.stories.Story": Row("/stories/x", Guard.PAGE, 404),
    "mavis_hub.pages.dashboards.Gallery": Row("/dashboards", Guard.PAGE),
    "mavis_hub.pages.dashboards.Slash": Row("/dashboards/shop/x", Guard.LEADS),
    "mavis_hub.pages.dashboards.Dashboard": Row("/dashboards/shop/x/", Guard.PAGE, 404),
    "mavis_hub.pages.dashboards.Live": Row("/dashboards/shop/x/live", Guard.STREAM),
    "mavis_hub.answering.Ask": Row("/internal/views/start", Guard.SECRET),
    "mavis_hub.pages.assets.Static": Row("/static/mavis.css", Guard.FILE),
    "mavis_hub.pages.handlers.Callback": Row("/oauth_callback", Guard.WAY_BACK),
}
PROCESSES = {
    "edge": "integration/appliance/test_edge.py",
    "hub": "integration/appliance/test_hub.py",
    "api": "integration/api/test_routes.py",
    "prefect": "integration/test_prefect_proxy.py",
    "worker": "integration/appliance/test_isolation.py",  # it listens on nothing
    "logs": "integration/test_log_service.py",
    "dashboards": "integration/dashboards/test_authority.py",
    "gateway": "integration/gateway/test_terminal.py",
    "a person's server": "integration/lab/test_people.py",
}
"""Every process that people or processes can reach, and where its guard is tested."""


class Hour:
    """The clock of the Hub's client: how long it believes what the Hub said."""

    def __init__(self) -> None:
        self.later_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.later_s


@pytest.fixture(scope="module")
def hub() -> Hub:
    return Hub()


@pytest.fixture(scope="module")
def made() -> list[Application]:
    """The application, once it is served."""
    return []


@pytest.fixture(scope="module")
def rest(
    hub: Hub, made: list[Application], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RestService]:
    """Serve what the api process serves."""
    with ExitStack() as stack:
        port = stack.enter_context(served(hub_application(hub)))

        def application(config: Config, services: Services) -> Application:
            there = replace(config, ports=replace(config.ports, hub=port))
            identity = HubIdentity(hub_oauth(there))
            services = replace(services, identify=identity)
            made.append(api._application(there, services, identity, HubLogins(there)))
            return made[0]

        home = tmp_path_factory.mktemp("routes")
        yield stack.enter_context(serving(home, logs=True, application=application))


def handlers_of(application: Application) -> list[type[RequestHandler]]:
    """Return the handler of every rule, however deep."""
    found: list[type[RequestHandler]] = []

    def walk(rules: list[Rule]) -> None:
        for rule in rules:
            if isinstance(rule.target, type):
                assert issubclass(rule.target, RequestHandler), rule
                found.append(rule.target)
            else:
                walk(rule.target.rules)

    walk(application.default_router.rules)
    walk(application.wildcard_router.rules)
    return found


def full_name(handler: type[RequestHandler]) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"


def test_every_route_is_an_operation_or_in_the_table(
    rest: RestService, made: list[Application]
) -> None:
    handlers = handlers_of(made[0])
    assert len(handlers) > 50
    others = {full_name(each) for each in handlers if not operations_of(each)}
    assert others == set(API_PROCESS)
    sockets = {full_name(each) for each in handlers if issubclass(each, WebSocketHandler)}
    assert sockets == {"mavis_ext.prefect_events.EventsHandler"}


def test_every_process_has_its_guard_tested(rest: RestService) -> None:
    known = {row.name for row in processes(rest.config, {})}
    assert known | {"a person's server"} == set(PROCESSES)
    assert [each for each in PROCESSES.values() if not (TESTS / each).is_file()] == []


def test_a_handler_of_operations_has_nothing_else(
    rest: RestService, made: list[Application]
) -> None:
    open_ones = set()
    for handler in handlers_of(made[0]):
        if not (told := operations_of(handler)):
            continue
        assert issubclass(handler, ApiHandler), handler
        assert set(told) == set(methods_of(handler)), handler
        assert handler.head is RequestHandler.head
        assert handler.options is RequestHandler.options
        if not handler.authenticated:
            open_ones.add(handler.__name__)
            assert {each.needs for each in told.values()} == {Needs.NOTHING}
        else:
            assert Needs.NOTHING not in {each.needs for each in told.values()}
    assert open_ones == OPEN


@pytest.mark.parametrize("operation", ALL, ids=name)
def test_an_operation_is_for_nobody_and_not_for_those_who_may_not(
    rest: RestService, things: dict[str, str], operation: Operation
) -> None:
    if operation.needs is Needs.NOTHING:
        return
    for token in (None, "unknown"):
        assert ask(rest, operation, things, token).code == "unauthenticated"
    if operation in IN_PROJECT:
        assert ask(rest, operation, things, "eve").code == "not_found"
    if operation in OF_PLATFORM:
        assert ask(rest, operation, things, "olga").code == "forbidden"
    if operation in BY_ROLE:
        good = PERMISSIONS[Permission(operation.needs)].roles
        for role in set(Role) - set(good):
            assert ask(rest, operation, things, f"as-{role}").code == "forbidden"


@pytest.mark.parametrize("handler", API_PROCESS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("token", [None, "unknown"])
def test_nobody_gets_anything_from_another_route(
    rest: RestService, handler: str, method: str, token: str | None
) -> None:
    row = API_PROCESS[handler]
    answer = rest.ask(
        method, row.sample, token, prefix=PREFIX, Accept="text/html", Sec_Fetch_Site="same-origin"
    )
    leads = row.guard in (Guard.PAGE, Guard.LEADS) or handler.endswith("_PagesHandler")
    if method == "GET" and leads and answer.status == 302:
        assert "/hub/api/oauth2/authorize?" in answer.headers["Location"]
        assert answer.content == b""
    elif row.guard is Guard.FILE:
        assert answer.status == (200 if method == "GET" else 405)
    elif row.guard is Guard.SECRET:
        assert answer.status == 404
    else:
        assert answer.status in (400, 401, 403, 405), answer.content
        assert b"shop" not in answer.content


@pytest.mark.parametrize("handler", API_PROCESS)
def test_a_page_is_for_whoever_is_logged_in(rest: RestService, handler: str) -> None:
    row = API_PROCESS[handler]
    status = rest.ask("GET", row.sample, "olga", prefix=PREFIX).status
    if handler.startswith("mavis_hub.pages.login"):
        assert status == 403, "it takes a browser and no token"
    elif row.guard in (Guard.PAGE, Guard.LOADED, Guard.FILE):
        assert status == row.status
    elif row.guard is Guard.LEADS:
        assert status == 302
    elif row.guard is Guard.STREAM:
        assert status == 200
    else:
        assert status in (400, 403, 404)


@pytest.mark.parametrize(
    "handler", [each for each, row in API_PROCESS.items() if row.guard is Guard.ADMINISTRATOR]
)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_for_administrators_is_for_nobody_else(
    rest: RestService, handler: str, method: str
) -> None:
    for token in ("olga", "kernel", "as-viewer", "eve", "ada"):
        administrator = rest.tokens.known[token].scopes == PLATFORM
        answer = rest.ask(method, API_PROCESS[handler].sample, token, prefix=PREFIX)
        assert (answer.status == 403) is (not administrator or method != "GET"), token


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("unknown", 401), ("olga", 403)])
def test_a_socket_opens_for_nobody_else(rest: RestService, token: str | None, status: int) -> None:
    address = f"ws://127.0.0.1:{rest.port}{PREFIX}/prefect{EVENTS}"
    headers = {"Authorization": f"token {token}"} if token else {}
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(address, additional_headers=headers, origin=f"http://127.0.0.1:{rest.port}"),
    ):
        pass
    assert caught.value.response.status_code == status


@pytest.mark.parametrize(
    "path", ["/", "/services", "/services/other", "/services/mavisx", "/api/v1/me"]
)
def test_beside_the_table_there_is_nothing(rest: RestService, path: str) -> None:
    for method in METHODS:
        for token in (None, "ada"):
            assert rest.ask(method, path, token, prefix="").status == 404


def test_a_revoked_token_works_for_thirty_seconds_at_most(
    rest: RestService, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = Hour()
    clock = SimpleNamespace(**{**vars(time), "monotonic": hour.monotonic})
    monkeypatch.setattr(hub_auth, "time", clock)
    hub.known["leaver"] = hub.known["olga"]

    def statuses() -> list[int]:
        return [
            rest.ask("GET", path, "leaver", prefix=PREFIX).status for path in ("/api/v1/me", "/")
        ]

    assert statuses() == [200, 200]
    hub.revoke("leaver")
    hour.later_s = CACHE_S - 5
    assert statuses() == [200, 200], "what the Hub has said is believed for a while"
    hour.later_s = CACHE_S + 1
    assert statuses() == [401, 302]
    assert CACHE_S <= 30
