"""The types of columns, and the one metadata that every table belongs to.

Times are UTC with microseconds: ``timestamptz`` on PostgreSQL, sortable RFC 3339 text on SQLite.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from mavis_core import clock

__all__ = ["Json", "Moment", "Sequence", "identity", "json", "metadata", "moment", "number", "text"]


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware moment in UTC."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(27))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        told = clock.iso(value)  # refuses a moment without a zone, on PostgreSQL too
        return told if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: sa.Dialect) -> datetime | None:
        if isinstance(value, datetime):  # in the zone of the PostgreSQL session
            return value.astimezone(UTC)
        return clock.parse(value) if value is not None else None


# None is NULL, never JSON's null: the same in one row and in many at once
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text(name: str, *args: Any, null: bool = False) -> sa.Column[str]:
    """Return a column of text."""
    return sa.Column(name, sa.Text, *args, nullable=null)


def moment(name: str, *, null: bool = False) -> sa.Column[datetime]:
    """Return a column of moments."""
    return sa.Column(name, Moment, nullable=null)


def json(name: str, *, null: bool = False) -> sa.Column[Any]:
    """Return a column of JSON values."""
    return sa.Column(name, Json, nullable=null)


def identity() -> sa.Column[str]:
    """Return the column of a row's id."""
    return sa.Column("id", sa.Text, primary_key=True)


def number(name: str, *, null: bool = False) -> sa.Column[int]:
    """Return a column of whole numbers."""
    return sa.Column(name, sa.Integer, nullable=null)
