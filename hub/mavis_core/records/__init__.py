"""Audit and operation records, written as rows in the caller's own transaction."""

from mavis_core.records.model import Kind, Origin, Outcome, Phase, Record
from mavis_core.records.outbox import Outbox, write

__all__ = ["Kind", "Origin", "Outbox", "Outcome", "Phase", "Record", "write"]
