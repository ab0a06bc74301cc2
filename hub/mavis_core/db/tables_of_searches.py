"""The table of searches that people keep."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.db.columns import json, metadata, moment

record_searches = sa.Table(
    "record_searches",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    json("filters"),
    moment("created_at"),
)
