"""Unix users and groups of an isolated appliance: services, and the people of a try-out.

What Mavis made carries a mark in the GECOS field, and only what carries it is ever changed or
removed. A demo person belongs to one appliance: the home below its state folder says which.
Passwords go to ``chpasswd`` through its standard input, never as an argument that ``ps`` shows.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mavis_core.config import Config
from mavis_core.errors import Conflict, Unavailable
from mavis_hub.ownership import Owner, write_private
from mavis_hub.supervisor import running_pid

__all__ = [
    "DEMO_PEOPLE",
    "GROUPS",
    "SERVICE_USERS",
    "Person",
    "ServiceUser",
    "demo_passwords",
    "ensure_demo_passwords",
    "ensure_demo_people",
    "ensure_service_users",
    "ensure_socket_folders",
    "remove_users",
]

PERSON_MARK = "Mavis demo"
SERVICE_MARK = "Mavis service"
GROUPS = ("mavis", "mavis-db")
_LOCKED = 1, 10  # useradd and friends when another process holds /etc/passwd
_TRIES = 20


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A Unix user for one process, with its further groups."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A demo person.

    Parameters
    ----------
    title
        What they show, for the list that ``mavisctl up`` prints.
    admin
        Whether they administer the platform.
    """

    name: str
    title: str
    admin: bool = False


SERVICE_USERS = (
    ServiceUser("mavis-edge", ("mavis",)),
    ServiceUser("mavis-api", ("mavis", "mavis-db")),
    ServiceUser("mavis-prefect", ("mavis",)),
    ServiceUser("mavis-worker", ("mavis", "mavis-db")),
    ServiceUser("mavis-logs", ("mavis", "mavis-db")),
    ServiceUser("mavis-dashboards", ("mavis",)),
    ServiceUser("mavis-syslog", ("mavis",)),
    ServiceUser("mavis-gateway", ("mavis", "mavis-db")),
    ServiceUser("mavis-culler", ()),
)
DEMO_PEOPLE = (
    Person("demo-admin", "administrator", admin=True),
    Person("demo-operator", "operator"),
    Person("demo-enduser", "end user"),
)


def demo_file(config: Config) -> Path:
    """Return where the passwords of the demo people are: a JSON object, name to password."""
    return config.secret_file("hub", "demo-people")


def demo_passwords(config: Config) -> dict[str, str]:
    """Return the passwords of the demo people by name; empty where there are none."""
    try:
        return dict(json.loads(demo_file(config).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def ensure_demo_passwords(config: Config, people: Iterable[Person] = DEMO_PEOPLE) -> None:
    """Make a password for every demo person who has none yet."""
    known = demo_passwords(config)
    wanted = known | {p.name: secrets.token_urlsafe(12) for p in people if p.name not in known}
    if wanted != known:
        write_private(demo_file(config), json.dumps(wanted, indent=2) + "\n", Owner())


def ensure_service_users() -> None:
    """Make the groups and users of the services where they are missing.

    Raises
    ------
    Conflict
        A user of such a name is there and is not ours.
    """
    for group in GROUPS:
        if not _group_exists(group):
            _run("groupadd", "--system", group)
    for user in SERVICE_USERS:
        if not _ours(user.name, SERVICE_MARK):
            _run(
                "useradd", "--system", "--user-group", "--no-create-home",
                "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin",
                "--comment", SERVICE_MARK, user.name,
            )  # fmt: skip
        missing = [name for name in user.groups if user.name not in grp.getgrnam(name).gr_mem]
        if missing:
            _run("usermod", "--append", "--groups", ",".join(missing), user.name)


def ensure_demo_people(config: Config, people: Iterable[Person] = DEMO_PEOPLE) -> None:
    """Make the demo people with their homes, and set the passwords on file.

    Raises
    ------
    Conflict
        A user of such a name is there and is not ours, or is at work in another appliance.
    """
    ensure_demo_passwords(config, people)
    passwords = demo_passwords(config)
    for person in people:
        home = config.home / "homes" / person.name
        if not _ours(person.name, PERSON_MARK):
            _run(
                "useradd", "--user-group", "--no-create-home", "--home-dir", str(home),
                "--shell", "/bin/bash", "--comment", PERSON_MARK, person.name,
            )  # fmt: skip
        elif pwd.getpwnam(person.name).pw_dir != str(home):
            _refuse_where_at_work(config, person.name)
            _run("usermod", "--home", str(home), person.name)
        home.mkdir(mode=0o700, exist_ok=True)
        Owner(person.name, person.name).give(home)
        home.chmod(0o700)
    _run("chpasswd", text="".join(f"{p.name}:{passwords[p.name]}\n" for p in people))


def ensure_socket_folders(config: Config, names: Iterable[str]) -> None:
    """Give every person a folder for the sockets of their kernels, which nobody else may enter.

    People of the machine have their home elsewhere, and its path may be too long for sockets.
    """
    for name in names:
        entry = pwd.getpwnam(name)
        folder = config.home / "homes" / name
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != entry.pw_uid:
            shutil.rmtree(folder / ".rt", ignore_errors=True)  # of a number that was theirs before
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        folder.chmod(0o700)


def _refuse_where_at_work(config: Config, name: str) -> None:
    """Raise where a demo person belongs to another appliance that is running."""
    other = Path(pwd.getpwnam(name).pw_dir).parent.parent
    pid = running_pid(replace(config, home=other))
    if pid is not None:
        raise Conflict(
            f"The demo people of this machine belong to the appliance in {other}, which is"
            f" running with the process id {pid}",
            mend=f"Stop it with `mavisctl --home {other} down`, or start without --demo.",
        )


def remove_users() -> list[str]:
    """Remove every user and group that Mavis made; return their names.

    Raises
    ------
    Conflict
        One of them still runs a process.
    """
    marks = (PERSON_MARK, SERVICE_MARK)
    removed = [entry.pw_name for entry in pwd.getpwall() if entry.pw_gecos in marks]
    for name in removed:
        _run("userdel", name)
    for group in GROUPS:
        if _group_exists(group):
            _run("groupdel", group)
    return removed


def _group_exists(name: str) -> bool:
    return any(entry.gr_name == name for entry in grp.getgrall())


def _ours(name: str, mark: str) -> bool:
    """Whether a user is there; a stranger of that name is an error."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return False
    if entry.pw_gecos != mark:
        raise Conflict(
            f"There is a Unix user {name} that Mavis did not make",
            mend=f"Rename or remove that user ({entry.pw_dir}), then start Mavis again.",
        )
    return True


def _run(program: str, *arguments: str, text: str = "") -> None:
    """Run a tool of the shadow suite; wait where another process holds its lock."""
    command: Sequence[str] = (f"/usr/sbin/{program}", *arguments)
    for attempt in range(_TRIES):
        try:
            done = subprocess.run(  # noqa: S603 - fixed programs, names from the tables above
                command, input=text, text=True, capture_output=True, check=False, timeout=60
            )
        except FileNotFoundError as exc:
            raise Unavailable(
                f"The program {command[0]} is not installed",
                mend="Install Debian's package `passwd`.",
            ) from exc
        if done.returncode == 0:
            return
        if done.returncode not in _LOCKED or "lock" not in done.stderr:
            break
        time.sleep(0.1 * (attempt + 1))
    raise Conflict(
        f"{program} failed for {arguments[-1] if arguments else 'the demo people'}:"
        f" {done.stderr.strip()}",
        mend="End what runs as that user (`mavisctl down` on its appliance), then try again.",
    )
