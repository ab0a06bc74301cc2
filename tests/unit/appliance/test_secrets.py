import stat

import pytest

from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_core.vault.sealing import Opener, Sealer
from mavis_hub.folders import ensure_folders, folders
from mavis_hub.secrets import SECRETS, ensure_secrets


@pytest.fixture
def made(config: Config) -> Config:
    ensure_folders(config)
    ensure_secrets(config, {})
    return config


def contents(config: Config) -> dict[str, str]:
    return {str(path): path.read_text() for path in config.secrets.glob("*/*")}


def test_each_holder_has_the_same_value_and_nobody_else_has_it(made: Config) -> None:
    for secret in SECRETS:
        held = {path.parent.name for path in made.secrets.glob(f"*/{secret.name}")}
        assert held == set(secret.holders)
        assert len({made.read_secret(holder, secret.name) for holder in secret.holders}) == 1


def test_secrets_are_one_line_and_private(made: Config) -> None:
    files = list(made.secrets.glob("*/*"))
    assert files
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().count("\n") == 1
    for path in made.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_two_appliances_share_no_secret(made: Config, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from mavis_core.config import load

    other = load(tmp_path / "other", environ={}, flags={"appliance.isolation": "none"})
    ensure_folders(other)
    ensure_secrets(other, {})
    assert not set(contents(made).values()) & set(contents(other).values())


def test_a_second_start_changes_nothing(made: Config) -> None:
    before = contents(made)
    ensure_secrets(made, {})
    assert contents(made) == before


def test_a_lost_copy_comes_from_another_holder(made: Config) -> None:
    value = made.read_secret("api", "hub-token")
    made.secret_file("api", "hub-token").unlink()
    ensure_secrets(made, {})
    assert made.read_secret("api", "hub-token") == value


def test_a_mode_that_was_opened_is_closed_again(made: Config) -> None:
    path = made.secret_file("api", "hub-token")
    path.chmod(0o644)
    ensure_secrets(made, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_vault_s_pair_fits_and_lies_where_it_should(made: Config) -> None:
    sealed = Sealer(made.read_secret("api", "vault-public-key")).seal(b"key", name="key_1")
    opener = Opener(made.read_secret("worker", "vault-private-key"))
    assert opener.open(sealed, name="key_1") == b"key"
    assert [path.parent.name for path in made.secrets.glob("*/vault-private-key")] == ["worker"]


def test_a_lost_private_key_is_an_error_and_never_made_anew(made: Config) -> None:
    made.secret_file("worker", "vault-private-key").unlink()
    with pytest.raises(Unavailable, match="vault-private-key"):
        ensure_secrets(made, {})
    assert not made.secret_file("worker", "vault-private-key").exists()


def test_folders_have_their_modes_and_get_them_back(config: Config) -> None:
    ensure_folders(config)
    (config.home / "hub").chmod(0o777)
    ensure_folders(config)
    for folder in folders(config):
        assert stat.S_IMODE(folder.path.stat().st_mode) == folder.mode, folder.path


def test_a_file_in_the_way_of_a_folder_is_named(config: Config) -> None:
    config.home.mkdir()
    (config.home / "run").write_text("in the way")
    with pytest.raises(Unavailable, match="run"):
        ensure_folders(config)
