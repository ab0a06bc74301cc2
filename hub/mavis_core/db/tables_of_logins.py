"""The tables of logins by browser."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.db.columns import identity, metadata, moment, number, text

device_logins = sa.Table(
    "device_logins",
    metadata,
    identity(),
    sa.Column("code_hash", sa.Text, nullable=False, unique=True),
    text("seal"),
    sa.Column("user_code", sa.Text, nullable=False, unique=True),
    text("program"),
    text("client"),
    text("source"),
    text("network"),
    text("correlation_id"),
    text("state"),
    text("person", null=True),
    text("authority", null=True),
    moment("created_at"),
    moment("expires_at"),
    moment("polled_at", null=True),
)
sa.Index("ix_device_logins_network", device_logins.c.network)
sa.Index("ix_device_logins_expires_at", device_logins.c.expires_at)

wrong_codes = sa.Table(
    "wrong_codes",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    number("count"),
    moment("since"),
)
