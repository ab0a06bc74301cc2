"""The Hub asks the api process about servers: what it makes of each answer, and of none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from tornado.web import Application, RequestHandler

from mavis_hub import hub_events
from mavis_hub.login import (
    NoServer,
    ServersAuthenticator,
    SystemAuthenticator,
    ToldLogout,
    TryOutAuthenticator,
)
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


HANDLER = SimpleNamespace(request=SimpleNamespace(remote_ip="192.0.2.7"))


def events_of(api: Api) -> list[dict[str, Any]]:
    return [body for what, _, body in api.asked if what == "told"]


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came about")


async def log_in(hub: ServersAuthenticator, name: str, password: str) -> Any:
    return await hub.get_authenticated_user(HANDLER, {"username": name, "password": password})


def of_people(
    call: Callable[[ServersAuthenticator], Awaitable[Any]],
) -> Callable[[ServersAuthenticator], Awaitable[None]]:
    """Return `call` at a Hub that knows ada and bob, and then the end of what it has to tell."""

    async def run(hub: ServersAuthenticator) -> None:
        hub.passwords, hub.allowed_users = {"ada": "correct horse"}, {"ada", "bob"}
        await call(hub)
        await hub.events.finish()

    return run


def test_who_comes_and_who_is_refused_is_told_and_never_a_password(api: Api) -> None:
    async def come(hub: ServersAuthenticator) -> None:
        assert (await log_in(hub, "ada", "correct horse"))["name"] == "ada"
        assert await log_in(hub, "ada", "wrong horse") is None
        assert await log_in(hub, "bob", "correct horse") is None
        assert await log_in(hub, "correct horse", "ada") is None  # in the wrong field

    asks(api, of_people(come))
    told = events_of(api)
    assert [(each["what"], each["name"]) for each in told] == [
        ("came", "ada"),
        ("refused", "ada"),
        ("refused", "bob"),
        ("refused", ""),
    ]
    assert all(each["address"] == "192.0.2.7" for each in told)
    assert "horse" not in str(api.asked)


def test_the_end_of_a_server_is_told_once(api: Api) -> None:
    spawner = SimpleNamespace(end_is_told=False)

    async def end(hub: ServersAuthenticator) -> None:
        await hub.post_spawn_stop(OLGA, spawner)
        spawner.end_is_told = True  # it was stopped, and that was told with its reason
        await hub.post_spawn_stop(OLGA, spawner)

    asks(api, of_people(end))
    assert [(each["what"], each["name"]) for each in events_of(api)] == [("server_ended", "olga")]
    assert spawner.end_is_told is False


def test_many_that_are_refused_are_told_as_a_number(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def guess(hub: ServersAuthenticator) -> None:
        for _ in range(50):
            await log_in(hub, "ada", "guess")
        await hub.events.finish()
        monkeypatch.setattr(hub_events, "_IN_S", -1.0)  # a minute later
        await log_in(hub, "ada", "guess")

    asks(api, of_people(guess))
    assert [each["more"] for each in events_of(api)] == [0] * 20 + [30]


def test_what_cannot_be_told_now_is_told_later_and_no_login_waits(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_events, "_FIRST_PAUSE_S", 0.01)

    async def come(hub: ServersAuthenticator) -> None:
        api.status = 503
        assert await log_in(hub, "ada", "correct horse")
        await until(lambda: len(events_of(api)) >= 2)
        api.status = 200

    asks(api, of_people(come))
    times = {each["time"] for each in events_of(api)}
    assert len(times) == 1  # that of the login


def test_what_is_refused_for_ever_holds_nothing_up(api: Api) -> None:
    async def come(hub: ServersAuthenticator) -> None:
        api.status, api.answer = 400, {"message": "no event", "mend": ""}
        hub.events.tell("danced", "ada")
        await hub.events.finish()
        api.status = 200
        hub.events.tell("left", "ada")

    asks(api, of_people(come))
    assert [each["what"] for each in events_of(api)] == ["danced", "left"]


def test_both_logins_tell() -> None:
    for login in (SystemAuthenticator, TryOutAuthenticator):
        assert login.get_authenticated_user is ServersAuthenticator.get_authenticated_user
        assert login.post_spawn_stop is ServersAuthenticator.post_spawn_stop
    assert ("/logout", ToldLogout) in TryOutAuthenticator().get_handlers(None)
