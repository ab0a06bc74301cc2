"""The two addresses of a login by browser, as RFC 8628 has them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from core_double import call
from mavis_core.errors import LoginNotGiven, Unavailable
from mavis_core.logins.model import State
from rest_service import Answer, RestService

DATABASES = ["sqlite"]
OLGA = call("olga")
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def begun(rest: RestService) -> dict[str, Any]:
    """A login that waits; those of other tests do so no more."""
    answer = begin(rest)
    assert answer.status == 200, answer.content
    yield answer.json
    login = rest.core.logins.look(OLGA, answer.json["user_code"])
    if login.state is State.WAITING:
        rest.core.logins.deny(OLGA, login.user_code)


def begin(rest: RestService, **fields: str) -> Answer:
    body = {"client_id": "mavis", "client_name": "laptop", **fields}
    return rest.ask("POST", "/device-logins", None, body)


def collect(rest: RestService, code: str, **more: str) -> Answer:
    body = {"grant_type": GRANT, "device_code": code, "client_id": "mavis", **more}
    return rest.ask("POST", "/device-logins/token", None, body)


def allow(rest: RestService, begun: dict[str, Any], authority: bytes = b"of olga") -> None:
    login = rest.core.logins.look(OLGA, begun["user_code"])
    rest.core.logins.allow(OLGA, login.id, authority)


def test_a_login_is_begun_waited_for_and_fetched_once(
    rest: RestService, begun: dict[str, Any]
) -> None:
    page = f"{rest.config.public_url}/services/mavis/login"
    assert begun == {
        "device_code": begun["device_code"],
        "user_code": begun["user_code"],
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={begun['user_code']}",
        "expires_in": 600,
        "interval": 5,
    }
    code = begun["device_code"]
    assert told(collect(rest, code)) == "authorization_pending"
    assert told(collect(rest, code)) == "slow_down"
    allow(rest, begun)
    answer = collect(rest, code)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "access_token": f"token-{len(rest.logins.made)}-of-olga",
        "token_type": "Bearer",
        "expires_in": 12 * 3600,
        "username": "olga",
    }
    assert rest.logins.made[-1].authority == b"of olga"
    assert rest.logins.made[-1].login.source == "127.0.0.1"
    assert told(collect(rest, code)) == "invalid_grant"
    record = rest.core.records_ever()[-1]
    assert (record["action"], record["person"], record["source"]) == (
        "login.give",
        "olga",
        "127.0.0.1",
    )
    assert answer.json["access_token"] not in repr(rest.core.records_ever())


def told(answer: Answer) -> str:
    """Return the kind of error, as RFC 6749 and as we call it."""
    assert answer.status == 400
    assert answer.json["error"] == answer.code
    return answer.code


def test_a_denied_login_says_so(rest: RestService, begun: dict[str, Any]) -> None:
    rest.core.logins.deny(OLGA, begun["user_code"])
    assert told(collect(rest, begun["device_code"])) == "access_denied"


def test_the_hub_s_words_go_on_to_the_command_line(
    rest: RestService, begun: dict[str, Any]
) -> None:
    allow(rest, begun)
    rest.logins.fails += [
        Unavailable("JupyterHub does not answer", retry_after_s=5),
        LoginNotGiven("Somebody else was logged in"),
    ]
    down = collect(rest, begun["device_code"])
    assert (down.status, down.code, down.headers["Retry-After"]) == (503, "unavailable", "5")
    assert "error" not in down.json
    refused = collect(rest, begun["device_code"])
    assert told(refused) == "invalid_grant"
    assert refused.json["detail"] == "Somebody else was logged in"


def test_forms_mean_the_same_and_what_they_hold_besides_is_ignored(rest: RestService) -> None:
    form = {"client_id": "mavis", "client_name": "a laptop", "scope": "all"}
    answer = post_form(rest, "/device-logins", form)
    assert answer.status == 200, answer.content
    login = rest.core.logins.look(OLGA, answer.json["user_code"])
    assert login.client == "a laptop"
    fields = {"grant_type": GRANT, "device_code": answer.json["device_code"], "client_id": "mavis"}
    pending = post_form(rest, "/device-logins/token", {**fields, "client_secret": "x"})
    assert told(pending) == "authorization_pending"
    rest.core.logins.deny(OLGA, login.user_code)


def post_form(rest: RestService, path: str, form: dict[str, str]) -> Answer:
    return rest.ask("POST", path, None, raw=urlencode(form).encode(), Content_Type=FORM)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/device-logins", {}, "client_id"),
        ("/device-logins", {"client_id": "mavis", "client_name": ""}, "client_name"),
        ("/device-logins", {"client_id": "mavis", "client_name": "x" * 101}, "client_name"),
        ("/device-logins", {"client_id": "mavis", "client_name": "a\nb"}, "client_name"),
        ("/device-logins", {"client_id": "a b", "client_name": "laptop"}, "client_id"),
        ("/device-logins", {"client_id": "mavis\n", "client_name": "laptop"}, "client_id"),
        (
            "/device-logins/token",
            {"grant_type": "password", "device_code": "x", "client_id": "mavis"},
            "grant_type",
        ),
        ("/device-logins/token", {"grant_type": GRANT, "client_id": "mavis"}, "device_code"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(
    rest: RestService, path: str, body: dict[str, str], field: str
) -> None:
    answer = rest.ask("POST", path, None, body)
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_input", field)


@pytest.mark.parametrize("content", [b"a=%ff", b"&".join([b"a=1"] * 21), b"\xff"])
def test_a_form_that_is_none_is_refused(rest: RestService, content: bytes) -> None:
    answer = rest.ask("POST", "/device-logins", None, raw=content, Content_Type=FORM)
    assert (answer.status, answer.code) == (400, "invalid_input")


def test_ten_wait_at_a_time_from_one_address(rest: RestService) -> None:
    made: list[Answer] = []
    while (answer := begin(rest)).status == 200:
        made.append(answer)
        assert len(made) <= 10
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (
        429,
        "too_many_requests",
        "60",
    )
    for each in made:
        rest.core.logins.deny(OLGA, each.json["user_code"])
    again = begin(rest)
    assert again.status == 200
    rest.core.logins.deny(OLGA, again.json["user_code"])


def test_an_answer_is_kept_under_no_key_and_a_token_changes_nothing(rest: RestService) -> None:
    body = {"client_id": "mavis", "client_name": "laptop"}
    answers = [
        rest.ask("POST", "/device-logins", token, body, Idempotency_Key="the-same")
        for token in (None, "ada", "kernel", "nobody's")
    ]
    assert [each.status for each in answers] == [200] * 4
    assert len({each.json["device_code"] for each in answers}) == 4
    for each in answers:
        rest.core.logins.deny(OLGA, each.json["user_code"])


def test_strangers_leave_no_record(rest: RestService, begun: dict[str, Any]) -> None:
    before = len(rest.core.records_ever())
    collect(rest, begun["device_code"])
    collect(rest, "of nobody")
    rest.ask("POST", "/device-logins", None, {})
    assert len(rest.core.records_ever()) == before
