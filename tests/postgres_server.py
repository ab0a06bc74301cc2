"""A PostgreSQL server of the test run's own: a new cluster, on a Unix socket, gone at the end."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

_BIN = Path("/usr/lib/postgresql/15/bin")
_USER = "postgres"
# Fast, because nothing here must survive a power cut; unlike our machines, because an appliance's
# database may well order texts by a language and live in another time zone.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "timezone": "Asia/Kolkata",
}


class PostgresServer:
    """A running server.

    Parameters
    ----------
    folder
        Where its socket is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database for the block and return its SQLAlchemy address."""
        name = f"mavis_{next(self._numbers)}"
        thing = sql.Identifier(name)
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(thing))
        yield f"postgresql+psycopg://{_USER}@/{name}?host={self._folder}"
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(thing))

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of the administrator."""
        return psycopg.connect(
            host=str(self._folder), user=_USER, dbname="postgres", autocommit=True
        )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server for the block. As root it runs as the user ``postgres``, as it insists."""
    folder = Path(tempfile.mkdtemp(prefix="mavis-pg-"))
    as_user = []
    if os.geteuid() == 0:
        user = pwd.getpwnam(_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
    data = folder / "data"
    initdb = [_BIN / "initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
    try:
        subprocess.run([*as_user, *initdb, *locale], check=True, capture_output=True, cwd="/")
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        settings.append(f"-cunix_socket_directories={folder}")
        command = [*as_user, _BIN / "postgres", "-D", data, *settings]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/")
        try:
            server = PostgresServer(folder)
            _wait_until_it_answers(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown
            process.wait(timeout=20)
    finally:
        shutil.rmtree(folder)


def _wait_until_it_answers(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL has ended"
            assert time.monotonic() < end, "PostgreSQL does not answer"
            time.sleep(0.05)
