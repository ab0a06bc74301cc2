"""Environments, and what was found in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mavis_core.contract import ResourceKind
from mavis_core.projects.model import EnvironmentState
from mavis_ext.schemas.base import Failure, Schema

__all__ = ["Environment", "Resource"]


class Environment(Schema):
    """One account of one kit with its regions, as a project uses it."""

    id: str
    project: str
    name: str
    kit: str
    account: str
    regions: tuple[str, ...]
    options: dict[str, str]
    key: str | None
    """The name of the key that opens it."""
    state: EnvironmentState
    """What the last look at it said."""
    checked_at: datetime | None
    error: Failure | None
    created_at: datetime
    created_by: str


class Resource(Schema):
    """What discovery found in an environment, as it was when last seen."""

    id: str
    environment: str
    account: str
    kind: ResourceKind
    region: str
    cloud_id: str
    name: str
    """Empty where it has none."""
    state: str
    """The cloud's own word."""
    tags: dict[str, str]
    details: dict[str, Any]
    """What else the cloud said, by kind."""
    seen_at: datetime
    gone: bool
    """Discovery did not see it again."""
