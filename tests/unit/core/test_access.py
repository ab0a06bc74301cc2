"""Who may do what: every permission with every role and every token."""

from __future__ import annotations

import itertools

import pytest

from core_double import KERNEL, call
from mavis_core.access import PERMISSIONS, Permission, Role, Scope
from mavis_core.errors import Forbidden

P, R, S = Permission, Role, Scope
SEES = {R.VIEWER, R.OPERATOR, R.APPROVER, R.AUDITOR, R.ADMIN}
DOES = {R.OPERATOR, R.ADMIN}

# What we want, said a second time and by hand: the scope, and the roles (None: no role needed).
EXPECTED: dict[Permission, tuple[Scope, set[Role] | None]] = {
    P.PROJECT_READ: (S.READ, SEES),
    P.PROJECT_CREATE: (S.ADMIN, None),
    P.PROJECT_WRITE: (S.DESTROY, {R.ADMIN}),
    P.MEMBER_WRITE: (S.DESTROY, {R.ADMIN}),
    P.KEY_READ: (S.ADMIN, None),
    P.KEY_WRITE: (S.ADMIN, None),
    P.ENVIRONMENT_READ: (S.READ, SEES),
    P.ENVIRONMENT_WRITE: (S.ADMIN, {R.ADMIN}),
    P.RESOURCE_READ: (S.READ, SEES),
    P.RESOURCE_DISCOVER: (S.OPERATE, DOES),
    P.RESOURCE_START: (S.OPERATE, DOES),
    P.RESOURCE_STOP: (S.DESTROY, DOES),
    P.RESOURCE_TAG: (S.OPERATE, DOES),
    P.PLAN_READ: (S.READ, SEES),
    P.PLAN_WRITE: (S.DESTROY, {R.ADMIN}),
    P.PLAN_RUN: (S.OPERATE, DOES),
    P.POINT_READ: (S.READ, SEES),
    P.POINT_CREATE: (S.OPERATE, DOES),
    P.POINT_COPY: (S.OPERATE, DOES),
    P.POINT_LOCK: (S.DESTROY, {R.ADMIN}),
    P.POINT_HOLD: (S.OPERATE, {R.AUDITOR, R.ADMIN}),
    P.POINT_DELETE: (S.DESTROY, {R.ADMIN}),
    P.RESTORE_READ: (S.READ, SEES),
    P.RESTORE_CREATE: (S.OPERATE, DOES),
    P.RESTORE_REPLACE: (S.DESTROY, DOES),
    P.RUN_READ: (S.READ, SEES),
    P.RUN_CANCEL: (S.OPERATE, DOES),
    P.RECORD_REPORT: (S.OPERATE, {R.ADMIN, R.OPERATOR}),
    P.RECORD_HOLD: (S.OPERATE, {R.AUDITOR, R.ADMIN}),
    P.RECORD_READ: (S.READ, {R.AUDITOR, R.ADMIN, R.OPERATOR}),
    P.RECORD_READ_ALL: (S.ADMIN, None),
    P.PREFECT_READ: (S.ADMIN, None),
    P.DASHBOARD_VIEW: (S.READ, SEES | {R.ENDUSER}),
    P.DASHBOARD_PUBLISH: (S.OPERATE, DOES),
    P.SERVER_START: (S.OPERATE, SEES),
    P.DEVICE_READ: (S.READ, SEES),
    P.DEVICE_WRITE: (S.ADMIN, {R.ADMIN}),
    P.SESSION_READ: (S.READ, SEES),
    P.SESSION_OPEN: (S.OPERATE, DOES),
    P.SESSION_WATCH: (S.READ, {R.AUDITOR, R.ADMIN}),
    P.SESSION_END: (S.OPERATE, {R.AUDITOR, R.ADMIN}),
    P.RECORDING_READ: (S.READ, {R.AUDITOR, R.ADMIN}),
    P.PERSON_KEY_WRITE: (S.DESTROY, None),
}
SCOPE_SETS = [
    frozenset(chosen)
    for size in range(len(Scope) + 1)
    for chosen in itertools.combinations(Scope, size)
]


def allowed(permission: Permission, scopes: frozenset[Scope], roles: set[Role]) -> bool:
    try:
        call("somebody", scopes).require(permission, roles)
    except Forbidden:
        return False
    return True


def test_every_permission_is_granted_to_somebody() -> None:
    assert set(PERMISSIONS) == set(Permission) == set(EXPECTED)


@pytest.mark.parametrize("permission", Permission)
def test_a_permission_needs_its_scope_and_one_of_its_roles(permission: Permission) -> None:
    scope, roles = EXPECTED[permission]
    for scopes, role in itertools.product(SCOPE_SETS, [None, *Role]):
        held = {role} if role else set()
        wanted = scope in scopes and (roles is None or bool(held & roles))
        assert allowed(permission, scopes, held) == wanted, (scopes, role)


@pytest.mark.parametrize("permission", Permission)
def test_several_roles_give_no_more_than_each_of_them(permission: Permission) -> None:
    for pair in itertools.combinations(Role, 2):
        each = any(allowed(permission, frozenset(Scope), {role}) for role in pair)
        assert allowed(permission, frozenset(Scope), set(pair)) == each


@pytest.mark.parametrize(
    "permission",
    [P.RESOURCE_STOP, P.MEMBER_WRITE, P.KEY_WRITE, P.ENVIRONMENT_WRITE, P.PROJECT_CREATE],
)
def test_a_kernels_token_never_destroys_nor_gives_rights(permission: Permission) -> None:
    assert not allowed(permission, KERNEL, set(Role))


def test_an_end_user_sees_nothing_of_a_project_but_its_dashboards() -> None:
    for permission, (_, roles) in EXPECTED.items():
        if permission is P.DASHBOARD_VIEW:
            assert allowed(permission, frozenset({S.READ}), {R.ENDUSER})
        elif roles is not None:
            assert not allowed(permission, frozenset(Scope), {R.ENDUSER})


def test_a_refusal_names_what_is_missing() -> None:
    with pytest.raises(Forbidden, match="custom:mavis:destroy"):
        call("olga", KERNEL).require(P.RESOURCE_STOP, {R.ADMIN})
    with pytest.raises(Forbidden, match="admin or operator in this project; vera is viewer"):
        call("vera").require(P.RESOURCE_STOP, {R.VIEWER})


def test_each_call_has_ids_of_its_own() -> None:
    first, second = call("olga"), call("olga")
    assert first.request_id != second.request_id
    assert first.correlation_id != second.correlation_id
