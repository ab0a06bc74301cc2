"""Bring a database to the revision that this release of Mavis needs. Packaged Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from mavis_core.db.engine import open_database
from mavis_core.errors import Conflict

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
    """
    database = open_database(url, pool_size=1)
    config = _config()
    try:
        with database.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
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
