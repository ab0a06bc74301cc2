"""The processes on the appliance: one table, a pure function of the settings.

*Process*: one row, what runs and as whom. The table is rendered for supervisor
(`mavis_hub.supervisor`) and for systemd (`mavis_hub.systemd`); ``mavisctl`` reads its health
checks. Nothing secret is in it: a process reads its own files below ``MAVIS_HOME/secrets``.

All of them start at once and wait for each other themselves; `Process.start_order` only says
who goes first where the machine is slow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from mavis_core.config import Config, settings
from mavis_hub.health import FreshFile, HealthCheck, HttpCheck, SocketCheck
from mavis_hub.installation import config_file, program

__all__ = ["MARK", "NAMES", "PREFECT_BASE", "Process", "Restart", "base_environment", "processes"]

NAMES = ("edge", "hub", "api", "prefect", "worker", "logs", "dashboards", "gateway")
"""The processes that every appliance has; settings add `syslog`, and more of the gateway."""
PREFECT_BASE = "/services/mavis/prefect"
API_HEALTH = "/services/mavis/api/v1/health"
MARK = "MAVIS_APPLIANCE"
"""The environment variable, set to the state folder, by which everything that the appliance
started is found again, a single-user server whose Hub was killed included."""

_WELL_KNOWN_PORTS = 1024
_PASSED = ("LANG", "LC_ALL", "TZ")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_DATABASE_KEYS = ("database.url",)


class Restart(StrEnum):
    """When a process that ended is started again."""

    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the appliance.

    Parameters
    ----------
    title
        What it is, for people.
    user
        The Unix user that it runs as on an isolated appliance; None: whoever starts Mavis.
    command
        Program and arguments; no shell reads them.
    environment
        The whole environment: nothing is inherited beside it.
    folder
        Its working directory.
    health
        How to see that it is well.
    start_order
        Low numbers first; all start without waiting.
    stop_timeout_s
        Seconds between the polite signal and the kill.
    umask
        077 for what is nobody else's business, 007 for those who share the database.
    capabilities
        Linux capabilities that it keeps when it drops root.
    """

    name: str
    title: str
    user: str | None
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    health: HealthCheck
    start_order: int
    stop_timeout_s: int = 7
    restart: Restart = Restart.ALWAYS
    umask: int = 0o077
    capabilities: tuple[str, ...] = field(default=())


def base_environment(config: Config, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that every process starts from: language, path and the mark."""
    environ = os.environ if environ is None else environ
    passed = {name: environ[name] for name in _PASSED if name in environ}
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {
        "LANG": "C.UTF-8",
        **passed,
        "PATH": path,
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        MARK: str(config.home),
    }


def processes(config: Config, environ: Mapping[str, str] | None = None) -> tuple[Process, ...]:
    """Return the table for these settings.

    Parameters
    ----------
    environ
        Where language, proxies and ``MAVIS_*`` settings come from; None: the process's own.
    """
    environ = os.environ if environ is None else environ
    rows = (
        _edge(config, environ),
        _hub(config, environ),
        _api(config, environ),
        _prefect(config, environ),
        _worker(config, environ),
        _logs(config, environ),
        _dashboards(config, environ),
        *(_gateway(config, environ, shard) for shard in range(config.remote.processes)),
        *((_syslog(config, environ),) if config.syslog.listen != "off" else ()),
    )
    return tuple(sorted(rows, key=lambda row: row.start_order))


def _edge(config: Config, environ: Mapping[str, str]) -> Process:
    low_port = config.isolated and config.edge.port < _WELL_KNOWN_PORTS
    return Process(
        name="edge",
        title="edge proxy",
        user=_user(config, "mavis-edge"),
        command=(program("traefik"), f"--configfile={config.home / 'edge' / 'traefik.yml'}"),
        environment=_frozen(base_environment(config, environ), _proxies(environ)),
        folder=config.home / "edge",
        health=HttpCheck(config.ports.edge_api, "/ping"),
        start_order=1,
        capabilities=("net_bind_service",) if low_port else (),
    )


def _hub(config: Config, environ: Mapping[str, str]) -> Process:
    return Process(
        name="hub",
        title="JupyterHub",
        user=None,  # root: PAM asks /etc/shadow, and people's servers run as their own users
        command=(program("jupyterhub"), f"--config={config_file()}"),
        environment=_frozen(_settings_environment(config, environ)),
        folder=config.home / "hub",
        health=HttpCheck(config.ports.hub, "/hub/health"),
        start_order=2,
        stop_timeout_s=10,  # ends the single-user servers first
    )


def _api(config: Config, environ: Mapping[str, str]) -> Process:
    return Process(
        name="api",
        title="REST API",
        user=_user(config, "mavis-api"),
        command=(sys.executable, "-m", "mavis_hub.api"),
        environment=_frozen(_settings_environment(config, environ, database=True)),
        folder=config.home / "api",
        health=HttpCheck(config.ports.api, API_HEALTH),
        start_order=3,
        umask=0o007,
    )


def _prefect(config: Config, environ: Mapping[str, str]) -> Process:
    folder = config.home / "prefect"
    return Process(
        name="prefect",
        title="Prefect server",
        user=_user(config, "mavis-prefect"),
        command=(sys.executable, "-m", "mavis_hub.prefect_server"),
        environment=_frozen(
            _settings_environment(config, environ),
            {
                "HOME": str(folder),
                "PREFECT_HOME": str(folder),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
                "PREFECT_SERVER_UI_API_URL": f"{config.public_url}{PREFECT_BASE}/api",
                "PREFECT_SERVER_UI_SERVE_BASE": PREFECT_BASE,
                "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),
            },
        ),
        folder=folder,
        health=HttpCheck(config.ports.prefect, "/api/health", ("prefect", "prefect-auth")),
        start_order=0,  # the slowest to be ready
    )


def _worker(config: Config, environ: Mapping[str, str]) -> Process:
    folder = config.home / "worker"
    return Process(
        name="worker",
        title="platform worker",
        user=_user(config, "mavis-worker"),
        command=(sys.executable, "-m", "mavis_flows.worker"),
        environment=_frozen(
            _settings_environment(config, environ, database=True),
            _proxies(environ),
            {
                "HOME": str(folder),
                "PREFECT_HOME": str(folder / "prefect"),
                "PREFECT_API_URL": f"http://127.0.0.1:{config.ports.prefect}/api",
                "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            },
        ),
        folder=folder,
        health=FreshFile(config.run / "worker" / "heartbeat", max_age_s=10),
        start_order=3,
        umask=0o007,
    )


def _logs(config: Config, environ: Mapping[str, str]) -> Process:
    return Process(
        name="logs",
        title="log service",
        user=_user(config, "mavis-logs"),
        command=(sys.executable, "-m", "mavis_hub.log_service"),
        environment=_frozen(_settings_environment(config, environ, database=True)),
        folder=config.journal,
        health=SocketCheck(config.logs_socket, "/health", ("logs", "logs-token")),
        start_order=3,
        umask=0o007,
    )


def _syslog(config: Config, environ: Mapping[str, str]) -> Process:
    low_port = config.isolated and config.syslog.port < _WELL_KNOWN_PORTS
    return Process(
        name="syslog",
        title="syslog receiver",
        user=_user(config, "mavis-syslog"),
        command=(sys.executable, "-m", "mavis_hub.syslog"),
        environment=_frozen(_settings_environment(config, environ)),
        folder=config.syslog_run,
        health=FreshFile(config.syslog_run / "heartbeat", max_age_s=10),
        start_order=4,
        capabilities=("net_bind_service",) if low_port else (),
    )


def _dashboards(config: Config, environ: Mapping[str, str]) -> Process:
    folder = config.dashboards_run
    return Process(
        name="dashboards",
        title="dashboards",
        user=_user(config, "mavis-dashboards"),
        command=(sys.executable, "-m", "mavis_hub.dashboards"),
        environment=_frozen(
            _settings_environment(config, environ),
            {"HOME": str(folder), "JUPYTER_PLATFORM_DIRS": "1", "JUPYTER_NO_CONFIG": "1"},
        ),
        folder=folder,
        health=HttpCheck(config.ports.dashboards, "/health"),
        start_order=4,
        stop_timeout_s=10,  # ends its kernels first
    )


def _gateway(config: Config, environ: Mapping[str, str], shard: int) -> Process:
    remote = config.remote
    low_port = config.isolated and remote.door == "on" and remote.port < _WELL_KNOWN_PORTS
    return Process(
        name=f"gateway-{shard}" if shard else "gateway",
        title="gateway of remote sessions",
        user=_user(config, "mavis-gateway"),
        command=(sys.executable, "-m", "mavis_hub.gateway", *((str(shard),) if shard else ())),
        environment=_frozen(
            _settings_environment(config, environ, database=True),
            {"HOME": str(config.home / "gateway")},
        ),
        folder=config.home / "gateway",
        health=SocketCheck(config.gateway_socket(shard), "/health", ("gateway", "gateway-token")),
        start_order=4,
        stop_timeout_s=10,  # says why to those who are in, and closes their recordings
        umask=0o007,
        capabilities=("net_bind_service",) if low_port else (),
    )


def _user(config: Config, name: str) -> str | None:
    return name if config.isolated else None


def _frozen(*parts: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({key: value for part in parts for key, value in part.items()})


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _PROXIES if name in environ}


def _settings_environment(
    config: Config, environ: Mapping[str, str], *, database: bool = False
) -> dict[str, str]:
    """Return the base with the state folder and the settings given by environment.

    The address of the database may hold a password: only those who use it are told.
    """
    given = {
        setting.variable: environ[setting.variable]
        for setting in settings()
        if setting.variable in environ and (database or setting.key not in _DATABASE_KEYS)
    }
    return {
        **base_environment(config, environ),
        **given,
        "MAVIS_HOME": str(config.home),
        "MAVIS_APPLIANCE_ISOLATION": "users" if config.isolated else "none",
    }
