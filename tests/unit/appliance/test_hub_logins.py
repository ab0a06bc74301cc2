"""Making a login at the Hub, with a small server in the Hub's place that fails where it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from mavis_core.config import Config, load
from mavis_core.errors import LoginNotGiven, Unavailable
from mavis_core.logins.model import DeviceLogin, Grant, State
from mavis_hub.hub import LOGIN_CLIENT
from mavis_hub.hub_logins import HubLogins

SECRET, POWER, TOKEN = "secret-of-the-client", "power-over-tokens", "token-of-olga"


@dataclass
class Hub:
    """What it was asked, and what it answers to a method and path."""

    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    answers: dict[str, tuple[int, object]] = field(
        default_factory=lambda: {
            "POST /hub/api/oauth2/token": (200, {"access_token": POWER}),
            "GET /hub/api/user": (200, {"kind": "user", "name": "olga", "token_id": "a7"}),
            "POST /hub/api/users/olga/tokens": (201, {"token": TOKEN}),
            "DELETE /hub/api/users/olga/tokens/a7": (204, None),
        }
    )
    port: int = 0


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            hub.asked.append(
                (
                    self.command,
                    self.path,
                    self.headers["Authorization"].removeprefix("token "),
                    body,
                )
            )
            status, said = hub.answers.get(f"{self.command} {self.path}", (404, {}))
            content = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the base's names

        def log_message(self, *_about: object) -> None:
            """The log is not what is tested."""

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(found)) as server:
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join(10)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[int], Config]:
    def make(port: int) -> Config:
        flags = {"appliance.isolation": "none", "ports.hub": str(port)}
        config = load(tmp_path / "h", environ={}, flags=flags)
        path = config.secret_file("api", "hub-login-token")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{SECRET}\n")
        return config

    return make


@pytest.fixture
def logins(hub: Hub, settings: Callable[[int], Config]) -> HubLogins:
    return HubLogins(settings(hub.port))


def grant(person: str = "olga") -> Grant:
    now = datetime.now(UTC)
    login = DeviceLogin(
        id="dvl_1",
        user_code="WDJB-MJHT",
        program="mavis",
        client="laptop",
        source="192.0.2.7",
        state=State.USED,
        person=person,
        created_at=now,
        expires_at=now,
        polled_at=None,
        correlation_id="cor_1",
    )
    return Grant(login, person, HubLogins.authority("the-code", "the-proof"))


def calls(hub: Hub) -> list[str]:
    return [f"{method} {path}" for method, path, _, _ in hub.asked]


def test_a_login_is_made_with_what_the_browser_brought_and_that_is_ended(
    hub: Hub, logins: HubLogins
) -> None:
    made = logins(grant())
    assert (made.token, made.lifetime.total_seconds()) == (TOKEN, 12 * 3600)
    assert TOKEN not in repr(made)
    assert calls(hub) == list(hub.answers)
    assert [token for _, _, token, _ in hub.asked] == [SECRET, POWER, POWER, POWER]
    assert dict(parse_qsl(hub.asked[0][3])) == {
        "client_id": LOGIN_CLIENT,
        "client_secret": SECRET,
        "grant_type": "authorization_code",
        "code": "the-code",
        "code_verifier": "the-proof",
        "redirect_uri": "https://127.0.0.1:8443/services/mavis/login/callback",
    }
    # The body of a login with a password, but for the password.
    assert json.loads(hub.asked[2][3]) == {
        "note": "mavis login from laptop",
        "expires_in": 12 * 3600,
    }


def test_the_browser_is_sent_to_the_hub_with_a_proof_of_its_own(logins: HubLogins) -> None:
    one, proof = logins.way("state-1")
    asked = parse_qs(urlsplit(one).query)
    assert urlsplit(one).path == "/hub/api/oauth2/authorize"
    assert asked["client_id"] == [LOGIN_CLIENT]
    assert asked["state"] == ["state-1"]
    assert asked["code_challenge_method"] == ["S256"]
    assert "scope" not in asked  # all that the client may have, which is one thing
    assert proof not in one
    assert logins.way("state-1")[1] != proof


@pytest.mark.parametrize(
    "owner",
    [
        {"kind": "user", "name": "eve", "token_id": "a7"},
        {"kind": "service", "name": "olga", "token_id": "a7"},
    ],
    ids=["another person", "a service"],
)
def test_what_another_brought_makes_nothing_and_is_ended(
    hub: Hub, logins: HubLogins, owner: dict[str, str]
) -> None:
    hub.answers["GET /hub/api/user"] = (200, owner)
    ended = f"DELETE /hub/api/users/{owner['name']}/tokens/a7"
    hub.answers[ended] = (204, None)
    with pytest.raises(LoginNotGiven, match="Somebody else"):
        logins(grant())
    assert calls(hub)[2:] == [ended]


def test_a_code_that_is_not_good_any_more_makes_nothing(hub: Hub, logins: HubLogins) -> None:
    hub.answers["POST /hub/api/oauth2/token"] = (400, {"error": "invalid_grant"})
    with pytest.raises(LoginNotGiven, match="good once"):
        logins(grant())
    assert len(hub.asked) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_before_the_code_is_used_it_can_be_tried_again(
    hub: Hub, logins: HubLogins, status: int
) -> None:
    hub.answers["POST /hub/api/oauth2/token"] = (status, {})
    with pytest.raises(Unavailable, match=str(status)):
        logins(grant())


def test_a_hub_that_does_not_answer_can_be_tried_again(
    settings: Callable[[int], Config],
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as gone:
        port = gone.server_port
    with pytest.raises(Unavailable, match="does not answer"):
        HubLogins(settings(port))(grant())


@pytest.mark.parametrize("call", ["GET /hub/api/user", "POST /hub/api/users/olga/tokens"])
@pytest.mark.parametrize("status", [403, 500])
def test_after_the_code_is_used_there_is_no_second_try(
    hub: Hub, logins: HubLogins, call: str, status: int
) -> None:
    hub.answers[call] = (status, {})
    with pytest.raises(LoginNotGiven):
        logins(grant())
    assert (calls(hub)[-1].startswith("DELETE")) == (call != "GET /hub/api/user")


def test_what_cannot_be_ended_costs_nobody_their_login(
    hub: Hub, logins: HubLogins, caplog: pytest.LogCaptureFixture
) -> None:
    hub.answers["DELETE /hub/api/users/olga/tokens/a7"] = (500, {})
    assert logins(grant()).token == TOKEN
    assert "was not ended" in caplog.text
    assert POWER not in caplog.text
