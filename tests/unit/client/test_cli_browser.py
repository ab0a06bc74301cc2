"""Logging in with a browser: what is shown, what is sent, how long is waited, how it ends."""

from __future__ import annotations

import platform
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance_double.server import TOKEN, Appliance, Certified, Reply, problem
from appliance_double.terminal import Terminal
from mavis_kernel import device_login, errors
from mavis_kernel import profile as profiles
from mavis_kernel.cli.browser import has_browser
from mavis_kernel.cli.root import root
from mavis_kernel.device_login import DeviceLogin
from mavis_kernel.masking import Secret
from mavis_kernel.profile import Profile
from mavis_kernel.settings import Trust

Spawn = Callable[..., subprocess.Popen[bytes]]

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CODE = "device-code-never-shown"
BEGUN = {
    "device_code": CODE,
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://mavis.example.org/services/mavis/login",
    "verification_uri_complete": (
        "https://mavis.example.org/services/mavis/login?user_code=WDJB-MJHT"
    ),
    "expires_in": 600,
    "interval": 1,
}
GIVEN = {
    "access_token": TOKEN,
    "token_type": "Bearer",
    "expires_in": 43200,
    "username": "olga",
}
ME = {"name": "olga", "groups": [], "scopes": [], "platform_admin": False, "projects": []}
PENDING = problem(400, "authorization_pending", error="authorization_pending")
SLOW = problem(400, "slow_down", error="slow_down")


def ready(appliance: Appliance, *answers: Reply, **begun: Any) -> None:
    appliance.on("GET", "/health", Reply({"status": "ok", "version": "1"}))
    appliance.on("GET", "/me", Reply(ME))
    appliance.on("POST", "/device-logins", Reply({**BEGUN, **begun}))
    appliance.on("POST", "/device-logins/token", *(answers or (PENDING, Reply(GIVEN))))


def test_a_person_is_shown_address_and_code_and_is_logged_in_when_they_have_allowed_it(
    appliance: Appliance, spawn: Spawn, clean_home: Path
) -> None:
    ready(appliance)
    terminal = Terminal(spawn, "login", "--url", appliance.host)
    terminal.wait_for("left. Ctrl-C ends it.")
    assert BEGUN["verification_uri_complete"] in terminal.shown
    assert "only if the page shows this code: WDJB-MJHT" in terminal.shown
    assert "Open it in a browser" not in terminal.shown  # there is none
    assert terminal.end() == 0
    assert "as olga until" in terminal.shown
    for secret in (CODE, TOKEN):
        assert secret not in terminal.shown
    (asked,) = appliance.to("POST", "/device-logins")
    assert asked.body == {"client_id": "mavis", "client_name": platform.node()}
    assert "Authorization" not in asked.headers
    polls = appliance.to("POST", "/device-logins/token")
    assert [each.body for each in polls] == [
        {"grant_type": GRANT, "device_code": CODE, "client_id": "mavis"}
    ] * 2
    kept = profiles.load(clean_home)
    assert (kept.url, kept.username, kept.token) == (appliance.url, "olga", Secret(TOKEN))
    assert kept.expires_at is not None
    left_s = (kept.expires_at - datetime.now(UTC)).total_seconds()
    assert 43200 - 60 < left_s <= 43200
    assert CODE not in clean_home.read_text()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("access_denied", "olga has denied this login"),
        ("expired_token", "Nobody has allowed"),
        ("invalid_grant", "was handed out"),
    ],
)
def test_a_login_that_is_not_given_leaves_nothing(
    appliance: Appliance, spawn: Spawn, clean_home: Path, code: str, said: str
) -> None:
    ready(appliance, problem(400, code, said, error=code))
    terminal = Terminal(spawn, "login", "--url", appliance.host)
    assert terminal.end() == 3
    assert said in terminal.shown
    assert "Log in: mavis login." in terminal.shown
    assert not clean_home.exists()


def test_ctrl_c_ends_the_waiting(appliance: Appliance, spawn: Spawn, clean_home: Path) -> None:
    ready(appliance, PENDING)
    terminal = Terminal(spawn, "login", "--url", appliance.host)
    terminal.wait_for("left. Ctrl-C ends it.")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "You are not logged in." in terminal.shown
    assert not clean_home.exists()


def test_a_terminal_that_draws_nothing_has_one_line(appliance: Appliance, spawn: Spawn) -> None:
    ready(appliance)
    terminal = Terminal(spawn, "login", "--url", appliance.host, TERM="dumb")
    assert terminal.end() == 0
    assert terminal.shown.count("Waiting for you") == 1
    assert "\x1b" not in terminal.shown


@pytest.mark.parametrize(
    ("words", "answer", "opened"),
    [
        ((), "\n", True),
        ((), "n\n", False),
        (("--browser",), None, True),
        (("--no-browser",), None, False),
    ],
    ids=["asked and wanted", "asked and not wanted", "told to", "told not to"],
)
def test_a_browser_is_opened_where_there_is_one_and_it_is_wanted(
    appliance: Appliance,
    spawn: Spawn,
    tmp_path: Path,
    words: tuple[str, ...],
    answer: str | None,
    opened: bool,
) -> None:
    ready(appliance, PENDING, PENDING, Reply(GIVEN))
    note, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {note}\n')
    browser.chmod(0o755)
    terminal = Terminal(spawn, "login", "--url", appliance.host, *words, BROWSER=f"{browser} %s")
    if answer is not None:
        terminal.wait_for("Open it in a browser of this machine? [Y/n]")
        terminal.type(answer)
    assert terminal.end() == 0
    assert ("Open it in a browser" in terminal.shown) == (answer is not None)
    shown = note.read_text().strip() if note.exists() else None
    assert shown == (BEGUN["verification_uri_complete"] if opened else None)


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "192.0.2.7 5 192.0.2.8 22"}, False),
        ({"BROWSER": "code --openExternal", "SSH_CONNECTION": "192.0.2.7 5 192.0.2.8 22"}, True),
    ],
)
def test_whether_a_browser_is_before_the_person(
    monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], found: bool
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert has_browser(environ) is found


def test_a_login_as_somebody_else_than_before_says_so(
    appliance: Appliance, spawn: Spawn, clean_home: Path
) -> None:
    ready(appliance)
    profiles.save(Profile(url=appliance.url, username="otto", project="shop"), clean_home)
    terminal = Terminal(spawn, "login")
    assert terminal.end() == 0
    assert "Before, you were otto there." in terminal.shown
    assert "as olga until" in terminal.shown
    assert profiles.load(clean_home).project == "shop"


def test_an_older_appliance_is_told_from_a_wrong_address(
    appliance: Appliance, spawn: Spawn
) -> None:
    ready(appliance)
    appliance.on("POST", "/device-logins", problem(404, "not_found"))
    terminal = Terminal(spawn, "login", "--url", appliance.host)
    assert terminal.end() == 5
    assert "knows no login by browser" in terminal.shown
    assert "mavis login --password" in terminal.shown


def test_a_limit_of_the_appliance_is_told(appliance: Appliance, spawn: Spawn) -> None:
    ready(appliance)
    appliance.on(
        "POST",
        "/device-logins",
        problem(429, "too_many_requests", "10 logins by browser wait already", retry_after_s=60),
    )
    terminal = Terminal(spawn, "login", "--url", appliance.host)
    assert terminal.end() == 7
    assert "10 logins by browser wait already" in terminal.shown


def test_a_self_signed_appliance_is_asked_about_before_anything_is_sent(
    tls_appliance: Certified, spawn: Spawn
) -> None:
    ready(tls_appliance.appliance)
    terminal = Terminal(spawn, "login", "--url", tls_appliance.appliance.host)
    terminal.wait_for("Is this the appliance's own fingerprint? [y/N]")
    assert tls_appliance.appliance.asked == []
    terminal.type("y\n")
    assert terminal.end() == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--password", "--token-stdin"),
        ("--username", "olga", "--token-stdin"),
        ("--password-stdin", "--token-stdin"),
    ],
    ids=" ".join,
)
def test_a_token_and_a_password_exclude_each_other(
    appliance: Appliance, words: tuple[str, ...]
) -> None:
    ready(appliance)
    done = CliRunner().invoke(root, ["login", "--url", appliance.host, *words], input="x\n")
    assert done.exit_code == 2
    assert "--token-stdin excludes" in done.stderr
    assert appliance.asked == []


def test_without_a_terminal_nothing_is_begun(appliance: Appliance) -> None:
    ready(appliance)
    done = CliRunner().invoke(root, ["login", "--url", appliance.host])
    assert done.exit_code == 2
    assert "--password-stdin or --token-stdin" in done.stderr
    assert appliance.asked == []


def test_a_password_can_be_typed_where_that_is_wanted(
    appliance: Appliance, spawn: Spawn, clean_home: Path
) -> None:
    ready(appliance)
    appliance.on("POST", "/hub/api/users/olga/tokens", Reply({"token": TOKEN, "id": "a1"}, 201))
    terminal = Terminal(spawn, "login", "--url", appliance.host, "--password")
    terminal.wait_for("User name")
    terminal.type("olga\n")
    terminal.wait_for("Password:")
    terminal.type("correct horse\n")
    assert terminal.end() == 0
    assert appliance.to("POST", "/device-logins") == []
    assert profiles.load(clean_home).token == Secret(TOKEN)


# The waiting, without a clock


WAITING = DeviceLogin(Secret(CODE), "WDJB-MJHT", str(BEGUN["verification_uri"]), 5.0, 600.0)


def fetch(
    appliance: Appliance, login: DeviceLogin = WAITING
) -> tuple[object, list[float], list[str]]:
    """Return what came of it, how long was waited each time, and the troubles on the way."""
    waits: list[float] = []
    troubles: list[str] = []
    try:
        came: object = device_login.fetch(
            appliance.url,
            Trust(),
            login,
            wait=waits.append,
            on_trouble=lambda exc: troubles.append(exc.code),
        )
    except errors.ApiError as exc:
        came = exc
    return came, waits, troubles


def test_it_asks_at_the_interval_and_less_often_when_told_to(appliance: Appliance) -> None:
    ready(appliance, PENDING, SLOW, PENDING, SLOW, Reply(GIVEN))
    came, waits, troubles = fetch(appliance)
    assert isinstance(came, device_login.Login)
    assert (came.username, came.token) == ("olga", Secret(TOKEN))
    assert waits == [5, 5, 10, 10, 15]
    assert troubles == []


def test_an_appliance_that_does_not_answer_is_asked_again_ever_less_often(
    appliance: Appliance,
) -> None:
    down = problem(503, "unavailable")
    ready(appliance, down, Reply(drop=True), down, down, PENDING, Reply(GIVEN))
    came, waits, troubles = fetch(appliance)
    assert isinstance(came, device_login.Login)
    assert waits == [5, 10, 20, 30, 30, 5]
    assert troubles == ["unavailable", "unreachable", "unavailable", "unavailable"]


def test_it_gives_up_when_the_login_has_expired(appliance: Appliance) -> None:
    ready(appliance, PENDING)
    came, waits, _ = fetch(appliance, replace(WAITING, lasts_s=0.3))
    assert isinstance(came, errors.NotLoggedIn)
    assert came.code == "expired_token"
    assert waits


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(400, "invalid_input", field="device_code"), errors.InvalidInput),
        (problem(500, "internal"), errors.ApiError),
        (Reply("<html>"), errors.UnexpectedAnswer),
        (Reply({**GIVEN, "access_token": ""}), errors.UnexpectedAnswer),
        (Reply({**GIVEN, "expires_in": "soon"}), errors.UnexpectedAnswer),
        (Reply([]), errors.UnexpectedAnswer),
    ],
    ids=["our fault", "its bug", "a page", "no token", "no time", "no object"],
)
def test_what_else_is_answered_ends_it(
    appliance: Appliance, answer: Reply, error: type[errors.ApiError]
) -> None:
    ready(appliance, answer)
    came, waits, _ = fetch(appliance)
    assert isinstance(came, error)
    assert len(waits) == 1
    assert CODE not in str(came)


@pytest.mark.parametrize(
    "page",
    [
        "",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "--help",
        "http://mavis.example.org/services/mavis/login?user_code=WDJB-MJHT",
        "https://olga:secret@mavis.example.org/login",
        "https://mavis.example.org/login\x1b[2J",
        "https://mavis.example.org/login --evil",
        "https://",
    ],
)
def test_an_address_that_should_not_be_opened_is_not_shown(appliance: Appliance, page: str) -> None:
    ready(appliance, verification_uri_complete=page)
    with pytest.raises(errors.UnexpectedAnswer):
        device_login.begin(appliance.url, Trust(), "laptop")


def test_a_code_cannot_steer_the_terminal_and_an_interval_is_no_flood(
    appliance: Appliance,
) -> None:
    ready(appliance, user_code="WDJB\x1b[2J")
    with pytest.raises(errors.UnexpectedAnswer):
        device_login.begin(appliance.url, Trust(), "laptop")
    ready(appliance, interval=0)
    assert device_login.begin(appliance.url, Trust(), "laptop").interval_s == 1
    assert CODE not in repr(device_login.begin(appliance.url, Trust(), "laptop"))
