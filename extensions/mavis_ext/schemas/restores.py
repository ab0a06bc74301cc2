"""Restores: what recovery points were brought back as."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mavis_core.protection.restore.model import Disks, RestoreKind, RestoreState
from mavis_ext.schemas.base import Failure, Schema

__all__ = ["Restore"]


class RestoreMade(Schema):
    """What a restore has made and not taken away again."""

    volumes: dict[str, str]
    """By the original's id the new volume's."""
    instance_id: str | None
    group_id: str | None


class RestoreBefore(Schema):
    """What an instance had before its volumes were replaced."""

    instance_id: str
    devices: dict[str, str]
    """By device name the volume that hung there."""
    ran: bool
    disks: Disks
    """Which volumes hang there now, as far as is known."""


class Restore(Schema):
    """One use of one copy of a recovery point."""

    id: str
    point_id: str
    copy_id: str
    kind: RestoreKind
    state: RestoreState
    run_id: str
    """The Run that restores."""
    end_run_id: str | None
    """The Run that undoes it or lets the old volumes go."""
    arguments: dict[str, Any]
    """What was asked for."""
    made: RestoreMade
    before: RestoreBefore | None
    """Of a restore in place, from the moment at which it touches the instance."""
    undo_until: datetime | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    error: Failure | None
    proof: dict[str, Any] | None
    """What a verification found, as far as it has come."""
