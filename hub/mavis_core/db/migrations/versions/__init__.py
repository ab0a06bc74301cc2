"""Alembic migrations of the main database."""
