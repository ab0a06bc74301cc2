"""The embedded process manager: the table of processes rendered for supervisor, and its control.

supervisor runs with an environment of a few variables and with its control on a Unix socket of
mode 0600 with a password. All processes are one group, so that they stop at the same time.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]  # has no stubs

from mavis_core.config import Config
from mavis_core.errors import InvalidInput, Unavailable
from mavis_hub.installation import program
from mavis_hub.ownership import Owner, write_private
from mavis_hub.processes import Process, base_environment

__all__ = [
    "ProcessState",
    "State",
    "pid_file",
    "render",
    "running_pid",
    "shut_down",
    "socket_path",
    "start",
    "states",
]

_GROUP = "mavis"
_USER = "mavis"
_LOG_BYTES = 10 * 1024 * 1024
_LOG_BACKUPS = 4
_RETRIES = 1000  # the wait between them grows by a second each: it never gives up in practice
_STARTED_AFTER_S = 2
_UNREADABLE = re.compile(r"[\r\n]|\s[;#]")  # the rest of such a line is a comment to supervisor


class State(StrEnum):
    """What supervisor says of a process (http://supervisord.org/subprocess.html)."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    EXITED = "exited"
    FATAL = "fatal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process as supervisor sees it.

    Parameters
    ----------
    pid
        None where it does not run.
    uptime_s
        Seconds since its last start; 0 where it does not run.
    started_at
        Seconds since 1970 of its last start; another number is another start.
    detail
        supervisor's own words on a failure.
    """

    name: str
    state: State
    pid: int | None
    uptime_s: int
    started_at: int
    detail: str


def socket_path(config: Config) -> Path:
    """Return supervisor's control socket."""
    return config.run / "supervisor.sock"


def pid_file(config: Config) -> Path:
    """Return the file with supervisor's process id."""
    return config.run / "supervisor.pid"


def running_pid(config: Config) -> int | None:
    """Return the process id of this appliance's supervisor; None where it does not run."""
    try:
        pid = int(pid_file(config).read_text(encoding="ascii"))
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if str(config.run / "supervisord.conf") in command else None


def log_file(config: Config, name: str) -> Path:
    """Return where the output of a process is kept."""
    return config.home / "log" / f"{name}.log"


def render(config: Config, table: Iterable[Process], *, password: str, user: str | None) -> str:
    """Return supervisor's configuration file for `table`.

    Parameters
    ----------
    password
        Of the control socket.
    user
        The user that supervisor stays; None where it has no choice, not being root.
    """
    rows = tuple(table)
    # supervisor takes its socket's path and chown from here; nothing here is expanded but %.
    sections: list[tuple[str, dict[str, object]]] = [
        (
            "unix_http_server",
            {
                "file": socket_path(config),
                "chmod": "0600",
                "username": _USER,
                "password": password,
            },
        ),
        (
            "supervisord",
            {
                "nodaemon": "true",
                **({} if user is None else {"user": user}),
                "pidfile": pid_file(config),
                "logfile": log_file(config, "supervisor"),
                "logfile_maxbytes": _LOG_BYTES,
                "logfile_backups": _LOG_BACKUPS,
                "childlogdir": config.home / "log",
                "directory": config.home,
                "umask": "077",
                "minfds": 4096,
            },
        ),
        (
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": _RPC_FACTORY},
        ),
        (f"group:{_GROUP}", {"programs": ",".join(row.name for row in rows)}),
        *((f"program:{row.name}", _program(config, row)) for row in rows),
    ]
    return "\n".join(_section(name, values) for name, values in sections)


_RPC_FACTORY = "supervisor.rpcinterface:make_main_rpcinterface"


def _program(config: Config, row: Process) -> dict[str, object]:
    values: dict[str, object] = {
        "command": shlex.join(_command(row)),
        "directory": row.folder,
        "environment": ",".join(
            f"{name}={_quoted(name, value)}" for name, value in sorted(row.environment.items())
        ),
        "umask": f"{row.umask:03o}",
        "priority": row.start_order,
        "autostart": "true",
        "autorestart": "true",
        "startsecs": _STARTED_AFTER_S,
        "startretries": _RETRIES,
        "stopsignal": "TERM",
        "stopwaitsecs": row.stop_timeout_s,
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log_file(config, row.name),
        "stdout_logfile_maxbytes": _LOG_BYTES,
        "stdout_logfile_backups": _LOG_BACKUPS,
    }
    if row.user is not None and not row.capabilities:
        values["user"] = row.user
    return values


def _command(row: Process) -> tuple[str, ...]:
    """Return the command; setpriv changes the user where a capability must survive that."""
    if not (row.user and row.capabilities):
        return row.command
    kept = ",".join(f"+{name}" for name in row.capabilities)
    return (
        program("setpriv"),
        f"--reuid={row.user}",
        f"--regid={row.user}",
        "--init-groups",
        f"--inh-caps=-all,{kept}",
        f"--ambient-caps={kept}",
        f"--bounding-set=-all,{kept}",
        "--no-new-privs",
        "--",
        *row.command,
    )


def _quoted(name: str, value: str) -> str:
    """Return `value` as supervisor reads it back; its reader has no escape characters."""
    if '"' in value or value.startswith("'") or value.endswith("'") or _UNREADABLE.search(value):
        raise InvalidInput(
            f"The environment variable {name} has a quote, a line break, or a blank before"
            " ; or # in its value",
            mend=f"Put this setting into mavis.toml instead of {name}.",
            field=name,
        )
    return f'"{value}"'


def _section(name: str, values: dict[str, object]) -> str:
    lines = []
    for key, value in values.items():
        text = str(value)
        if _UNREADABLE.search(text):
            raise InvalidInput(
                f"A line break, or a blank before ; or #, cannot stand in {text!r}",
                mend="Give the state folder a plain name.",
            )
        lines.append(f"{key} = {text.replace('%', '%%')}")
    return f"[{name}]\n" + "\n".join(lines) + "\n"


def start(config: Config, table: Iterable[Process], *, user: str | None) -> subprocess.Popen[bytes]:
    """Start supervisor, which starts everything else; return its process.

    It has a session of its own, so that Ctrl-C at the terminal reaches only ``mavisctl``.
    """
    password = config.read_secret("supervisor", "supervisor-password")
    file = config.run / "supervisord.conf"
    write_private(file, render(config, table, password=password, user=user), Owner())
    pid_file(config).unlink(missing_ok=True)
    output = os.open(
        log_file(config, "supervisor-output"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
    )
    try:
        return subprocess.Popen(  # noqa: S603 - our own program and file
            [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(file)],
            env=base_environment(config),
            cwd=config.home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)


def states(config: Config) -> tuple[ProcessState, ...]:
    """Return how supervisor sees each process.

    Raises
    ------
    Unavailable
        supervisor does not run.
    """
    found = _call(config, "getAllProcessInfo")
    return tuple(
        ProcessState(
            name=item["name"],
            state=State(str(item["statename"]).lower()),
            pid=item["pid"] or None,
            uptime_s=max(0, item["now"] - item["start"]) if item["pid"] else 0,
            started_at=item["start"],
            detail=item["spawnerr"],
        )
        for item in found
    )


def shut_down(config: Config) -> None:
    """Ask supervisor to stop all processes and end; returns at once."""
    _call(config, "shutdown")


def _call(config: Config, method: str) -> Any:
    """Call supervisor's control (http://supervisord.org/api.html)."""
    password = config.read_secret("supervisor", "supervisor-password")
    transport = SupervisorTransport(_USER, password, f"unix://{socket_path(config)}")
    proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    try:
        return getattr(proxy.supervisor, method)()
    except (OSError, xmlrpc.client.Error) as exc:
        raise Unavailable(
            f"supervisor does not answer at {socket_path(config)}: {exc}",
            mend="Start the appliance with `mavisctl up`.",
        ) from exc
    finally:
        transport.close()
