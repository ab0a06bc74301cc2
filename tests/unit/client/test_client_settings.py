"""Where the appliance is, with which token, whose certificate is good, and the file of it all."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance_double.certificate import self_signed
from appliance_double.server import TOKEN, Certified, Reply
from mavis_kernel import errors
from mavis_kernel import profile as profiles
from mavis_kernel.certificates import fetch, fingerprint, same_fingerprint
from mavis_kernel.client import Mavis
from mavis_kernel.masking import Secret
from mavis_kernel.profile import Profile
from mavis_kernel.settings import (
    Settings,
    Trust,
    at_command_line,
    for_program,
    hub_url,
    is_private,
    normal_url,
)

URL = "https://mavis.example.org/services/mavis"
LATER = datetime(2999, 1, 1, tzinfo=UTC)
LOGIN = Profile(
    url=URL,
    username="olga",
    token=Secret("tok-login"),
    expires_at=LATER,
    certificate="PEM",
    project="shop",
)


def _revealed(token: Secret | None) -> str | None:
    return token.reveal() if token else None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://m.example.org", "https://m.example.org/services/mavis"),
        (" https://m.example.org:8443/ ", "https://m.example.org:8443/services/mavis"),
        ("https://m.example.org/services/mavis/", "https://m.example.org/services/mavis"),
        ("https://m.example.org/services/mavis/api/v1", "https://m.example.org/services/mavis"),
        ("http://[::1]:8000/jupyter", "http://[::1]:8000/jupyter/services/mavis"),
    ],
)
def test_an_address_is_brought_to_its_normal_form(text: str, url: str) -> None:
    assert normal_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mavis.example.org",
        "ftp://x",
        "https://",
        "https://x:99999",
        "https://u:p@x",
        "http://x?a",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(errors.BadSettings):
        normal_url(text)


def test_the_hub_is_beside_the_service() -> None:
    assert hub_url("https://x/services/mavis") == "https://x/hub/api"
    assert hub_url("https://x/jupyter/services/mavis") == "https://x/jupyter/hub/api"


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://x", True),
        ("http://127.0.0.1:8", True),
        ("http://[::1]:8", True),
        ("http://localhost", True),
        ("http://x.example.org", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_tls_and_loopback_are_private(url: str, private: bool) -> None:
    assert is_private(url) is private


def test_arguments_come_before_the_environment_and_that_before_the_login(clean_home: Path) -> None:
    profiles.save(LOGIN, clean_home)
    settings = for_program()
    assert (settings.url, _revealed(settings.token)) == (URL, "tok-login")
    settings = for_program(environ={**os.environ, "MAVIS_TOKEN": "tok-env"})
    assert (settings.url, _revealed(settings.token)) == (URL, "tok-env")
    settings = for_program("https://b", "tok-arg", environ={"MAVIS_URL": "https://c"})
    assert (settings.url, _revealed(settings.token)) == ("https://b/services/mavis", "tok-arg")


def test_the_token_of_a_login_goes_to_its_own_address_only(clean_home: Path) -> None:
    profiles.save(LOGIN, clean_home)
    settings = for_program("https://elsewhere.example.org")
    assert settings.token is None
    assert settings.trust.pinned_certificate is None
    settings = at_command_line(LOGIN, environ={"MAVIS_URL": "https://elsewhere.example.org"})
    assert settings.token is None


def test_a_program_in_a_single_user_server_takes_the_narrow_token_and_a_person_the_login(
    clean_home: Path,
) -> None:
    profiles.save(LOGIN, clean_home)
    inside = {**os.environ, "MAVIS_URL": URL, "JUPYTERHUB_API_TOKEN": "tok-server"}
    assert _revealed(for_program(environ=inside).token) == "tok-server"
    assert _revealed(at_command_line(LOGIN, environ=inside).token) == "tok-login"
    assert _revealed(at_command_line(Profile(), environ=inside).token) == "tok-server"
    ended = replace(LOGIN, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert _revealed(at_command_line(ended, environ=inside).token) == "tok-server"


def test_another_hubs_server_token_is_not_sent(clean_home: Path) -> None:
    profiles.save(replace(LOGIN, token=None), clean_home)
    settings = for_program(environ={**os.environ, "JUPYTERHUB_API_TOKEN": "tok-of-another-hub"})
    assert settings.token is None


def test_no_address_anywhere_asks_for_a_login() -> None:
    with pytest.raises(errors.NotLoggedIn, match="No appliance is named"):
        Mavis()


def test_a_ca_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.BadSettings, match=r"no certificate file .*/gone\.pem"):
        Mavis(URL, "t", tmp_path / "gone.pem")


def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with (
        Mavis(URL, "t", tmp_path / "empty.pem") as client,
        pytest.raises(errors.BadSettings, match=r"empty\.pem"),
    ):
        client.me()


def test_a_profile_comes_back_from_its_file(clean_home: Path) -> None:
    profiles.save(LOGIN, clean_home)
    assert profiles.load(clean_home) == LOGIN
    assert "tok-login" not in repr(LOGIN)


def test_the_file_and_its_folder_are_the_owners_alone(clean_home: Path) -> None:
    before = os.umask(0)
    try:
        profiles.save(LOGIN, clean_home)
    finally:
        os.umask(before)
    assert stat.S_IMODE(clean_home.stat().st_mode) == 0o600
    assert stat.S_IMODE(clean_home.parent.stat().st_mode) == 0o700


def test_a_file_that_was_open_to_others_is_closed_by_the_next_save(clean_home: Path) -> None:
    profiles.save(LOGIN, clean_home)
    clean_home.chmod(0o644)
    profiles.save(LOGIN, clean_home)
    assert stat.S_IMODE(clean_home.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_not_read(clean_home: Path, mode: int) -> None:
    profiles.save(LOGIN, clean_home)
    clean_home.chmod(mode)
    with pytest.raises(errors.BadSettings, match=f"has mode {mode:04o}"):
        Mavis()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1, "token": 7}',
        '{"version": 1, "expires_at": "soon"}',
    ],
)
def test_a_damaged_file_is_named_and_not_quoted(clean_home: Path, text: str) -> None:
    profiles.save(LOGIN, clean_home)
    clean_home.write_text(text)
    with pytest.raises(errors.BadSettings, match="not a credentials file") as caught:
        profiles.load(clean_home)
    assert str(clean_home) in str(caught.value)


def test_a_save_that_fails_leaves_the_old_file_whole(
    clean_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.save(LOGIN, clean_home)

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(errors.BadSettings, match="No space left"):
        profiles.save(replace(LOGIN, project="other"), clean_home)
    assert profiles.load(clean_home) == LOGIN
    assert list(clean_home.parent.iterdir()) == [clean_home]


def test_xdg_config_home_is_honoured_where_it_is_absolute(tmp_path: Path) -> None:
    inside = profiles.credentials_path({"XDG_CONFIG_HOME": str(tmp_path)})
    assert inside == tmp_path / "mavis" / "credentials.json"
    elsewhere = profiles.credentials_path({"XDG_CONFIG_HOME": "relative"})
    assert elsewhere == Path.home() / ".config" / "mavis" / "credentials.json"


def test_a_file_of_the_first_version_stays_readable(clean_home: Path) -> None:
    clean_home.parent.mkdir(parents=True)
    clean_home.write_text(json.dumps({"version": 1, "url": URL, "token": "t", "new": [1]}))
    clean_home.chmod(0o600)
    assert profiles.load(clean_home) == Profile(url=URL, token=Secret("t"))


def test_fingerprints_are_compared_however_they_are_written() -> None:
    written = "AB:" * 31 + "CD"
    assert same_fingerprint(written, "ab" * 31 + "cd")
    assert same_fingerprint(f"SHA256:{written}", written)
    assert not same_fingerprint(written, "AB:" * 32)


def test_a_self_signed_certificate_is_refused_until_it_is_pinned(tls_appliance: Certified) -> None:
    server = tls_appliance.appliance
    server.on("GET", "/health", Reply({"status": "ok", "version": "1"}))
    with Mavis(server.url, TOKEN) as client, pytest.raises(errors.CertificateNotTrusted) as caught:
        client.health()
    assert "self-signed" in str(caught.value)
    assert server.asked == []
    shown = fetch(server.url)
    assert fingerprint(shown) == fingerprint(tls_appliance.certificate)
    pinned = Settings(server.url, Secret(TOKEN), Trust(pinned_certificate=shown))
    with Mavis(settings=pinned) as client:  # whatever name the certificate bears
        assert client.health().status == "ok"


def test_another_certificate_than_the_pinned_one_is_refused(tls_appliance: Certified) -> None:
    other, _key = self_signed("appliance.internal")
    trust = Trust(pinned_certificate=other)
    with (
        Mavis(settings=Settings(tls_appliance.appliance.url, Secret(TOKEN), trust)) as client,
        pytest.raises(errors.CertificateNotTrusted),
    ):
        client.me()
    assert tls_appliance.appliance.asked == []


def test_an_authority_vouches_for_a_name_and_for_no_other(tls_appliance: Certified) -> None:
    with (
        Mavis(tls_appliance.appliance.url, TOKEN, tls_appliance.path) as client,
        pytest.raises(errors.CertificateNotTrusted, match="127"),
    ):
        client.health()
