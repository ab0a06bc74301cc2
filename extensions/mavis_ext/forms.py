"""The JSON forms of what the API tells: one function a thing. Moments are RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from mavis_core import clock
from mavis_core.access import Role
from mavis_core.changes.model import Preview
from mavis_core.db.paging import Page
from mavis_core.inventory.model import Resource
from mavis_core.projects.model import Environment, Member, Membership
from mavis_core.scheduling.model import Run
from mavis_core.vault.service import Key

__all__ = [
    "environment",
    "key",
    "listing",
    "member",
    "moment",
    "page",
    "preview",
    "project",
    "resource",
    "run",
]

T = TypeVar("T")
_RANK = (Role.ADMIN, Role.APPROVER, Role.OPERATOR, Role.AUDITOR, Role.VIEWER, Role.ENDUSER)


def page(found: Page[T], form: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """Return a page of things."""
    return {"items": [form(item) for item in found.items], "next": found.next}


def listing(items: tuple[T, ...], form: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """Return a list that is never long."""
    return {"items": [form(item) for item in items], "next": None}


def project(membership: Membership) -> dict[str, Any]:
    """Return a project, with the caller's highest role in it."""
    found = membership.project
    return {
        "id": found.id,
        "name": found.name,
        "title": found.title,
        "role": next(role for role in _RANK if role in membership.roles),
        "created_at": moment(found.created_at),
        "created_by": found.created_by,
    }


def member(found: Member) -> dict[str, Any]:
    """Return a member of a project."""
    return {**asdict(found), "added_at": moment(found.added_at)}


def key(found: Key) -> dict[str, Any]:
    """Return a key without its value."""
    return {**asdict(found), "fields": list(found.fields), "created_at": moment(found.created_at)}


def environment(found: Environment) -> dict[str, Any]:
    """Return an environment; its key by name only."""
    told = {
        name: getattr(found, name)
        for name in found.__slots__
        if name not in ("key_id", "project_id")
    }
    return {
        **told,
        "regions": list(found.regions),
        "options": dict(found.options),
        "error": dict(found.error) if found.error else None,
        "checked_at": moment(found.checked_at),
        "created_at": moment(found.created_at),
    }


def resource(found: Resource) -> dict[str, Any]:
    """Return a resource."""
    hidden = ("project_id", "environment_id")
    told = {name: getattr(found, name) for name in found.__slots__ if name not in hidden}
    return {
        **told,
        "tags": dict(found.tags),
        "details": dict(found.details),
        "seen_at": moment(found.seen_at),
    }


def preview(found: Preview) -> dict[str, Any]:
    """Return a preview: what would happen, and what it takes to let it."""
    plan = found.plan
    return {
        "id": found.id,
        "action": plan.action,
        "project": plan.project_name,
        "resource": plan.subject,
        "severity": plan.severity,
        "effects": [asdict(effect) for effect in plan.effects],
        "warnings": list(plan.warnings),
        "hash": found.hash,
        "confirm": found.confirm,
        "created_at": moment(found.created_at),
        "expires_at": moment(found.expires_at),
    }


def run(found: Run) -> dict[str, Any]:
    """Return a Run with its steps."""
    return {
        "id": found.id,
        "project": found.plan.project_name,
        "kind": found.kind,
        "state": found.state,
        "subject": found.subject,
        "person": found.person,
        "created_at": moment(found.created_at),
        "started_at": moment(found.started_at),
        "finished_at": moment(found.finished_at),
        "not_before": moment(found.not_before),
        "slot": found.slot,
        "cancelled_by": found.cancelled_by,
        "attempt": found.attempt,
        "steps": [
            {
                **asdict(step),
                "started_at": moment(step.started_at),
                "finished_at": moment(step.finished_at),
            }
            for step in found.steps
        ],
        "result": dict(found.result),
        "error": dict(found.error) if found.error else None,
        "correlation_id": found.correlation_id,
    }


def moment(found: datetime | None) -> str | None:
    """Return a moment, or None."""
    return clock.iso(found) if found is not None else None
