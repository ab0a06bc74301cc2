import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mavis_core.config import Config
from mavis_core.errors import Conflict, InvalidInput, Unavailable
from mavis_hub import preflight, supervisor


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def with_edge(config: Config, **values: object) -> Config:
    return replace(config, edge=replace(config.edge, **values))


def test_a_taken_port_is_named_with_its_process(config: Config, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    ports = replace(config.ports, prefect=port)
    with pytest.raises(Conflict) as caught:
        preflight._ports(with_edge(replace(config, ports=ports), port=free_port()))
    assert f"Port {port} (ports.prefect) is taken by" in caught.value.message
    assert f"process {os.getpid()}" in caught.value.message
    assert "MAVIS_PORTS_PREFECT" in caught.value.mend


def test_one_port_for_two_processes_is_refused(config: Config) -> None:
    port = free_port()
    ports = replace(config.ports, api=port, hub=port)
    with pytest.raises(InvalidInput, match="two processes"):
        preflight._ports(with_edge(replace(config, ports=ports), port=free_port()))


def test_an_address_of_another_machine_is_refused(config: Config) -> None:
    with pytest.raises(InvalidInput, match=r"192\.0\.2\.1"):
        preflight._ports(with_edge(config, host="192.0.2.1"))


def test_a_state_folder_below_a_file_is_refused(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Conflict, match="is no folder"):
        preflight._state_folder(replace(config, home=tmp_path / "file" / "mavis"))


def test_an_unusable_state_folder_is_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.home.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read and write everything
    with pytest.raises(Unavailable, match=str(config.home)):
        preflight._state_folder(config)


def test_a_path_too_long_for_sockets_says_how_long_it_may_be(
    isolated: Config, tmp_path: Path
) -> None:
    long = replace(isolated, home=Path("/" + "m" * 60))
    with pytest.raises(InvalidInput) as caught:
        preflight._socket_paths(long)
    allowed = int(caught.value.mend.split("at most ")[1].split()[0])
    preflight._socket_paths(replace(isolated, home=Path("/" + "m" * (allowed - 1))))
    with pytest.raises(InvalidInput):
        preflight._socket_paths(replace(isolated, home=Path("/" + "m" * allowed)))


def test_a_home_that_others_cannot_reach_is_refused(isolated: Config, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Conflict, match="closed to them"):
        preflight._reachable(replace(isolated, home=closed / "mavis"))


@pytest.mark.parametrize(
    "edge",
    [
        {"tls": "off", "host": "0.0.0.0"},
        {"tls": "acme"},
        {"tls": "acme", "public_host": "mavis.example.org"},
    ],
    ids=["plain HTTP for everybody", "acme without a name", "acme on another port"],
)
def test_unsafe_or_impossible_tls_is_refused(config: Config, edge: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        preflight._edge_settings(with_edge(config, **edge))


def test_plain_http_on_loopback_is_allowed(config: Config) -> None:
    preflight._edge_settings(with_edge(config, tls="off", host="127.0.0.1"))


@pytest.mark.parametrize("name", ["root", "daemon", "no-such-person"])
def test_only_people_may_be_named(isolated: Config, name: str) -> None:
    named = replace(isolated, hub=replace(isolated.hub, admin_users=name))
    with pytest.raises(InvalidInput, match=name):
        preflight._people(named)


def test_isolation_and_root_go_together(config: Config, isolated: Config) -> None:
    fitting, other = (isolated, config) if os.geteuid() == 0 else (config, isolated)
    preflight._isolation(fitting)
    with pytest.raises(Conflict):
        preflight._isolation(other)


@pytest.mark.parametrize("text", ["", "nonsense", "999999999", "1"])
def test_a_stale_process_id_is_not_running(config: Config, text: str) -> None:
    config.run.mkdir(parents=True)
    (config.run / "supervisor.pid").write_text(text)
    assert supervisor.running_pid(config) is None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
