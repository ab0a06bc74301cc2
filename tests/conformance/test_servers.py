"""Who may have a notebook server, by the roles that they have now, on both databases."""

from __future__ import annotations

import pytest

from core_double import PLATFORM, Core, call
from mavis_core.access import Principal, Role
from mavis_core.errors import Forbidden
from mavis_core.projects.servers import Servers

ADA = call("ada", PLATFORM)
OLGA = Principal("olga")


@pytest.fixture
def servers(shop_core: Core) -> Servers:
    for name in ("shop", "till"):
        shop_core.projects.create(ADA, name=name, title=name)
    return Servers(shop_core.database, admin_group="admins")


def be(core: Core, subject: str, role: Role, project: str = "shop") -> None:
    core.projects.put_member(ADA, project, subject, role)


def refused(servers: Servers, who: Principal) -> Forbidden:
    with pytest.raises(Forbidden) as caught:
        servers.check(who)
    return caught.value


@pytest.mark.parametrize("role", Role)
def test_every_role_but_the_end_user_s_gives_a_server(
    shop_core: Core, servers: Servers, role: Role
) -> None:
    assert not servers.may(OLGA)
    be(shop_core, "user:olga", role)
    assert servers.may(OLGA) == (role is not Role.ENDUSER)
    shop_core.projects.remove_member(ADA, "shop", "user:olga")
    assert not servers.may(OLGA)


def test_one_project_is_enough_and_a_group_counts(shop_core: Core, servers: Servers) -> None:
    be(shop_core, "user:olga", Role.ENDUSER)
    be(shop_core, "group:ops", Role.VIEWER, "till")
    assert not servers.may(OLGA)
    assert servers.may(Principal("olga", frozenset({"ops"})))
    assert not servers.may(Principal("ops"))


def test_administrators_of_the_platform_have_one_without_any_project(servers: Servers) -> None:
    assert servers.may(Principal("eve", frozenset({"admins"})))
    assert not servers.may(Principal("admins"))
    assert not servers.may(Principal("mavis:platform", frozenset({"admins"})))


def test_a_refusal_names_who_can_be_asked(shop_core: Core, servers: Servers) -> None:
    assert "no role in any project" in refused(servers, OLGA).message
    be(shop_core, "user:olga", Role.ENDUSER)
    be(shop_core, "group:chiefs", Role.ADMIN)
    be(shop_core, "user:zoe", Role.ADMIN, "till")
    told = refused(servers, OLGA)
    assert told.message == "olga opens dashboards and has no notebook server"
    assert "administrator of shop" in told.mend
    assert "the group chiefs, ada." in told.mend
    assert "till" not in told.mend
    assert "zoe" not in told.mend


def test_starts_refusals_and_ends_are_recorded(shop_core: Core, servers: Servers) -> None:
    with pytest.raises(Forbidden):
        servers.begin(OLGA)
    be(shop_core, "user:olga", Role.OPERATOR)
    servers.begin(OLGA)
    servers.ended(OLGA)
    told = [
        (each["action"], each["outcome"], each["person"], each["object"], each["error_code"])
        for each in shop_core.records_ever()
        if each["action"].startswith("server.")
    ]
    assert told == [
        ("server.start", "refused", "olga", "olga", "forbidden"),
        ("server.start", "ok", "olga", "olga", None),
        ("server.stop", "ok", "mavis:platform", "olga", None),
    ]
