"""Start and stop the appliance: what `mavisctl up` and `mavisctl down` do, step by step."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from mavis_core import db
from mavis_core.config import Config, load, settings
from mavis_core.errors import Conflict, MavisError, Unavailable
from mavis_hub import leftovers, supervisor
from mavis_hub.edge import write_edge_files
from mavis_hub.folders import ensure_folders, secret_owners
from mavis_hub.health import Health, check
from mavis_hub.hub import people
from mavis_hub.metadata_guard import Guard, GuardFailed
from mavis_hub.ownership import Owner, write_private
from mavis_hub.preflight import preflight
from mavis_hub.processes import Process
from mavis_hub.secrets import ensure_secrets
from mavis_hub.supervisor import running_pid
from mavis_hub.syslog.authority import ensure_authority
from mavis_hub.users import (
    ensure_demo_passwords,
    ensure_demo_people,
    ensure_service_users,
    ensure_socket_folders,
)

__all__ = [
    "Started",
    "guard",
    "prepare",
    "running_config",
    "start",
    "stop",
    "used_settings",
    "wait_until_well",
]

Report = Callable[[str], None]

READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 11.0
_LOOK_S = 0.2
_STARTS = 4  # four starts take supervisor some six seconds
_SHARED_UMASK = 0o007


@dataclass(frozen=True, slots=True)
class Started:
    """What `start` started.

    Parameters
    ----------
    warning
        What is less safe than it should be; None where all is well.
    """

    supervisor: subprocess.Popen[bytes]
    table: tuple[Process, ...]
    warning: str | None


def prepare(config: Config, *, demo: bool) -> None:
    """Make users, folders, secrets, database and the edge proxy's files; safe to repeat.

    Parameters
    ----------
    demo
        Whether to make the demo people. A try-out without isolation has no others.
    """
    if config.isolated:
        ensure_service_users()
    ensure_folders(config)
    ensure_secrets(config, secret_owners(config))
    if config.syslog.takes_network:
        ensure_authority(config)
    if config.isolated and demo:
        ensure_demo_people(config)
    elif not config.isolated:
        ensure_demo_passwords(config)
    if config.isolated:
        ensure_socket_folders(config, people(config))
    migrate(config)
    write_edge_files(config)


def migrate(config: Config) -> None:
    """Bring the main database to this release, as a file that its users share.

    Raises
    ------
    Unavailable
        The appliance was never started: neither users nor folders are there.
    """
    folder = config.home / "db"
    if config.isolated and not folder.is_dir():
        raise Unavailable(
            f"There is no appliance in {config.home} yet",
            mend="`mavisctl up` makes the database and brings it up to date by itself.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    before = os.umask(_SHARED_UMASK)
    try:
        db.migrate(config.database_url)
    finally:
        os.umask(before)
    if config.isolated:
        for path in folder.iterdir():
            Owner("mavis-api", "mavis-db").give(path)
            path.chmod(0o660)


def start(
    config: Config,
    table: tuple[Process, ...],
    environ: Mapping[str, str],
    *,
    demo: bool,
    report: Report,
) -> Started:
    """Check, prepare and start everything; returns before the processes are ready.

    Parameters
    ----------
    table
        The processes to start.
    environ
        Where settings came from; kept, so that later commands know them.
    demo
        Whether to make the demo people.

    Raises
    ------
    MavisError
        Something stands in the way; nothing runs.
    """
    preflight(config)
    with _one_at_a_time(config):
        preflight(config)  # somebody may have been faster
        prepare(config, demo=demo)
        report("Users, folders, secrets, database and routes are ready.")
        warning = _close_metadata(config)
        given = {
            item.variable: environ[item.variable] for item in settings() if item.variable in environ
        }
        write_private(_settings_file(config), json.dumps(given), Owner())
        user = "root" if os.geteuid() == 0 else None
        return Started(supervisor.start(config, table, user=user), table, warning)


def wait_until_well(config: Config, started: Started, report: Report) -> None:
    """Wait for the health checks of all processes, and tell of each as it is well.

    Raises
    ------
    Unavailable
        A process is not well in time or ends again and again, or supervisor ended.
    """
    begin = time.monotonic()
    waiting = {row.name: row for row in started.table}
    last: dict[str, Health] = {}
    starts: dict[str, set[int]] = defaultdict(set)
    while waiting:
        for row in tuple(waiting.values()):
            last[row.name] = check(row.health, config)
            if last[row.name].well:
                report(f"{row.name:8} {row.title} is ready after {time.monotonic() - begin:.1f} s")
                del waiting[row.name]
        if started.supervisor.poll() is not None:
            raise Unavailable(
                "supervisor ended at its start",
                mend=f"Read {config.home}/log/supervisor-output.log.",
            )
        _refuse_endless_starts(config, starts)
        if waiting and time.monotonic() - begin > READY_TIMEOUT_S:
            raise _not_well(config, waiting, last)
        time.sleep(_LOOK_S)


def _refuse_endless_starts(config: Config, starts: dict[str, set[int]]) -> None:
    """Raise where a process was started so often that it will not come up by itself."""
    try:
        found = supervisor.states(config)
    except Unavailable:
        return  # its socket is not there yet
    for item in found:
        starts[item.name].add(item.started_at)
        if len(starts[item.name]) > _STARTS:
            log = supervisor.log_file(config, item.name)
            raise Unavailable(
                f"{item.name} ends as soon as it is started; its last words: {_last_line(log)}",
                mend=f"Read {log}.",
            )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "none"


def _not_well(config: Config, waiting: Iterable[str], last: dict[str, Health]) -> Unavailable:
    names = ", ".join(f"{name} ({last[name].detail})" for name in waiting)
    logs = " ".join(str(supervisor.log_file(config, name)) for name in waiting)
    return Unavailable(
        f"Not well after {READY_TIMEOUT_S:.0f} s: {names}", mend=f"Read the last lines of {logs}."
    )


def stop(config: Config) -> int:
    """Stop everything that belongs to the appliance; return how many processes ended.

    Raises
    ------
    Unavailable
        A process did not end.
    """
    running = leftovers.find(config)
    if running_pid(config) is not None:
        _ask_supervisor(config)
    remaining = leftovers.end(leftovers.find(config))
    if remaining:
        names = ", ".join(f"{process.name()} ({process.pid})" for process in remaining)
        raise Unavailable(f"Still running: {names}", mend="End them by their process ids, as root.")
    _settings_file(config).unlink(missing_ok=True)
    # The rules hold for the whole machine: they go with the last appliance on it.
    if config.isolated and os.geteuid() == 0 and not leftovers.others(config):
        _open_metadata()
    return len(running)


def _ask_supervisor(config: Config) -> None:
    pid = running_pid(config)
    try:
        process = psutil.Process(pid)
        supervisor.shut_down(config)
        process.wait(timeout=STOP_TIMEOUT_S)
    except (MavisError, psutil.Error):
        return  # what is left is ended one by one


def used_settings(config: Config, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with the settings that the running appliance was started with."""
    try:
        given: dict[str, str] = json.loads(_settings_file(config).read_text(encoding="utf-8"))
    except OSError:
        return environ
    ours = {item.variable for item in settings()}
    return {name: value for name, value in environ.items() if name not in ours} | given


def running_config() -> Config:
    """Return the settings that the running appliance was started with, else those of now."""
    return load(environ=used_settings(load(), os.environ))


def _settings_file(config: Config) -> Path:
    return config.run / "settings.json"


@contextmanager
def _one_at_a_time(config: Config) -> Iterator[None]:
    config.run.mkdir(parents=True, exist_ok=True)
    handle = os.open(config.run / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise Conflict(
            f"Another `mavisctl up` is starting Mavis in {config.home}",
            mend="Wait for it, then look at `mavisctl status`.",
        ) from exc
    finally:
        os.close(handle)


def guard() -> Guard:
    """Return the metadata guard for this machine's users."""
    return Guard(pwd.getpwnam("mavis-worker").pw_uid)


def _close_metadata(config: Config) -> str | None:
    if not config.isolated:
        return None
    try:
        guard().close()
    except GuardFailed as exc:
        return f"The cloud's metadata address is open to notebooks: {exc}"
    return None


def _open_metadata() -> None:
    try:
        Guard.open()
    except GuardFailed:
        return  # it could not be closed either
