"""Several logins of one person, each under a name."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mavis_kernel import profiles
from mavis_kernel.errors import BadSettings, NotFound, NotLoggedIn
from mavis_kernel.masking import Secret
from mavis_kernel.profile import Profile, chosen, credentials_path, load, save
from mavis_kernel.settings import at_command_line, for_program


def _keep(path: Path, url: str, token: str) -> None:
    save(Profile(url=url, token=Secret(token)), path)


def test_a_profile_that_is_named_brings_its_own_appliance_and_login(clean_home: Path) -> None:
    environ = {"MAVIS_URL": "https://one.example/services/mavis", "MAVIS_TOKEN": "of-one"}
    _keep(credentials_path(profile="work"), "https://two.example/services/mavis", "of-two")
    for settings in (
        for_program(profile="work", environ=environ),
        at_command_line(
            load(credentials_path({**environ, "MAVIS_PROFILE": "work"})),
            environ={**environ, "MAVIS_PROFILE": "work"},
        ),
    ):
        assert settings.url == "https://two.example/services/mavis"
        assert settings.token == Secret("of-two")
    assert for_program(environ=environ).token == Secret("of-one")


def test_nobody_else_sees_which_profiles_there_are(clean_home: Path) -> None:
    path = credentials_path(profile="work")
    _keep(path, "https://two.example/services/mavis", "of-two")
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_a_profile_without_a_login_takes_no_other_token(clean_home: Path) -> None:
    environ = {"MAVIS_URL": "https://one.example", "MAVIS_TOKEN": "of-one", "MAVIS_PROFILE": "new"}
    with pytest.raises(NotLoggedIn):
        for_program(profile="new", environ={})
    assert at_command_line(Profile(), environ=environ).token is None


def test_the_profile_in_use_is_that_of_the_calls_that_follow(clean_home: Path) -> None:
    assert (profiles.names(), chosen()) == ([], "default")
    _keep(credentials_path(), "https://one.example/services/mavis", "of-one")
    _keep(credentials_path(profile="work"), "https://two.example/services/mavis", "of-two")
    assert profiles.names() == ["default", "work"]
    profiles.use("work")
    assert chosen() == "work"
    assert load(credentials_path()).token == Secret("of-two")
    assert chosen({"MAVIS_PROFILE": "default"}) == "default"
    profiles.forget("work")
    assert (profiles.names(), chosen()) == (["default"], "default")
    with pytest.raises(NotFound, match="there are: default"):
        profiles.use("work")
    with pytest.raises(NotFound):
        profiles.forget("work")


@pytest.mark.parametrize("name", ["../credentials", ".hidden", "a/b", ".", "x" * 65, "a\nb"])
def test_a_name_that_is_no_file_of_its_own_is_refused(clean_home: Path, name: str) -> None:
    with pytest.raises(BadSettings, match="cannot be the name of a profile"):
        credentials_path({"MAVIS_PROFILE": name})
    with pytest.raises(BadSettings):
        profiles.forget(name)
