"""Logging in and out: the Hub's token, the certificate, the credentials file."""

from __future__ import annotations

import json
import platform
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance_double.certificate import self_signed
from appliance_double.objects import project_json
from appliance_double.server import TOKEN, Appliance, Certified, Reply, problem
from appliance_double.terminal import Terminal
from mavis_kernel import profile as profiles
from mavis_kernel.certificates import fingerprint
from mavis_kernel.cli.root import root
from mavis_kernel.masking import Secret
from mavis_kernel.profile import Profile

Spawn = Callable[..., subprocess.Popen[bytes]]

PASSWORD = "correct horse battery"
ME = {
    "name": "olga",
    "groups": ["ops"],
    "scopes": ["custom:mavis:read"],
    "platform_admin": False,
    "projects": [{"name": "shop", "title": "Shop", "role": "operator"}],
}
HUB_TOKEN = {
    "kind": "api_token",
    "id": "a17",
    "user": "olga",
    "note": "…",
    "expires_at": "2999-01-01T00:00:00.000000Z",
    "token": TOKEN,
}
TOKENS = "/hub/api/users/olga/tokens"


def _ready(appliance: Appliance) -> None:
    appliance.on("GET", "/health", Reply({"status": "ok", "version": "1"}))
    appliance.on("GET", "/me", Reply(ME))
    appliance.on("POST", TOKENS, Reply(HUB_TOKEN, 201))
    appliance.on("GET", "/hub/api/user", Reply({"name": "olga", "token_id": "a17"}))
    appliance.on("DELETE", f"{TOKENS}/a17", Reply(None, 204))


def _login(url: str, *words: str, stdin: str = f"{PASSWORD}\n") -> Result:
    arguments = ["login", "--url", url, "--username", "olga", "--password-stdin", *words]
    return CliRunner().invoke(root, arguments, input=stdin)


def test_a_login_asks_the_hub_for_a_token_and_keeps_it(
    appliance: Appliance, clean_home: Path
) -> None:
    _ready(appliance)
    done = _login(appliance.host)
    assert done.exit_code == 0
    (asked,) = appliance.to("POST", TOKENS)
    assert asked.body == {
        "auth": {"username": "olga", "password": PASSWORD},
        "note": f"mavis login from {platform.node()}",
        "expires_in": 12 * 3600,
    }
    assert "Authorization" not in asked.headers
    kept = profiles.load(clean_home)
    assert (kept.url, kept.username) == (appliance.url, "olga")
    assert kept.token == Secret(TOKEN)
    assert kept.expires_at == datetime(2999, 1, 1, tzinfo=UTC)
    assert stat.S_IMODE(clean_home.stat().st_mode) == 0o600
    assert PASSWORD not in clean_home.read_text()
    assert "Logged in to" in done.stderr
    assert "mavis project use NAME" in done.stderr
    assert TOKEN not in done.output
    assert PASSWORD not in done.output


def test_after_a_login_the_command_line_knows_who_and_where(appliance: Appliance) -> None:
    _ready(appliance)
    _login(appliance.host)
    appliance.on("GET", "/projects/shop", Reply(project_json()))
    runner = CliRunner()
    assert runner.invoke(root, ["project", "use", "shop"]).exit_code == 0
    done = runner.invoke(root, ["whoami"])
    for text in ("olga", appliance.url, "shop (operator)", "ends 2999", "Project chosen"):
        assert text in done.stdout
    assert TOKEN not in done.output
    assert json.loads(runner.invoke(root, ["whoami", "-o", "json"]).stdout) == ME
    assert runner.invoke(root, ["whoami", "-o", "id"]).stdout == "olga\n"


def test_a_wrong_password_keeps_nothing(appliance: Appliance, clean_home: Path) -> None:
    _ready(appliance)
    appliance.on("POST", TOKENS, Reply({"status": 403, "message": "Forbidden"}, 403))
    done = _login(appliance.host)
    assert done.exit_code == 3
    assert "does not let olga in" in done.stderr
    assert not clean_home.exists()
    assert len(appliance.to("POST", TOKENS)) == 1  # a password is not tried twice


def test_a_wrong_address_says_that_there_is_no_mavis(appliance: Appliance) -> None:
    appliance.on("GET", "/health", Reply("404 page not found", 404))
    done = _login(appliance.host)
    assert done.exit_code == 5
    assert "There is no Mavis at" in done.stderr


def test_a_password_does_not_travel_unencrypted() -> None:
    done = _login("http://mavis.example.org")
    assert done.exit_code == 2
    assert "is not encrypted" in done.stderr


def test_a_token_of_the_hub_is_a_login_too(appliance: Appliance, clean_home: Path) -> None:
    _ready(appliance)
    words = ["login", "--url", appliance.host, "--token-stdin", "-o", "id"]
    done = CliRunner().invoke(root, words, input=f"{TOKEN}\n")
    assert (done.exit_code, done.stdout) == (0, "olga\n")
    kept = profiles.load(clean_home)
    assert (kept.token, kept.expires_at) == (Secret(TOKEN), None)
    assert appliance.to("GET", "/hub/api/user")[0].headers["Authorization"] == f"token {TOKEN}"


def test_a_token_that_the_hub_does_not_know_is_no_login(
    appliance: Appliance, clean_home: Path
) -> None:
    _ready(appliance)
    appliance.on("GET", "/hub/api/user", Reply({"status": 403, "message": "Forbidden"}, 403))
    words = ["login", "--url", appliance.host, "--token-stdin"]
    done = CliRunner().invoke(root, words, input="old\n")
    assert done.exit_code == 3
    assert not clean_home.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["login"],
        ["login", "--url", "URL"],
        ["login", "--url", "URL", "--password-stdin"],
        ["login", "--url", "URL", "--token-stdin"],
        ["login", "--url", "URL", "--token-stdin", "--password-stdin"],
    ],
    ids=" ".join,
)
def test_a_login_that_lacks_something_without_a_terminal_is_wrong_usage(
    appliance: Appliance, words: list[str]
) -> None:
    _ready(appliance)
    words = [appliance.host if word == "URL" else word for word in words]
    done = CliRunner().invoke(root, words, input="")
    assert done.exit_code == 2
    assert any(word in done.stderr for word in ("stdin", "--url", "--username"))


def test_a_login_replaces_a_file_that_others_could_read(
    appliance: Appliance, clean_home: Path
) -> None:
    _ready(appliance)
    profiles.save(Profile(url=appliance.url, token=Secret("old")), clean_home)
    clean_home.chmod(0o644)
    assert CliRunner().invoke(root, ["whoami"]).exit_code == 2
    done = _login(appliance.host)
    assert done.exit_code == 0
    assert "mode 0644" in done.stderr
    assert stat.S_IMODE(clean_home.stat().st_mode) == 0o600


def test_a_login_that_has_ended_says_so(appliance: Appliance, clean_home: Path) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    login = Profile(url=appliance.url, token=Secret(TOKEN), expires_at=past, project="shop")
    profiles.save(login, clean_home)
    done = CliRunner().invoke(root, ["resource", "list"])
    assert done.exit_code == 3
    assert "has ended (2020-01-01 00:00 UTC)" in done.stderr
    assert appliance.asked == []


def test_a_logout_ends_the_token_and_keeps_the_address(
    appliance: Appliance, clean_home: Path
) -> None:
    _ready(appliance)
    _login(appliance.host)
    profiles.save(replace(profiles.load(clean_home), project="shop"), clean_home)
    done = CliRunner().invoke(root, ["logout"])
    assert done.exit_code == 0
    assert len(appliance.to("DELETE", f"{TOKENS}/a17")) == 1
    kept = profiles.load(clean_home)
    assert (kept.url, kept.project, kept.token) == (appliance.url, "shop", None)
    assert TOKEN not in clean_home.read_text()
    assert "You are not logged in." in CliRunner().invoke(root, ["logout"]).stderr


def test_a_logout_forgets_the_token_though_the_hub_is_down(
    appliance: Appliance, clean_home: Path
) -> None:
    _ready(appliance)
    _login(appliance.host)
    appliance.on("GET", "/hub/api/user", Reply("", 502))
    done = CliRunner().invoke(root, ["logout"])
    assert done.exit_code == 0
    assert "could not be revoked and ends 2999" in done.stderr
    assert profiles.load(clean_home).token is None


def test_a_token_that_the_hub_has_forgotten_is_logged_out_without_a_word(
    appliance: Appliance,
) -> None:
    _ready(appliance)
    _login(appliance.host)
    appliance.on("GET", "/hub/api/user", problem(403, "forbidden"))
    done = CliRunner().invoke(root, ["logout"])
    assert done.exit_code == 0
    assert "could not be revoked" not in done.stderr


def test_a_self_signed_certificate_is_shown_and_not_trusted_without_somebody_to_ask(
    tls_appliance: Certified, clean_home: Path
) -> None:
    _ready(tls_appliance.appliance)
    done = _login(tls_appliance.appliance.host)
    assert done.exit_code == 6
    assert fingerprint(tls_appliance.certificate) in done.stderr
    assert "--fingerprint" in done.stderr
    assert tls_appliance.appliance.asked == []
    assert not clean_home.exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 6)], ids=["yes", "enter"])
def test_in_a_terminal_the_fingerprint_is_asked_about_and_the_password_typed_unseen(
    tls_appliance: Certified, clean_home: Path, spawn: Spawn, answer: str, code: int
) -> None:
    _ready(tls_appliance.appliance)
    words = ("login", "--url", tls_appliance.appliance.host, "--username", "olga")
    terminal = Terminal(spawn, *words)
    terminal.wait_for("Is this the appliance's own fingerprint? [y/N]")
    assert fingerprint(tls_appliance.certificate) in terminal.shown
    assert tls_appliance.appliance.asked == []
    terminal.type(f"{answer}\n")
    if code == 0:
        terminal.wait_for("User name [olga]")
        terminal.type("\n")
        terminal.wait_for("Password:")
        terminal.type(f"{PASSWORD}\n")
    assert terminal.end() == code
    assert clean_home.exists() == (code == 0)
    assert PASSWORD not in terminal.shown
    assert TOKEN not in terminal.shown


def test_a_fingerprint_pins_the_certificate(tls_appliance: Certified, clean_home: Path) -> None:
    _ready(tls_appliance.appliance)
    shown = fingerprint(tls_appliance.certificate)
    done = _login(tls_appliance.appliance.host, "--fingerprint", shown.lower().replace(":", ""))
    assert done.exit_code == 0
    kept = profiles.load(clean_home)
    assert kept.certificate is not None
    assert fingerprint(kept.certificate) == shown
    assert CliRunner().invoke(root, ["whoami"]).exit_code == 0
    assert _login(tls_appliance.appliance.host).exit_code == 0  # known by now
    assert CliRunner().invoke(root, ["logout"]).exit_code == 0


def test_another_fingerprint_is_refused_before_the_password_is_sent(
    tls_appliance: Certified, clean_home: Path
) -> None:
    _ready(tls_appliance.appliance)
    done = _login(tls_appliance.appliance.host, "--fingerprint", "AB" * 32)
    assert done.exit_code == 7
    assert "Somebody may stand in between" in done.stderr
    assert tls_appliance.appliance.asked == []
    assert not clean_home.exists()


def test_a_certificate_that_changed_is_said_to_have_changed(
    tls_appliance: Certified, clean_home: Path
) -> None:
    _ready(tls_appliance.appliance)
    other, _key = self_signed("appliance.internal")
    url = tls_appliance.appliance.url
    profiles.save(Profile(url=url, token=Secret(TOKEN), certificate=other), clean_home)
    done = _login(url)
    assert done.exit_code == 6
    assert "ANOTHER ONE" in done.stderr
    assert CliRunner().invoke(root, ["whoami"]).exit_code == 7
    assert tls_appliance.appliance.asked == []


def test_a_ca_file_is_kept_with_the_login(tmp_path: Path, clean_home: Path) -> None:
    done = _login("https://127.0.0.1:9", "--ca-file", str(tmp_path / "none.pem"))
    assert done.exit_code == 2
    assert "none.pem" in done.stderr
