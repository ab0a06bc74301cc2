"""The main database: engine, transactions, tables, migrations. SQLite by default, PostgreSQL."""

from mavis_core.db.engine import Database, open_database
from mavis_core.db.migrate import migrate, revision

__all__ = ["Database", "migrate", "open_database", "revision"]
