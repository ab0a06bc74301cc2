"""Settings: who wins, and what a bad value is told."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core import config
from mavis_core.db import migrate
from mavis_core.errors import InvalidInput, Unavailable


def write(home: Path, text: str) -> Path:
    (home / "mavis.toml").write_text(text, encoding="utf-8")
    return home


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    home = write(tmp_path, '[edge]\nport = 1001\nhost = "127.0.0.2"\ntls = "off"\n')
    environ = {"MAVIS_EDGE_PORT": "1002", "MAVIS_EDGE_HOST": "127.0.0.3"}
    made = config.load(home, environ=environ, flags={"edge.port": 1003})
    assert (made.edge.port, made.edge.host, made.edge.tls) == (1003, "127.0.0.3", "off")
    assert made.hub.idle_timeout_s == 3600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("[edge]\nport = 70000\n", ["edge.port", "70000", "65535"], id="out of range"),
        pytest.param('[edge]\nport = "x"\n', ["edge.port", "'x'", "int"], id="wrong type"),
        pytest.param("[edge]\nport = true\n", ["edge.port", "True", "int"], id="truth for number"),
        pytest.param(
            '[edge]\ntls = "ssl"\n', ["edge.tls", "self-signed, files"], id="no such word"
        ),
        pytest.param("[edge]\nprot = 1\n", ["edge.prot", "no such setting"], id="misspelt"),
        pytest.param("[egde]\nport = 1\n", ["egde.port", "sections are appliance"], id="section"),
        pytest.param("port = 1\n", ["port", "below a [section]"], id="outside a section"),
        pytest.param("[edge\n", ["mavis.toml", "is not TOML"], id="no TOML"),
        pytest.param('[edge]\nhost = "a b"\n', ["edge.host", "host name"], id="bad host"),
        pytest.param('[database]\nurl = "mysql://x"\n', ["database.url", "sqlite:///"], id="mysql"),
    ],
)
def test_a_bad_value_is_named_with_its_mend(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        config.load(write(tmp_path, text), environ={})
    for word in words:
        assert word in refused.value.message


def test_all_bad_values_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        config.load(tmp_path, environ={"MAVIS_EDGE_PORT": "x", "MAVIS_PORTS_API": "0"})
    assert "MAVIS_EDGE_PORT" in refused.value.message
    assert "MAVIS_PORTS_API" in refused.value.message


def test_a_secret_value_is_not_told(tmp_path: Path) -> None:
    environ = {"MAVIS_DATABASE_URL": "mysql://mavis:hunter2@host/db"}
    with pytest.raises(InvalidInput) as refused:
        config.load(tmp_path, environ=environ)
    assert "hunter2" not in str(refused.value)
    assert "database.url" in refused.value.message


def test_the_address_that_people_type(tmp_path: Path) -> None:
    def url(**flags: object) -> str:
        given = {f"edge.{name}": value for name, value in flags.items()}
        return config.load(tmp_path, environ={}, flags=given).public_url

    assert url() == "https://127.0.0.1:8443"
    assert url(tls="off", port=8000) == "http://127.0.0.1:8000"
    assert url(public_host="ops.example.org", port=443) == "https://ops.example.org"
    assert url(host="0.0.0.0") == "https://127.0.0.1:8443"


def test_a_secret_that_cannot_be_read_says_where_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        config.load(tmp_path, environ={}).read_secret("api", "logs-token")
    assert "secrets/api/logs-token" in refused.value.message


BAD_TYPES: dict[str, list[str]] = {
    "int": ['"many"', '""', '"1.5"', "1.5", "true", "[]", "{}"],
    "float": ['"many"', '""', "true", "[]", '"nan"', "inf"],
    "str": ["1", "true", "[]", "{}"],
}


@pytest.mark.parametrize("setting", config.settings(), ids=lambda setting: setting.key)
def test_every_setting_takes_its_default_from_its_variable(
    setting: config.Setting, tmp_path: Path
) -> None:
    section, _, name = setting.key.partition(".")
    made = config.load(tmp_path, environ={setting.variable: str(setting.default)})
    assert getattr(getattr(made, section), name) == setting.default


@pytest.mark.parametrize("setting", config.settings(), ids=lambda setting: setting.key)
def test_a_value_of_another_type_is_named_with_key_source_and_mend(
    setting: config.Setting, tmp_path: Path
) -> None:
    section, _, name = setting.key.partition(".")
    for value in BAD_TYPES[setting.type]:
        with pytest.raises(InvalidInput) as refused:
            config.load(write(tmp_path, f"[{section}]\n{name} = {value}"), environ={})
        head, line = refused.value.message.splitlines()
        assert head == "Bad settings:"
        assert line.strip().startswith(f"{setting.key} = ")
        assert str(tmp_path / "mavis.toml") in line
        assert ": use a" in line


@pytest.mark.parametrize(
    ("key", "value", "mend"),
    [
        ("edge.port", "0", "use a port from 1 to 65535"),
        ("edge.public_host", "https://x", "use a host name or an address"),
        ("appliance.isolation", "yes", "use one of auto, users, none"),
        ("database.pool_size", "0", "use a number from 1 to 64"),
        ("hub.idle_timeout_s", "5", "use a number from 60 to 604800"),
        ("worker.concurrency", "65", "use a number from 1 to 64"),
        ("worker.pending_copies", "0", "use a number from 1 to 1000"),
        ("worker.poll_s", "0", "use a number from 0.05 to 60"),
        ("worker.settle_s", "-1", "use a number from 0 to 3600"),
        ("worker.snapshot_timeout_s", "nan", "use a number from 1 to 172800"),
    ],
)
def test_a_value_out_of_bounds_says_what_to_use(
    key: str, value: str, mend: str, tmp_path: Path
) -> None:
    variable = "MAVIS_" + key.upper().replace(".", "_")
    with pytest.raises(InvalidInput) as refused:
        config.load(tmp_path, environ={variable: value})
    assert f"{key} = {value!r} (from {variable}): {mend}" in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[database]\nurl = "mysql://ada:hush@db/x"', id="bad value"),
        pytest.param('[database]\nurl = ["hush"]', id="bad type"),
        pytest.param('[database]\npassword = "hush"', id="unknown key"),
        pytest.param('[databse]\nurl = "postgresql+psycopg://a:hush@db/x"', id="unknown section"),
        pytest.param('database = "postgresql+psycopg://a:hush@db/x"', id="no section"),
        pytest.param('[database]\nurl = "hush', id="broken TOML"),
    ],
)
def test_what_may_be_a_secret_is_in_no_complaint(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        config.load(write(tmp_path, text), environ={})
    assert "hush" not in refused.value.message


def test_a_secret_is_in_no_repr(tmp_path: Path) -> None:
    made = config.load(
        write(tmp_path, '[database]\nurl = "postgresql+psycopg://ada:hush@db/x"'), environ={}
    )
    assert made.database_url == "postgresql+psycopg://ada:hush@db/x"
    assert "hush" not in repr(made)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_no_text_in_the_environment_breaks_the_reading(text: str) -> None:
    for variable in ("MAVIS_EDGE_PORT", "MAVIS_WORKER_POLL_S", "MAVIS_EDGE_TLS"):
        told = variable
        try:
            made = config.load(Path("/nonexistent"), environ={variable: text})
        except InvalidInput as exc:
            told = exc.message
        else:
            assert math.isfinite(made.worker.poll_s)
        assert variable in told


def test_a_file_that_is_no_text_is_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "mavis.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="cannot be read"):
        config.load(tmp_path, environ={})


def test_the_state_folder_is_absolute_whatever_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.load(environ={"MAVIS_HOME": "state"}).home == tmp_path / "state"
    assert config.load(Path("other"), environ={"MAVIS_HOME": "state"}).home == tmp_path / "other"


def test_a_state_folder_with_odd_characters_holds_its_database(tmp_path: Path) -> None:
    home = tmp_path / "a state % folder?"
    (home / "db").mkdir(parents=True)
    migrate(config.load(home, environ={}).database_url)
    assert (home / "db" / "mavis.sqlite").exists()
