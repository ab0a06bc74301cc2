"""Environments, and what was discovered in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mavis_kernel.models.failures import Failure
from mavis_kernel.parsing import Model

__all__ = [
    "Environment",
    "Resource",
]


@dataclass(frozen=True, kw_only=True)
class Environment(Model):
    """One account of one cloud, with its regions, in a project.

    Parameters
    ----------
    key
        The name of the key in the vault; None where the appliance uses its own credentials.
    state
        ``new`` (never tried), ``ok`` or ``failed``.
    """

    id: str
    project: str
    name: str
    kit: str
    account: str
    regions: tuple[str, ...]
    state: str
    created_at: datetime
    key: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    checked_at: datetime | None = None
    error: Failure | None = None
    created_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resource(Model):
    """Something discovered in an environment.

    Parameters
    ----------
    kind
        ``instance``, ``volume``, ``volume_snapshot``, ``image`` or ``network``.
    cloud_id
        The cloud's own id.
    state
        The cloud's own word.
    seen_at
        When a discovery last met it.
    gone
        The last discovery did not meet it any more.
    """

    id: str
    kind: str
    environment: str
    region: str
    cloud_id: str
    name: str
    state: str
    seen_at: datetime
    account: str | None = None
    gone: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)
