"""Requests, retries, errors and pages, against a real HTTP server."""

from __future__ import annotations

import copy
import logging
import pickle
import socket
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from appliance_double.objects import project_json, resource_json, run_json
from appliance_double.server import TOKEN, Appliance, Reply, pages, problem
from core_double import wait_until
from mavis_kernel import errors
from mavis_kernel.client import Mavis
from mavis_kernel.exchange import Exchange
from mavis_kernel.masking import Secret
from mavis_kernel.models import Me
from mavis_kernel.settings import Settings, Trust
from mavis_kernel.transport import RetryPolicy, Transport, segment

DROPPED = Reply(drop=True)
BUSY = problem(503, "unavailable", "The database does not answer.")


@pytest.mark.parametrize(
    ("reply", "cls", "exit_code"),
    [
        (problem(400, "invalid_input"), errors.InvalidInput, 8),
        (problem(413, "too_large"), errors.InvalidInput, 8),
        (problem(401, "unauthenticated"), errors.NotLoggedIn, 3),
        (problem(403, "forbidden"), errors.Forbidden, 4),
        (problem(403, "isolation_required"), errors.Forbidden, 4),
        (problem(404, "not_found"), errors.NotFound, 5),
        (problem(409, "conflict"), errors.Conflict, 6),
        (problem(409, "plan_changed"), errors.PlanChanged, 6),
        (problem(409, "confirmation_needed"), errors.ConfirmationNeeded, 6),
        (problem(409, "new_in_version_9"), errors.Conflict, 6),
        (problem(500, "internal"), errors.ApiError, 1),
        (problem(502, "cloud_credentials"), errors.CloudRefused, 1),
        (problem(503, "cloud_throttled"), errors.Unavailable, 7),
        (problem(503, "unavailable"), errors.Unavailable, 7),
        (problem(429, "too_many"), errors.Unavailable, 7),
        (Reply("<html>Bad Gateway</html>", 502), errors.Unavailable, 7),
        (Reply("<html>login</html>", 200), errors.UnexpectedAnswer, 7),
        (Reply("", 302, {"Location": "/hub/login"}), errors.UnexpectedAnswer, 7),
        (Reply("404 page not found", 404), errors.NotFound, 5),
        (Reply([1], 418), errors.ApiError, 1),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_an_answer_becomes_the_error_that_it_stands_for(
    appliance: Appliance, mavis: Mavis, reply: Reply, cls: type, exit_code: int
) -> None:
    appliance.on("GET", "/projects/shop", reply)
    with pytest.raises(errors.ApiError) as caught:
        mavis.projects.get("shop")
    assert type(caught.value) is cls
    assert caught.value.exit_code == exit_code
    assert caught.value.exit_code in errors.EXIT_CODES
    assert caught.value.mend


def test_an_error_brings_everything_that_the_appliance_said(
    appliance: Appliance, mavis: Mavis
) -> None:
    reply = problem(400, "invalid_input", "regions is empty", field="regions", request_id="req_7")
    appliance.on("POST", "/projects/shop/environments", reply)
    with pytest.raises(errors.InvalidInput) as caught:
        mavis.environments.add("shop", "prod", account="1", regions=[])
    error = caught.value
    assert (error.code, error.status, error.field) == ("invalid_input", 400, "regions")
    assert (error.detail, error.mend) == ("regions is empty", "Do the other thing.")
    assert error.request_id == "req_7"


def test_the_request_id_of_the_header_serves_where_the_body_has_none(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("GET", "/projects/shop", Reply("gone wrong", 500))
    with pytest.raises(errors.ApiError) as caught:
        mavis.projects.get("shop")
    assert caught.value.request_id == "req_head"


@pytest.mark.parametrize("trouble", [BUSY, DROPPED, Reply("", 502), Reply("", 504)])
def test_a_get_is_tried_again(appliance: Appliance, mavis: Mavis, trouble: Reply) -> None:
    appliance.on("GET", "/projects/shop", trouble, trouble, Reply(project_json()))
    assert mavis.projects.get("shop").name == "shop"
    assert len(appliance.to("GET", "/projects/shop")) == 3


@pytest.mark.parametrize("trouble", [BUSY, DROPPED])
def test_a_post_is_tried_again_with_the_same_idempotency_key(
    appliance: Appliance, mavis: Mavis, trouble: Reply
) -> None:
    appliance.on("POST", "/projects/shop/recovery-points", trouble, Reply(run_json("queued"), 202))
    mavis.recovery_points.create("shop", "web-1")
    mavis.recovery_points.create("shop", "web-1")
    first, again, other = appliance.to("POST", "/projects/shop/recovery-points")
    assert len(first.headers["Idempotency-Key"]) >= 16
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert first.body == again.body
    assert other.headers["Idempotency-Key"] != first.headers["Idempotency-Key"]


def test_a_delete_is_not_tried_again(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("DELETE", "/keys/main", BUSY, Reply(None, 204))
    with pytest.raises(errors.Unavailable):
        mavis.keys.remove("main")
    assert len(appliance.to("DELETE", "/keys/main")) == 1


@pytest.mark.parametrize(
    "reply",
    [problem(502, "cloud_denied"), problem(503, "cloud_throttled"), problem(500, "internal")],
    ids=["denied", "throttled", "internal"],
)
def test_what_trying_again_does_not_mend_is_tried_once(
    appliance: Appliance, mavis: Mavis, reply: Reply
) -> None:
    appliance.on("POST", "/projects/shop/discoveries", reply)
    with pytest.raises(errors.ApiError):
        mavis.environments.discover("shop")
    assert len(appliance.asked) == 1


def test_tries_are_bounded(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", "/projects/shop", BUSY)
    with pytest.raises(errors.Unavailable, match="The database does not answer"):
        mavis.projects.get("shop")
    assert len(appliance.asked) == 3


def _waits(appliance: Appliance, retry_after: str) -> list[float]:
    waits: list[float] = []
    appliance.on(
        "GET",
        "/me",
        Reply("", 429, {"Retry-After": retry_after}),
        Reply({"name": "o", "groups": [], "scopes": [], "platform_admin": False, "projects": []}),
    )
    settings = Settings(appliance.url, Secret(TOKEN), Trust())
    transport = Transport(settings, retry=RetryPolicy(), sleep=waits.append)
    try:
        transport.get(Me, "/me")
    finally:
        transport.close()
    return waits


def test_retry_after_in_seconds_is_waited_for(appliance: Appliance) -> None:
    assert _waits(appliance, "7") == [7.0]


def test_retry_after_as_a_date_is_waited_for(appliance: Appliance) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=10)
    (wait_s,) = _waits(appliance, format_datetime(moment, usegmt=True))
    assert 5 < wait_s <= 10


def test_a_retry_after_that_nobody_wants_to_wait_for_is_an_error(appliance: Appliance) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        _waits(appliance, "3600")
    assert caught.value.retry_after_s == 3600


def test_waits_grow_and_differ() -> None:
    policy = RetryPolicy(attempts=9, first_wait_s=1.0, longest_wait_s=8.0)
    error = errors.Unavailable("busy")
    for attempt, longest in ((1, 1.0), (2, 2.0), (4, 8.0), (8, 8.0)):
        waits = [policy.wait_s(attempt, error) or 0.0 for _ in range(50)]
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1
    assert policy.wait_s(9, error) is None


def test_nobody_listening_is_unreachable(mavis: Mavis, appliance: Appliance) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with (
            Mavis(url, TOKEN, retry=RetryPolicy(attempts=1)) as client,
            pytest.raises(errors.Unreachable, match="does not answer") as caught,
        ):
            client.health()
    assert caught.value.status is None


def test_a_list_goes_through_all_pages(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on(
        "GET", "/projects/shop/resources", pages([resource_json(f"n{i}") for i in range(450)])
    )
    names = [each.name for each in mavis.resources.list("shop", kind="instance")]
    assert names == [f"n{i}" for i in range(450)]
    assert [asked.query for asked in appliance.asked] == [
        {"kind": "instance", "limit": "200"},
        {"kind": "instance", "limit": "200", "cursor": "200"},
        {"kind": "instance", "limit": "200", "cursor": "400"},
    ]


@pytest.mark.parametrize(("limit", "requests"), [(1, 1), (200, 1), (201, 2)])
def test_a_limit_ends_a_list_and_its_requests(
    appliance: Appliance, mavis: Mavis, limit: int, requests: int
) -> None:
    appliance.on("GET", "/projects", pages([project_json(f"p{i}") for i in range(450)]))
    assert len(list(mavis.projects.list(limit=limit))) == limit
    assert len(appliance.asked) == requests


def test_a_page_is_asked_for_only_when_it_is_needed(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", "/projects", pages([project_json(f"p{i}") for i in range(450)]))
    found = mavis.projects.list()
    assert appliance.asked == []
    assert next(found).name == "p0"
    assert len(appliance.asked) == 1


@pytest.mark.parametrize("body", [[], {"items": {}}, {"items": [], "next": 7}, "text"])
def test_what_is_no_page_is_an_error(appliance: Appliance, mavis: Mavis, body: object) -> None:
    appliance.on("GET", "/projects", Reply(body))
    with pytest.raises(errors.UnexpectedAnswer):
        list(mavis.projects.list())


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_climb_the_path_is_not_sent(
    appliance: Appliance, mavis: Mavis, name: str
) -> None:
    with pytest.raises(errors.InvalidInput):
        mavis.projects.get(name)
    assert appliance.asked == []


def test_a_segment_is_quoted() -> None:
    assert segment("a b/../c?x#y") == "a%20b%2F..%2Fc%3Fx%23y"
    assert segment("user:o'brien@x") == "user:o%27brien@x"


def test_a_resource_whose_name_does_not_fit_a_path_is_found_by_the_list(
    appliance: Appliance, mavis: Mavis
) -> None:
    items = [resource_json("web/10"), resource_json("web/1")]
    appliance.on("GET", "/projects/shop/resources", pages(items))
    assert mavis.resources.get("shop", "web/1").name == "web/1"
    assert appliance.asked[0].query["q"] == "web/1"
    with pytest.raises(errors.NotFound):
        mavis.resources.get("shop", "web/2")


def test_a_redirect_does_not_carry_the_token_away(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", "/me", Reply("", 307, {"Location": f"{appliance.host}/elsewhere"}))
    with pytest.raises(errors.UnexpectedAnswer):
        mavis.me()
    assert [asked.path for asked in appliance.asked] == ["/services/mavis/api/v1/me"]


def test_the_token_shows_in_no_repr_no_log_and_no_traceback(
    appliance: Appliance, mavis: Mavis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    appliance.on("GET", "/projects/shop", BUSY, problem(403, "forbidden"))
    with pytest.raises(errors.Forbidden) as caught:
        mavis.projects.get("shop")
    settings = mavis.projects._transport.settings
    shown = [
        repr(mavis),
        repr(settings),
        str(settings.token),
        f"{settings.token}",
        repr(vars(mavis)),
        repr(mavis.projects._transport._exchange),
        caplog.text,
        "".join(traceback.format_exception(caught.value)),
        repr(vars(caught.value)),
    ]
    assert "retry GET" in caplog.text
    assert appliance.asked[0].headers["Authorization"] == f"token {TOKEN}"
    assert not [text for text in shown if TOKEN in text]


@pytest.mark.parametrize("leak", [pickle.dumps, copy.deepcopy])
def test_a_secret_is_not_serialised_by_accident(leak: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        leak(Secret(TOKEN))


def test_the_value_of_a_key_shows_in_no_error(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("POST", "/keys", problem(400, "invalid_input", "unknown kind"))
    with pytest.raises(errors.InvalidInput) as caught:
        mavis.keys.add("main", {"secret_access_key": TOKEN}, kind="no")
    assert appliance.asked[0].body["value"] == {"secret_access_key": TOKEN}
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_every_error_has_an_exit_code_that_is_documented() -> None:
    def walk(cls: type[errors.MavisError]) -> list[type[errors.MavisError]]:
        return [cls, *(found for child in cls.__subclasses__() for found in walk(child))]

    exported = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    ours = [cls for cls in walk(errors.MavisError) if cls.__module__ == errors.__name__]
    assert {cls.__name__ for cls in ours} == exported
    assert {cls.exit_code for cls in ours} <= set(errors.EXIT_CODES)
    tree = errors.__doc__ or ""
    assert all(cls.__name__ in tree for cls in ours)


def test_threads_that_come_first_at_once_share_the_connections(
    appliance: Appliance, mavis: Mavis, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Exchange] = []

    class Slow(Exchange):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)
            gate.wait(10)  # the others have looked by now

    gate = threading.Event()
    monkeypatch.setattr("mavis_kernel.exchange.Exchange", Slow)
    appliance.on("GET", "/projects", pages([project_json()]))
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(lambda: list(mavis.projects.list())) for _ in range(4)]
        wait_until(lambda: bool(made))
        gate.set()
        assert [len(each.result(10)) for each in asked] == [1, 1, 1, 1]
    assert len(made) == 1
