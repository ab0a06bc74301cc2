"""Who asks, and what they may do.

*Role*: what a person is in one project. *Permission*: one thing that can be done.
*Scope*: what a token may be used for, granted by the Hub. *Principal*: the person.
*CallContext*: one call by a principal with a token.

Authority is the token's scopes ∩ the person's role in that project. `PERMISSIONS` is the one
table of it; documentation and tests are made from it. Services call `CallContext.require`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from mavis_core.errors import Forbidden
from mavis_core.ids import new_id

__all__ = [
    "PERMISSIONS",
    "PLATFORM",
    "RESERVED",
    "ROLES",
    "CallContext",
    "Confinement",
    "Grant",
    "Permission",
    "Principal",
    "Role",
    "Scope",
]

RESERVED = "mavis:"  # no person's name begins so


class Role(StrEnum):
    """What a person is in one project."""

    ENDUSER = "enduser"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


ROLES: dict[Role, str] = {
    Role.ENDUSER: "uses published pages of the project, and sees nothing else of it",
    Role.VIEWER: "sees everything of the project but its records",
    Role.OPERATOR: "works: takes recovery points, starts, stops, restores",
    Role.APPROVER: "sees what a viewer sees; meant for whoever approves what others ask for",
    Role.AUDITOR: "sees everything, its records too, and puts recovery points and records on hold",
    Role.ADMIN: "rules: members, backup plans, locks, deletion",
}
"""What each role is, in words for people."""


class Scope(StrEnum):
    """What a token may be used for. Custom scopes of the Hub.

    A kernel's token has ``READ`` and ``OPERATE``. ``DESTROY``, which also gives roles to people,
    comes only with a login; ``ADMIN`` only with the Hub group of the platform's administrators.
    """

    READ = "custom:mavis:read"
    OPERATE = "custom:mavis:operate"
    DESTROY = "custom:mavis:destroy"
    ADMIN = "custom:mavis:admin"


class Permission(StrEnum):
    """One thing that can be done."""

    PROJECT_READ = "project.read"
    PROJECT_CREATE = "project.create"
    PROJECT_WRITE = "project.write"
    MEMBER_WRITE = "member.write"
    KEY_READ = "key.read"
    KEY_WRITE = "key.write"
    ENVIRONMENT_READ = "environment.read"
    ENVIRONMENT_WRITE = "environment.write"
    RESOURCE_READ = "resource.read"
    RESOURCE_DISCOVER = "resource.discover"
    RESOURCE_START = "resource.start"
    RESOURCE_STOP = "resource.stop"
    RESOURCE_TAG = "resource.tag"
    PLAN_READ = "backup_plan.read"
    PLAN_WRITE = "backup_plan.write"
    PLAN_RUN = "backup_plan.run"
    POINT_READ = "recovery_point.read"
    POINT_CREATE = "recovery_point.create"
    POINT_COPY = "recovery_point.copy"
    POINT_LOCK = "recovery_point.lock"
    POINT_HOLD = "recovery_point.hold"
    POINT_DELETE = "recovery_point.delete"
    RESTORE_READ = "restore.read"
    RESTORE_CREATE = "restore.create"
    RESTORE_REPLACE = "restore.replace"
    RUN_READ = "run.read"
    RUN_CANCEL = "run.cancel"
    RECORD_READ = "record.read"
    RECORD_READ_ALL = "record.read_all"
    RECORD_REPORT = "record.report"
    RECORD_HOLD = "record.hold"
    PREFECT_READ = "prefect.read"
    DASHBOARD_VIEW = "dashboard.view"
    DASHBOARD_PUBLISH = "dashboard.publish"
    SERVER_START = "server.start"
    DEVICE_READ = "device.read"
    DEVICE_WRITE = "device.write"
    SESSION_READ = "session.read"
    SESSION_OPEN = "session.open"
    SESSION_WATCH = "session.watch"
    SESSION_END = "session.end"
    RECORDING_READ = "recording.read"
    PERSON_KEY_WRITE = "person_key.write"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a permission asks for.

    Parameters
    ----------
    scope
        The scope that the token must hold.
    roles
        The roles of the project that have it. Empty: it belongs to the platform, not to a
        project, and the scope alone decides.
    """

    scope: Scope
    roles: frozenset[Role] = frozenset()


_SEE = frozenset({Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.AUDITOR, Role.ADMIN})
_DO = frozenset({Role.OPERATOR, Role.ADMIN})
_RULE = frozenset({Role.ADMIN})

PERMISSIONS: dict[Permission, Grant] = {
    Permission.PROJECT_READ: Grant(Scope.READ, _SEE),
    Permission.PROJECT_CREATE: Grant(Scope.ADMIN),
    Permission.PROJECT_WRITE: Grant(Scope.DESTROY, _RULE),  # the mark of production warns people
    Permission.MEMBER_WRITE: Grant(Scope.DESTROY, _RULE),
    Permission.KEY_READ: Grant(Scope.ADMIN),
    Permission.KEY_WRITE: Grant(Scope.ADMIN),
    Permission.ENVIRONMENT_READ: Grant(Scope.READ, _SEE),
    Permission.ENVIRONMENT_WRITE: Grant(Scope.ADMIN, _RULE),
    Permission.RESOURCE_READ: Grant(Scope.READ, _SEE),
    Permission.RESOURCE_DISCOVER: Grant(Scope.OPERATE, _DO),
    Permission.RESOURCE_START: Grant(Scope.OPERATE, _DO),
    Permission.RESOURCE_STOP: Grant(Scope.DESTROY, _DO),
    Permission.RESOURCE_TAG: Grant(Scope.OPERATE, _DO),
    Permission.PLAN_READ: Grant(Scope.READ, _SEE),
    Permission.PLAN_WRITE: Grant(Scope.DESTROY, _RULE),  # what a plan keeps decides what it deletes
    Permission.PLAN_RUN: Grant(Scope.OPERATE, _DO),
    Permission.POINT_READ: Grant(Scope.READ, _SEE),
    Permission.POINT_CREATE: Grant(Scope.OPERATE, _DO),
    Permission.POINT_COPY: Grant(Scope.OPERATE, _DO),
    Permission.POINT_LOCK: Grant(Scope.DESTROY, _RULE),  # of a compliance lock there is no undo
    Permission.POINT_HOLD: Grant(Scope.OPERATE, frozenset({Role.AUDITOR, Role.ADMIN})),
    Permission.POINT_DELETE: Grant(Scope.DESTROY, _RULE),
    Permission.RESTORE_READ: Grant(Scope.READ, _SEE),
    Permission.RESTORE_CREATE: Grant(Scope.OPERATE, _DO),
    Permission.RESTORE_REPLACE: Grant(Scope.DESTROY, _DO),
    Permission.RUN_READ: Grant(Scope.READ, _SEE),
    Permission.RUN_CANCEL: Grant(Scope.OPERATE, _DO),
    Permission.RECORD_READ: Grant(Scope.READ, frozenset({Role.AUDITOR, Role.ADMIN, Role.OPERATOR})),
    Permission.RECORD_READ_ALL: Grant(Scope.ADMIN),
    Permission.RECORD_REPORT: Grant(Scope.OPERATE, _DO),
    Permission.RECORD_HOLD: Grant(Scope.OPERATE, frozenset({Role.AUDITOR, Role.ADMIN})),
    Permission.PREFECT_READ: Grant(Scope.ADMIN),
    Permission.DASHBOARD_VIEW: Grant(Scope.READ, _SEE | {Role.ENDUSER}),
    # What is published reads the project for whoever may open it, and nothing else: its kernel
    # holds no authority of its viewer, and its frame none of their browser. What Mavis brings along
    # to show the log asks for RECORD_READ besides.
    Permission.DASHBOARD_PUBLISH: Grant(Scope.OPERATE, _DO),
    # A notebook server of one's own, for whoever sees any project: code runs there.
    Permission.SERVER_START: Grant(Scope.OPERATE, _SEE),
    Permission.DEVICE_READ: Grant(Scope.READ, _SEE),
    # A way in names a key of the vault, as an environment does, and an address to bring it to.
    Permission.DEVICE_WRITE: Grant(Scope.ADMIN, _RULE),
    Permission.SESSION_READ: Grant(Scope.READ, _SEE),
    Permission.SESSION_OPEN: Grant(Scope.OPERATE, _DO),
    Permission.SESSION_WATCH: Grant(Scope.READ, frozenset({Role.AUDITOR, Role.ADMIN})),
    Permission.SESSION_END: Grant(Scope.OPERATE, frozenset({Role.AUDITOR, Role.ADMIN})),
    Permission.RECORDING_READ: Grant(Scope.READ, frozenset({Role.AUDITOR, Role.ADMIN})),
    # One's own, to log in with from an SSH client: a notebook's token does not.
    Permission.PERSON_KEY_WRITE: Grant(Scope.DESTROY),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, as the Hub names them.

    Parameters
    ----------
    name
        The Hub's user name.
    groups
        The Hub groups of the person at the time of the call.
    """

    name: str
    groups: frozenset[str] = frozenset()


PLATFORM = Principal(f"{RESERVED}platform")
"""Mavis itself: for what has to be put right though nobody asks. It has no token."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a token can do that is good for one project only: a dashboard's.

    Parameters
    ----------
    project_id
        The one project that it can name.
    roles
        What it is there, whatever its principal may be a member of.
    """

    project_id: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call by a principal with a token.

    Parameters
    ----------
    principal
        Who asks.
    scopes
        What the token may be used for.
    correlation_id
        Runs through everything that this call sets off, from request to record.
    request_id
        This one call; shown to the person with an error.
    source
        Where the call came from: an address, or the name of a process.
    confined
        The one project that the token is good for; None: all that the principal is a member of.
    """

    principal: Principal
    scopes: frozenset[Scope]
    correlation_id: str = field(default_factory=lambda: new_id("cor"))
    request_id: str = field(default_factory=lambda: new_id("req"))
    source: str = "unknown"
    confined: Confinement | None = None

    def may(self, permission: Permission, roles: Collection[Role] = ()) -> bool:
        """Whether this call has `permission` with `roles` in the project at hand."""
        grant = PERMISSIONS[permission]
        return grant.scope in self.scopes and not (grant.roles and grant.roles.isdisjoint(roles))

    def require(self, permission: Permission, roles: Collection[Role] = ()) -> None:
        """Return where this call has `permission` with `roles` in the project at hand.

        Raises
        ------
        Forbidden
            The token lacks the scope, or the role lacks the permission.
        """
        grant = PERMISSIONS[permission]
        if grant.scope not in self.scopes:
            raise Forbidden(
                f"{permission} needs the scope {grant.scope}, which this token does not have",
                mend="Log in with `mavis login`: tokens of kernels are narrower on purpose.",
            )
        if grant.roles and grant.roles.isdisjoint(roles):
            needed = " or ".join(sorted(grant.roles))
            raise Forbidden(
                f"{permission} needs the role {needed} in this project;"
                f" {self.principal.name} is {' and '.join(sorted(roles)) or 'no member'}"
            )
