"""Bring a database to the revision that this release of Mavis needs. Packaged Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from mavis_core.db.engine import open_database
from mavis_core.errors import Conflict, Internal

__all__ = ["migrate", "revision"]

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x6D61766973  # "mavis": one migration at a time, by whichever process comes first


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def migrate(url: str) -> None:
    """Bring the database at `url` to this release's revision, in one transaction each step.

    Raises
    ------
    Conflict
        The database was made by a newer release.
    Internal
        Rows of the database refer to others that are not there.
    """
    database = open_database(url, pool_size=1)
    if database.engine.dialect.name == "sqlite":
        sa.event.listen(database.engine, "connect", _without_references)
    config = _config()
    try:
        with database.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            current, needed = revision(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if connection.dialect.name == "sqlite" and current != needed:
                _check_references(connection)
    except CommandError as exc:
        raise Conflict(
            f"The database's revision is unknown to this release: {exc}",
            mend="Install the release of Mavis that made it, or a newer one.",
        ) from exc
    finally:
        database.close()


def revision(connection: sa.Connection) -> tuple[str | None, str | None]:
    """Return the database's revision and the one that this release needs."""
    current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()


def _without_references(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Let tables be dropped and made anew under rows that refer to them.

    SQLite changes a constraint in no other way, and looks the other way only outside of a
    transaction (https://www.sqlite.org/lang_altertable.html#otheralter).
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()


def _check_references(connection: sa.Connection) -> None:
    """Check that every row still finds what it refers to."""
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if lost:
        tables = ", ".join(sorted({str(row[0]) for row in lost}))
        raise Internal(
            f"{len(lost)} rows of {tables} refer to rows that are not there; nothing was changed"
        )
