"""What `mavisctl up` looks at before it starts anything: one clear line and a mend each."""

from __future__ import annotations

import errno
import grp
import ipaddress
import os
import pwd
import socket
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import jupyterhub
import psutil

import mavis_core
from mavis_core.config import Config
from mavis_core.errors import Conflict, InvalidInput, MavisError, Unavailable
from mavis_hub.hub import people, runtime_dir
from mavis_hub.installation import config_file, program
from mavis_hub.supervisor import running_pid, socket_path
from mavis_hub.users import DEMO_PEOPLE

__all__ = ["local_group", "preflight"]

_SOCKET_PATH_BYTES = 107  # sun_path of unix(7) is 108 with its closing zero
_KERNEL_SOCKET = "kernel-00000000-0000-0000-0000-000000000000-ipc-5"
_FIRST_PERSON = 1000  # UID_MIN of login.defs(5)
_PROGRAMS = ("traefik", "jupyterhub", "jupyterhub-singleuser", "prefect")
_ACME_PORT = 443


def preflight(config: Config) -> None:
    """Look at everything that would make a start fail or be unsafe.

    Raises
    ------
    MavisError
        The first thing that is wrong.
    """
    checks: tuple[Callable[[Config], None], ...] = (
        _isolation,
        _state_folder,
        _not_running,
        _programs,
        _reachable,
        _socket_paths,
        _edge_settings,
        _people,
        local_group,
        _ports,
    )
    for look in checks:
        look(config)


def _isolation(config: Config) -> None:
    root = os.geteuid() == 0
    if config.isolated and not root:
        raise Conflict(
            "appliance.isolation is users, and you are not root",
            mend="Start as root, or set appliance.isolation to auto for a try-out.",
        )
    if root and not config.isolated:
        raise Conflict(
            "appliance.isolation is none, and you are root: people's notebooks would run as root",
            mend="Set appliance.isolation to auto, or start as an ordinary user.",
        )


def _state_folder(config: Config) -> None:
    existing = next(path for path in (config.home, *config.home.parents) if path.exists())
    if not existing.is_dir():
        raise Conflict(
            f"The state folder's path leads through {existing}, which is no folder",
            mend="Set MAVIS_HOME to a folder.",
        )
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        raise Unavailable(
            f"The state folder {config.home} cannot be used: {existing} is not readable and"
            f" writable for the user {psutil.Process().username()}",
            mend="Set MAVIS_HOME to a folder of yours, or change its owner.",
        )


def _not_running(config: Config) -> None:
    pid = running_pid(config)
    if pid is not None:
        raise Conflict(
            f"Mavis is running already, with {config.home} and the process id {pid}",
            mend="See `mavisctl status`, or stop it with `mavisctl down`.",
        )


def _programs(config: Config) -> None:
    for name in (*_PROGRAMS, *(("setpriv",) if config.isolated else ())):
        program(name)
    config_file()


def _reachable(config: Config) -> None:
    """Other users must get to Python, to our code and to their homes."""
    if not config.isolated:
        return
    needed = (
        Path(sys.executable),
        Path(sys.executable).resolve(),
        Path(jupyterhub.__file__),
        Path(mavis_core.__file__),
        config.home,
    )
    for path in needed:
        blocked = next((part for part in _folders_above(path) if not _others_may_pass(part)), None)
        if blocked is not None:
            raise Conflict(
                f"{path} cannot be reached by other users: {blocked} is closed to them",
                mend=f"Install below /opt and keep the state in /var/lib/mavis, or run"
                f" `chmod o+x {blocked}`.",
            )


def _folders_above(path: Path) -> Iterable[Path]:
    return reversed(path.parents)


def _others_may_pass(folder: Path) -> bool:
    return not folder.exists() or bool(folder.stat().st_mode & stat.S_IXOTH)


def _socket_paths(config: Config) -> None:
    paths = [str(config.logs_socket), f"{socket_path(config)}.{2**22}"]  # supervisor adds its pid
    if config.isolated:
        names = people(config) | {person.name for person in DEMO_PEOPLE}
        longest = max(names, key=len)
        paths.append(f"{runtime_dir(config, longest)}/{_KERNEL_SOCKET}")
    too_long = max(len(os.fsencode(path)) for path in paths) - _SOCKET_PATH_BYTES
    if too_long > 0:
        raise InvalidInput(
            f"The path of the state folder {config.home} is {too_long} bytes too long for the"
            " Unix sockets below it",
            mend=f"Set MAVIS_HOME to a path of at most {len(str(config.home)) - too_long} bytes.",
        )


def _edge_settings(config: Config) -> None:
    edge = config.edge
    if edge.tls == "off" and not _is_loopback(edge.host):
        raise InvalidInput(
            f"edge.tls is off and edge.host = {edge.host} is reached from other machines",
            mend="Use edge.tls = self-signed, files or acme; plain HTTP is for loopback.",
        )
    if edge.tls == "acme" and not (edge.public_host and edge.port == _ACME_PORT):
        raise InvalidInput(
            "edge.tls is acme, which needs edge.public_host and edge.port = 443",
            mend="Set both; the certificate authority connects to that name and port.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _people(config: Config) -> None:
    if not config.isolated:
        return
    demo = {person.name for person in DEMO_PEOPLE}
    for name in sorted(people(config) - demo):
        try:
            uid = pwd.getpwnam(name).pw_uid
        except KeyError as exc:
            raise InvalidInput(
                f"hub.admin_users or hub.allowed_users names {name}, who is no Unix user here",
                mend=f"Make the user (`adduser {name}`) or correct the name.",
            ) from exc
        if uid < _FIRST_PERSON:
            raise InvalidInput(
                f"hub.admin_users or hub.allowed_users names {name}, a user of the system",
                mend="Name people only; root and services never log in to Mavis.",
            )


def local_group(config: Config) -> None:
    """Look whether the group for the Unix sockets of syslog is there.

    Raises
    ------
    InvalidInput
        It is not.
    """
    name = config.syslog.local_group
    if not (name and config.isolated):
        return
    try:
        grp.getgrnam(name)
    except KeyError as exc:
        raise InvalidInput(
            f"syslog.local_group names {name}, which is no Unix group here",
            mend=f"Make the group (`addgroup {name}`) or correct the name.",
        ) from exc


def _ports(config: Config) -> None:
    loopback = "127.0.0.1"
    wanted = [
        ("edge.port", config.edge.host, config.edge.port),
        ("ports.hub", loopback, config.ports.hub),
        ("ports.api", loopback, config.ports.api),
        ("ports.prefect", loopback, config.ports.prefect),
        ("ports.edge_api", loopback, config.ports.edge_api),
    ]
    wanted += [
        ("ports.dashboards", loopback, config.ports.dashboards),
        *(
            ("ports.gateway", loopback, config.gateway_port(shard))
            for shard in range(config.remote.processes)
        ),
    ]
    if config.remote.door == "on":
        wanted.append(("remote.port", config.remote.host, config.remote.port))
    if config.syslog.takes_network:
        wanted.append(("syslog.port", config.syslog.host, config.syslog.port))
    numbers = [port for _, _, port in wanted]
    for key, host, port in wanted:
        if numbers.count(port) > 1:
            raise InvalidInput(
                f"{key} = {port} is given to two processes", mend="Give each a port of its own."
            )
        _try_port(key, host, port)


def _try_port(key: str, host: str, port: int) -> None:
    variable = "MAVIS_" + key.upper().replace(".", "_")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise _port_error(exc, key, host, port, variable) from exc


def _port_error(exc: OSError, key: str, host: str, port: int, variable: str) -> MavisError:
    if exc.errno == errno.EADDRINUSE:
        return Conflict(
            f"Port {port} ({key}) is taken{_holder(port)}",
            mend=f"End that process, or choose another port: {variable}=... mavisctl up.",
        )
    if exc.errno == errno.EACCES:
        return Conflict(
            f"Port {port} ({key}) needs root",
            mend=f"Choose a port above 1023: {variable}=8443 mavisctl up.",
        )
    return InvalidInput(
        f"{key}: cannot listen on {host}:{port}: {exc.strerror or exc}",
        mend="Set edge.host to an address of this machine, or 0.0.0.0 for all.",
    )


def _holder(port: int) -> str:
    """Return who listens, as far as we may know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for item in connections:
        if item.laddr and item.laddr.port == port and item.status == psutil.CONN_LISTEN:
            try:
                return f" by {psutil.Process(item.pid).name()} (process {item.pid})"
            except psutil.Error:
                return ""
    return ""
