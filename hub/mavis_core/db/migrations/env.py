"""Alembic's entry: runs on the connection that `mavis_core.db.migrate` hands over."""

from alembic import context

from mavis_core.db import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
