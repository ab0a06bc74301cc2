"""The Hub asks the api process about servers: what it makes of each answer, and of none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from tornado.web import Application, RequestHandler

from mavis_hub.login import NoServer, ServersAuthenticator, SystemAuthenticator, TryOutAuthenticator
from mavis_hub.spawning import SystemSpawner, TryOutSpawner
from rest_service import served

T = TypeVar("T")
OLGA = SimpleNamespace(name="olga", groups=[SimpleNamespace(name="ops")])


class Api:
    """What a small server in the api process's place says, and what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = {"may": True}
        self.asked: list[tuple[str, str, Any]] = []


class _Answer(RequestHandler):
    def initialize(self, api: Api) -> None:
        self._api = api

    def post(self, what: str) -> None:
        body = json.loads(self.request.body)
        self._api.asked.append((what, self.request.headers["Authorization"], body))
        self.set_status(self._api.status)
        self.finish(self._api.answer)


@pytest.fixture
def api() -> Api:
    return Api()


def asks(api: Api, call: Callable[[ServersAuthenticator], Awaitable[T]]) -> T:
    """Return what comes of a call, with the server there."""
    rules = [("/services/mavis/internal/servers/([a-z]+)", _Answer, {"api": api})]
    with served(Application(rules, log_function=lambda _: None)) as port:  # type: ignore[arg-type]
        return at(f"http://127.0.0.1:{port}", call)


def at(url: str, call: Callable[[ServersAuthenticator], Awaitable[T]]) -> T:
    async def run() -> T:
        made = TryOutAuthenticator(api_url=url, servers_token="s3cret")
        try:
            return await call(made)
        finally:
            made.asking.close()

    return asyncio.run(run())


def test_it_tells_who_and_with_which_groups_by_the_secret(api: Api) -> None:
    asks(api, lambda hub: hub.check_server(OLGA))
    asks(api, lambda hub: hub.pre_spawn_start(OLGA, None))
    person = {"name": "olga", "groups": ["ops"]}
    assert api.asked == [
        ("check", "Bearer s3cret", person),
        ("begin", "Bearer s3cret", person),
    ]


def test_a_refusal_is_passed_on_with_its_mend(api: Api) -> None:
    api.status, api.answer = 403, {"message": "olga has none", "mend": "Ask ada."}
    for call in (
        lambda hub: hub.check_server(OLGA),
        lambda hub: hub.pre_spawn_start(OLGA, None),
    ):
        with pytest.raises(NoServer) as caught:
            asks(api, call)
        assert caught.value.status_code == 403
        assert caught.value.jupyterhub_message == "olga has none. Ask ada."


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_whatever_else_it_says_starts_nothing_and_ends_nothing(api: Api, status: int) -> None:
    api.status, api.answer = status, {"message": "no", "mend": ""}
    with pytest.raises(NoServer) as caught:
        asks(api, lambda hub: hub.pre_spawn_start(OLGA, None))
    assert caught.value.status_code == 503
    assert caught.value.headers == {"Retry-After": "5"}
    assert asks(api, lambda hub: hub.server_goes_on(OLGA)) is True


def test_where_nobody_answers_nothing_starts_and_nothing_ends() -> None:
    with served(Application([])) as port:
        closed = f"http://127.0.0.1:{port}"
    with pytest.raises(NoServer) as caught:
        at(closed, lambda hub: hub.pre_spawn_start(OLGA, None))
    assert caught.value.status_code == 503
    assert at(closed, lambda hub: hub.server_goes_on(OLGA)) is True
    at(closed, lambda hub: hub.server_was_ended(OLGA))


@pytest.mark.parametrize("may", [True, False])
def test_a_server_goes_on_as_long_as_its_owner_may_have_it(api: Api, may: bool) -> None:
    api.answer = {"may": may}
    assert asks(api, lambda hub: hub.server_goes_on(OLGA)) is may


def test_both_logins_and_both_spawners_ask() -> None:
    for login in (SystemAuthenticator, TryOutAuthenticator):
        assert login.pre_spawn_start is ServersAuthenticator.pre_spawn_start
        assert login.get_handlers is ServersAuthenticator.get_handlers
    assert SystemSpawner.poll_and_notify is TryOutSpawner.poll_and_notify
