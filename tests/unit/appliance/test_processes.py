from dataclasses import replace

import pytest
from supervisor.options import ServerOptions

from mavis_core.config import Config, load
from mavis_core.errors import InvalidInput
from mavis_hub import supervisor, systemd
from mavis_hub.processes import MARK, NAMES, Process, processes

NOISE = {
    "AWS_SECRET_ACCESS_KEY": "from the terminal",
    "PYTHONPATH": "/somebody/else",
    "LD_PRELOAD": "/tmp/evil.so",
    "HTTPS_PROXY": "http://proxy:3128",
    "TZ": "Europe/Berlin",
    "MAVIS_EDGE_PORT": "9443",
    "MAVIS_DATABASE_URL": "postgresql+psycopg://mavis:password@db/mavis",
    "MAVIS_NO_SUCH": "x",
}


def by_name(config: Config, environ: dict[str, str]) -> dict[str, Process]:
    return {row.name: row for row in processes(config, environ)}


def test_the_table_has_the_six_processes(config: Config) -> None:
    assert {row.name for row in processes(config, {})} == set(NAMES)


def test_the_same_settings_give_the_same_table(config: Config) -> None:
    assert processes(config, NOISE) == processes(config, NOISE)


def test_an_isolated_appliance_gives_every_process_but_the_hub_a_user(isolated: Config) -> None:
    users = {row.name: row.user for row in processes(isolated, {})}
    assert users.pop("hub") is None
    assert users == {name: f"mavis-{name}" for name in NAMES if name != "hub"}


def test_a_try_out_runs_as_whoever_starts_it(config: Config) -> None:
    assert {row.user for row in processes(config, {})} == {None}


def test_the_environment_is_an_allow_list(config: Config) -> None:
    for row in processes(config, NOISE):
        assert "AWS_SECRET_ACCESS_KEY" not in row.environment
        assert "PYTHONPATH" not in row.environment
        assert "LD_PRELOAD" not in row.environment
        assert "MAVIS_NO_SUCH" not in row.environment
        assert row.environment["TZ"] == "Europe/Berlin"
        assert row.environment[MARK] == str(config.home)


def test_settings_by_environment_reach_the_processes_that_read_settings(config: Config) -> None:
    rows = by_name(config, NOISE)
    for name in ("hub", "api", "prefect", "worker", "logs"):
        assert rows[name].environment["MAVIS_EDGE_PORT"] == "9443"
        assert rows[name].environment["MAVIS_HOME"] == str(config.home)
        assert rows[name].environment["MAVIS_APPLIANCE_ISOLATION"] == "none"
    assert not any(key.startswith("MAVIS_EDGE") for key in rows["edge"].environment)


def test_only_users_of_the_database_are_told_its_address(config: Config) -> None:
    told = {row.name for row in processes(config, NOISE) if "MAVIS_DATABASE_URL" in row.environment}
    assert told == {"api", "worker", "logs", "gateway"}


def test_proxies_reach_only_those_who_leave_the_machine(config: Config) -> None:
    told = {row.name for row in processes(config, NOISE) if "HTTPS_PROXY" in row.environment}
    assert told == {"edge", "worker"}


def test_no_command_and_no_environment_holds_a_secret_file_s_content(config: Config) -> None:
    for row in processes(config, {}):
        assert not any("auth_string" in key.lower() for key in row.environment)
        assert not any("token" in part.lower() for part in row.command)


@pytest.mark.parametrize(("port", "kept"), [(443, ("net_bind_service",)), (8443, ())])
def test_the_edge_keeps_one_capability_for_a_low_port(
    isolated: Config, port: int, kept: tuple[str, ...]
) -> None:
    config = replace(isolated, edge=replace(isolated.edge, port=port))
    assert by_name(config, {})["edge"].capabilities == kept


def test_everything_stops_within_fifteen_seconds(config: Config) -> None:
    assert max(row.stop_timeout_s for row in processes(config, {})) <= 10


def read_back(text: str, tmp_path) -> ServerOptions:  # type: ignore[no-untyped-def]  # untyped package
    """Let supervisor itself read the file."""
    file = tmp_path / "supervisord.conf"
    file.write_text(text)
    options = ServerOptions()
    options.realize(["-c", str(file)])
    return options


def test_supervisor_reads_back_exactly_the_table(config: Config, tmp_path) -> None:  # type: ignore[no-untyped-def]
    for folder in ("run", "log", "edge", "hub", "api", "prefect", "worker", "journal"):
        (config.home / folder).mkdir(parents=True, exist_ok=True)
    environ = {**NOISE, "MAVIS_APPLIANCE_NAME": "Bob's 100 % =#1; %(x)s, {y}"}
    table = processes(config, environ)
    text = supervisor.render(config, table, password="secret % word", user="root")
    (group,) = read_back(text, tmp_path).process_group_configs
    found = {item.name: item for item in group.process_configs}
    assert set(found) == {row.name for row in table}
    for row in table:
        item = found[row.name]
        assert item.environment == dict(row.environment)
        assert item.directory == str(row.folder)
        assert item.stopwaitsecs == row.stop_timeout_s
        assert item.umask == row.umask
        assert item.killasgroup
        assert item.redirect_stderr


@pytest.mark.parametrize("name", ['a "quoted" name', "two\nlines", "a #1 name", "'x'", "a ;b"])
def test_an_environment_that_supervisor_cannot_carry_is_refused(config: Config, name: str) -> None:
    table = processes(config, {"MAVIS_APPLIANCE_NAME": name})
    with pytest.raises(InvalidInput, match="MAVIS_APPLIANCE_NAME"):
        supervisor.render(config, table, password="x", user="root")


def test_a_low_port_is_bound_without_root(isolated: Config) -> None:
    config = replace(isolated, edge=replace(isolated.edge, port=443))
    table = [row for row in processes(config, {}) if row.name == "edge"]
    text = supervisor.render(config, table, password="x", user="root")
    assert "--reuid=mavis-edge" in text
    assert "--ambient-caps=+net_bind_service" in text
    assert "user = mavis-edge" not in text


def test_systemd_units_say_the_same(isolated: Config) -> None:
    config = replace(isolated, edge=replace(isolated.edge, port=443))
    units = systemd.units(config, processes(config, NOISE))
    assert set(units) == {f"mavis-{name}.service" for name in NAMES} | {"mavis.target"}
    edge = units["mavis-edge.service"].splitlines()
    assert "User=mavis-edge" in edge
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in edge
    assert "Restart=always" in edge
    hub = units["mavis-hub.service"].splitlines()
    assert not any(line.startswith("User=") for line in hub)
    assert "TimeoutStopSec=10" in hub
    assert "UMask=0007" in units["mavis-api.service"].splitlines()
    assert 'Environment="MAVIS_EDGE_PORT=9443"' in units["mavis-api.service"].splitlines()


def test_systemd_values_are_escaped(isolated: Config) -> None:
    table = processes(isolated, {"MAVIS_APPLIANCE_NAME": 'a "quoted" 100 % \\ name'})
    unit = systemd.units(isolated, table)["mavis-api.service"]
    assert 'Environment="MAVIS_APPLIANCE_NAME=a \\"quoted\\" 100 %% \\\\ name"' in unit


def test_settings_from_the_table_load_again(config: Config) -> None:
    environ = {"MAVIS_EDGE_PORT": "9443", "MAVIS_WORKER_POLL_S": "1.5"}
    worker = by_name(load(config.home, environ=environ), environ)["worker"]
    again = load(environ=worker.environment)
    assert (again.home, again.edge.port, again.worker.poll_s) == (config.home, 9443, 1.5)


def test_the_gateway_may_have_several_processes(isolated: Config) -> None:
    config = replace(isolated, remote=replace(isolated.remote, processes=2))
    table = by_name(config, {})
    first, second = table["gateway"], table["gateway-1"]
    assert second.command == (*first.command, "1")
    assert (second.user, second.folder) == (first.user, first.folder)
    assert second.health != first.health
    assert "gateway-2" not in table
