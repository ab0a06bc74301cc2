"""Unix users of an isolated appliance, made and removed for real."""

import grp
import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pamela
import pytest

from mavis_core.config import Config, load
from mavis_core.errors import Conflict
from mavis_hub import users
from mavis_hub.folders import ensure_folders
from mavis_hub.hub import runtime_dir

pytestmark = pytest.mark.root

ADA, BOB = users.Person("demo-t-ada", "tester", admin=True), users.Person("demo-t-bob", "tester")


@pytest.fixture
def config(short_home: Path) -> Iterator[Config]:
    config = load(short_home, environ={})
    users.ensure_service_users()
    ensure_folders(config)
    yield config
    for person in (ADA, BOB):
        subprocess.run(["userdel", person.name], capture_output=True, check=False, timeout=30)


def test_services_get_users_without_login_and_with_their_groups(config: Config) -> None:
    for user in users.SERVICE_USERS:
        entry = pwd.getpwnam(user.name)
        assert entry.pw_shell == "/usr/sbin/nologin"
        assert entry.pw_uid < 1000
        for group in user.groups:
            assert user.name in grp.getgrnam(group).gr_mem
    assert set(grp.getgrnam("mavis-db").gr_mem) == {
        "mavis-api",
        "mavis-gateway",
        "mavis-logs",
        "mavis-worker",
    }


def test_people_get_a_private_home_and_the_password_on_file(config: Config) -> None:
    users.ensure_demo_people(config, (ADA, BOB))
    passwords = users.demo_passwords(config)
    for person in (ADA, BOB):
        home = Path(pwd.getpwnam(person.name).pw_dir)
        assert home == config.home / "homes" / person.name
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        pamela.authenticate(person.name, passwords[person.name], service="login")
    assert stat.S_IMODE(users.demo_file(config).stat().st_mode) == 0o600


def test_a_second_start_changes_no_number_and_no_password(config: Config) -> None:
    users.ensure_demo_people(config, (ADA,))
    before = (pwd.getpwnam(ADA.name), users.demo_passwords(config))
    users.ensure_demo_people(config, (ADA,))
    assert (pwd.getpwnam(ADA.name), users.demo_passwords(config)) == before


def test_a_stranger_of_that_name_is_left_alone(config: Config) -> None:
    subprocess.run(["useradd", "--comment", "A stranger", BOB.name], check=True, timeout=30)
    before = pwd.getpwnam(BOB.name)
    with pytest.raises(Conflict, match=BOB.name):
        users.ensure_demo_people(config, (BOB,))
    assert pwd.getpwnam(BOB.name) == before


def test_a_demo_person_of_an_appliance_that_is_gone_is_taken_over(config: Config) -> None:
    command = ["useradd", "--comment", users.PERSON_MARK, "--home-dir", "/gone", ADA.name]
    subprocess.run(command, check=True, timeout=30)
    users.ensure_demo_people(config, (ADA,))
    assert pwd.getpwnam(ADA.name).pw_dir == str(config.home / "homes" / ADA.name)


def test_a_person_of_the_machine_has_a_place_for_sockets_that_nobody_else_enters(
    config: Config,
) -> None:
    home = config.home / "elsewhere"
    subprocess.run(["useradd", "--home-dir", str(home), BOB.name], check=True, timeout=30)
    for _ in range(2):
        users.ensure_socket_folders(config, [BOB.name])
        place = Path(runtime_dir(config, BOB.name))
        as_bob = ["setpriv", f"--reuid={BOB.name}", f"--regid={BOB.name}", "--clear-groups"]
        subprocess.run([*as_bob, "mkdir", "-p", str(place)], check=True, timeout=30)
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    number = pwd.getpwnam(BOB.name).pw_uid
    for path in (place, place.parent):
        os.chown(path, 54321, 54321)  # as from a backup of another machine
    users.ensure_socket_folders(config, [BOB.name])
    subprocess.run([*as_bob, "mkdir", str(place)], check=True, timeout=30)
    assert {path.stat().st_uid for path in (place, place.parent)} == {number}


def test_a_service_s_files_follow_its_new_number(config: Config) -> None:
    folder = config.home / "prefect"
    (folder / "prefect.db").write_text("data")
    (folder / "link").symlink_to("/etc/passwd")
    for path in (folder, folder / "prefect.db"):
        os.chown(path, 54321, 54321)
    os.chown(folder / "link", 54321, 54321, follow_symlinks=False)
    ensure_folders(config)
    uid = pwd.getpwnam("mavis-prefect").pw_uid
    assert {(folder / name).lstat().st_uid for name in ("prefect.db", "link")} == {uid}
    assert Path("/etc/passwd").stat().st_uid == 0
