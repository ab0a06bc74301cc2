"""``mavis ssh`` as a person calls it: API, door, OpenSSH's clients, and Debian's sshd behind it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_scene import Scene, call_of
from person_double import Person, api_of

OLGA = call_of("olga")


@pytest.fixture(scope="module")
def api(scene: Scene) -> Iterator[int]:
    with api_of(scene) as port:
        yield port


@pytest.fixture
def olga(scene: Scene, api: int, tmp_path: Path) -> Iterator[Person]:
    home = tmp_path / "a home"
    home.mkdir()
    yield Person(home, f"http://127.0.0.1:{api}/services/mavis")
    for each in scene.certificates.list(OLGA):
        scene.certificates.revoke(OLGA, each.id)


def test_one_command_goes_to_a_device_and_ends_as_what_ran_there(
    scene: Scene, olga: Person
) -> None:
    done = olga.mavis("ssh", "web-1", "cat; echo oh >&2; exit 7", given=b"\x00typed")
    assert (done.stdout, done.returncode) == (b"\x00typed", 7), done.stderr
    assert done.stderr.endswith(b"oh\n")
    session = scene.newest()
    assert (session.person, session.entrance, session.device) == ("olga", "door", "web-1")
    assert stat.S_IMODE(olga.files.stat().st_mode) == 0o700
    for each in olga.files.iterdir():
        if each.name != "id_ed25519.pub":
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
    (first,) = scene.certificates.list(OLGA)
    assert olga.mavis("ssh", "-p", "shop", "web-1", "true").returncode == 0
    assert [each.id for each in scene.certificates.list(OLGA)] == [first.id]


def test_a_certificate_that_was_revoked_elsewhere_is_followed_by_another(
    scene: Scene, olga: Person
) -> None:
    assert olga.mavis("ssh", "login", "--hours", "1").returncode == 0
    (first,) = scene.certificates.list(OLGA)
    scene.certificates.revoke(OLGA, first.id)
    assert olga.mavis("ssh", "web-1", "true").returncode == 0
    (second,) = scene.certificates.list(OLGA)
    assert second.id != first.id


def test_every_client_knows_the_devices_and_the_certificate_renews_itself(
    scene: Scene, olga: Person
) -> None:
    config = str(olga.config())
    (olga.home / "file").write_text("content")
    copied = olga.run("scp", "-F", config, "file", "web-1.shop.mavis:copied by scp")
    assert copied.returncode == 0, copied.stderr
    (held,) = scene.certificates.list(OLGA)
    scene.certificates.revoke(OLGA, held.id)
    (olga.files / "certificate.json").unlink()
    done = olga.run("ssh", "-F", config, "web-1.shop.mavis", "cat 'copied by scp'")
    assert (done.stdout, done.returncode) == (b"content", 0), done.stderr
    assert len(scene.certificates.list(OLGA)) == 1


def test_a_door_that_shows_another_key_than_the_api_told_is_not_spoken_to(
    scene: Scene, olga: Person
) -> None:
    config = str(olga.config())
    known = olga.files / "known_hosts"
    other = (olga.files / "id_ed25519.pub").read_text().split()
    known.write_text(f"mavis-door {other[0]} {other[1]}\n")
    before = scene.newest().id
    done = olga.run("ssh", "-F", config, "web-1.shop.mavis", "true")
    assert done.returncode == 255
    assert b"Host key verification failed" in done.stderr
    assert scene.newest().id == before
    assert olga.mavis("ssh", "web-1", "true").returncode == 0  # which asks the API again


def test_a_logout_revokes_what_a_login_got(scene: Scene, olga: Person) -> None:
    config = str(olga.config())
    kept = {each.name: each.read_bytes() for each in olga.files.iterdir()}
    done = olga.mavis("ssh", "logout")
    assert done.returncode == 0, done.stderr
    assert scene.certificates.list(OLGA) == ()
    assert not olga.files.exists()
    olga.files.mkdir()
    for name, content in kept.items():
        (olga.files / name).touch(mode=0o600)
        (olga.files / name).write_bytes(content)
    refused = olga.run("ssh", "-F", config, "web-1.shop.mavis", "true")
    assert refused.returncode == 255
    assert b"Permission denied" in refused.stderr


def test_all_certificates_are_revoked_at_once(scene: Scene, olga: Person, tmp_path: Path) -> None:
    other = Person(tmp_path / "other", olga.url)
    other.home.mkdir()
    for each in (olga, other):
        assert each.mavis("ssh", "login").returncode == 0
    assert len(scene.certificates.list(OLGA)) == 2
    assert olga.mavis("ssh", "logout", "--all").returncode == 0
    assert scene.certificates.list(OLGA) == ()


def test_the_token_of_a_notebook_gets_no_certificate(scene: Scene, olga: Person) -> None:
    olga.token = "kernel"
    done = olga.mavis("ssh", "login")
    assert done.returncode == 4
    assert b"mavis login" in done.stderr
    assert scene.certificates.list(OLGA) == ()


@pytest.mark.parametrize("words", [("login",), ("web-1",)])
def test_a_machine_without_openssh_hears_what_to_install(
    olga: Person, tmp_path: Path, words: tuple[str, ...]
) -> None:
    olga.path = os.fspath(tmp_path)
    done = olga.mavis("ssh", *words)
    assert done.returncode == 2
    assert b"openssh-client" in done.stderr


def test_a_device_that_is_none_is_told_by_the_door(olga: Person) -> None:
    done = olga.mavis("ssh", "nothing", "true")
    assert done.returncode == 255
    assert b"nothing" in done.stderr
    beside = olga.mavis("ssh", "connect", "login", "true")
    assert beside.returncode == 255
