"""What each operation of the API asks of its caller, as one table.

Tests and documents are made from it; the services of the core are what decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mavis_core.access import Permission
from mavis_ext.app import ROUTES
from mavis_ext.base import methods_of

__all__ = ["OPERATIONS", "Needs", "Operation", "operations"]

_GROUP = "([^/]+)"


class Needs(StrEnum):
    """What an operation asks for that is no permission of its own."""

    NOTHING = "nothing"
    LOGIN = "a token of somebody"
    ACTION = "the permission of the action that is applied"


P = Permission
OPERATIONS: Mapping[str, Permission | Needs] = {
    "GET /health": Needs.NOTHING,
    "GET /me": Needs.LOGIN,
    "GET /keys": P.KEY_READ,
    "POST /keys": P.KEY_WRITE,
    "DELETE /keys/{key}": P.KEY_WRITE,
    "GET /records": P.RECORD_READ_ALL,
    "GET /projects": Needs.LOGIN,
    "POST /projects": P.PROJECT_CREATE,
    "GET /projects/{project}": P.PROJECT_READ,
    "GET /projects/{project}/members": P.PROJECT_READ,
    "PUT /projects/{project}/members/{subject}": P.MEMBER_WRITE,
    "DELETE /projects/{project}/members/{subject}": P.MEMBER_WRITE,
    "GET /projects/{project}/environments": P.ENVIRONMENT_READ,
    "POST /projects/{project}/environments": P.ENVIRONMENT_WRITE,
    "GET /projects/{project}/environments/{environment}": P.ENVIRONMENT_READ,
    "DELETE /projects/{project}/environments/{environment}": P.ENVIRONMENT_WRITE,
    "POST /projects/{project}/discoveries": P.RESOURCE_DISCOVER,
    "GET /projects/{project}/resources": P.RESOURCE_READ,
    "GET /projects/{project}/resources/{resource}": P.RESOURCE_READ,
    "POST /projects/{project}/previews": P.RESOURCE_READ,
    "POST /projects/{project}/previews/{preview}/apply": Needs.ACTION,
    "GET /projects/{project}/backup-plans": P.PLAN_READ,
    "POST /projects/{project}/backup-plans": P.PLAN_WRITE,
    "GET /projects/{project}/backup-plans/presets": P.PLAN_READ,
    "GET /projects/{project}/backup-plans/{plan}": P.PLAN_READ,
    "PUT /projects/{project}/backup-plans/{plan}": P.PLAN_WRITE,
    "DELETE /projects/{project}/backup-plans/{plan}": P.PLAN_WRITE,
    "POST /projects/{project}/backup-plans/{plan}/runs": P.PLAN_RUN,
    "GET /projects/{project}/backup-plans/{plan}/slots": P.PLAN_READ,
    "GET /projects/{project}/backup-plans/{plan}/calendar": P.PLAN_READ,
    "GET /projects/{project}/recovery-points": P.POINT_READ,
    "POST /projects/{project}/recovery-points": P.POINT_CREATE,
    "GET /projects/{project}/recovery-points/{point}": P.POINT_READ,
    "GET /projects/{project}/recovery-points/{point}/explanation": P.POINT_READ,
    "POST /projects/{project}/recovery-points/{point}/copies": P.POINT_COPY,
    "POST /projects/{project}/recovery-points/{point}/verifications": P.RESTORE_CREATE,
    "PUT /projects/{project}/recovery-points/{point}/hold": P.POINT_HOLD,
    "DELETE /projects/{project}/recovery-points/{point}/hold": P.POINT_HOLD,
    "PUT /projects/{project}/recovery-points/{point}/lock": P.POINT_LOCK,
    "DELETE /projects/{project}/recovery-points/{point}/lock": P.POINT_LOCK,
    "GET /projects/{project}/restores": P.RESTORE_READ,
    "POST /projects/{project}/restores": P.RESTORE_CREATE,
    "GET /projects/{project}/restores/{restore}": P.RESTORE_READ,
    "GET /projects/{project}/reports/protection": P.POINT_READ,
    "GET /projects/{project}/runs": P.RUN_READ,
    "GET /projects/{project}/runs/{run}": P.RUN_READ,
    "POST /projects/{project}/runs/{run}/cancel": P.RUN_CANCEL,
    "GET /projects/{project}/records": P.RECORD_READ,
}
_NAMES = {
    "keys": "key",
    "projects": "project",
    "members": "subject",
    "environments": "environment",
    "resources": "resource",
    "previews": "preview",
    "backup-plans": "plan",
    "recovery-points": "point",
    "restores": "restore",
    "runs": "run",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address.

    Parameters
    ----------
    path
        Below the API's prefix, with names in braces: ``/projects/{project}/runs``.
    needs
        What its caller must have.
    """

    method: str
    path: str
    needs: Permission | Needs


def operations() -> tuple[Operation, ...]:
    """Return every operation that the routes implement, in their order.

    Raises
    ------
    KeyError
        One of them stands in no row of `OPERATIONS`.
    """
    return tuple(
        Operation(method, path, OPERATIONS[f"{method} {path}"])
        for pattern, handler in ROUTES
        for path in [_template(pattern)]
        for method in methods_of(handler)
    )


def _template(pattern: str) -> str:
    """Return a route's pattern with a name for each of its groups: that of the noun before it."""
    first, *rest = pattern.split(_GROUP)
    told = first
    for piece in rest:
        noun = told.rstrip("/").rpartition("/")[2]
        told += "{" + _NAMES[noun] + "}" + piece
    return told
