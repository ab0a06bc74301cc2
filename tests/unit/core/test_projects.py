"""Projects and members: who sees what, which names are good, who is left."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core_double import ACCOUNT, PERSON, PLATFORM, REGION, Core, call
from mavis_core.access import CallContext, Permission, Role
from mavis_core.db.paging import PageRequest
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound
from mavis_core.projects.model import check_name, check_subject, check_text
from mavis_core.records import Outcome


@pytest.fixture
def ada() -> CallContext:
    return call("ada", PLATFORM)


@pytest.fixture
def shop(core: Core) -> Core:
    core.shop()
    return core


def roles(core: Core, who: CallContext) -> dict[str, str]:
    return {m.subject: m.role for m in core.projects.members(who, "shop")}


# Seeing


def test_a_project_of_others_looks_like_one_that_is_none(shop: Core) -> None:
    told = []
    for name in ("shop", "nope"):
        with pytest.raises(NotFound) as caught:
            shop.projects.authorize(call("eve"), name, Permission.PROJECT_READ)
        error = caught.value
        told.append((error.message.replace(name, "…"), error.mend, error.field, error.status))
    assert told[0] == told[1]


def test_not_even_the_id_of_a_project_of_others_is_confirmed(shop: Core, ada: CallContext) -> None:
    project = shop.projects.authorize(ada, "shop", Permission.PROJECT_READ).project
    assert shop.projects.authorize(ada, project.id, Permission.PROJECT_READ).project == project
    with pytest.raises(NotFound):
        shop.projects.authorize(call("eve"), project.id, Permission.PROJECT_READ)


def test_a_platform_administrator_who_is_no_member_sees_no_project(shop: Core) -> None:
    with pytest.raises(NotFound):
        shop.projects.authorize(call("root", PLATFORM), "shop", Permission.PROJECT_READ)
    assert shop.projects.list(call("root", PLATFORM), PageRequest()).items == ()


def test_a_member_by_group_has_the_groups_role(shop: Core) -> None:
    vera = call("vera", PERSON, "lookers", "others")
    found = shop.projects.authorize(vera, "shop", Permission.PROJECT_READ)
    assert found.roles == {Role.VIEWER}
    with pytest.raises(Forbidden):
        shop.projects.authorize(vera, "shop", Permission.RESOURCE_DISCOVER)
    with pytest.raises(NotFound):
        shop.projects.authorize(call("lookers"), "shop", Permission.PROJECT_READ)


def test_roles_by_name_and_by_groups_add_up(shop: Core, ada: CallContext) -> None:
    olga = call("olga", PERSON, "lookers")
    assert shop.projects.authorize(olga, "shop", Permission.PROJECT_READ).roles == {
        Role.OPERATOR,
        Role.VIEWER,
    }
    (listed,) = shop.projects.list(olga, PageRequest()).items
    assert listed.roles == {Role.OPERATOR, Role.VIEWER}


def test_the_list_holds_what_one_is_in_and_pages(core: Core, ada: CallContext) -> None:
    for number in range(7):
        core.projects.create(ada, name=f"project-{number}", title="")
    core.projects.put_member(ada, "project-3", "user:olga", Role.VIEWER)
    assert [m.project.name for m in core.projects.list(call("olga"), PageRequest()).items] == [
        "project-3"
    ]
    first = core.projects.list(ada, PageRequest(5))
    rest = core.projects.list(ada, PageRequest(5, first.next))
    assert (len(first.items), len(rest.items), rest.next) == (5, 2, None)


# Changing


def test_making_a_project_needs_the_platforms_scope_and_leaves_a_record(
    core: Core, ada: CallContext
) -> None:
    with pytest.raises(Forbidden):
        core.projects.create(call("olga"), name="shop", title="")
    made = core.projects.create(ada, name="shop", title="  ")
    assert made.project.title == "shop"
    (record,) = core.records()
    assert (record.action, record.person, record.outcome) == ("project.create", "ada", Outcome.OK)
    with pytest.raises(Conflict):
        core.projects.create(ada, name="shop", title="")
    assert len(core.records()) == 1


def test_a_new_role_ends_the_one_before(shop: Core, ada: CallContext) -> None:
    shop.projects.put_member(ada, "shop", "user:olga", Role.AUDITOR)
    assert roles(shop, ada) == {
        "user:ada": "admin",
        "user:olga": "auditor",
        "group:lookers": "viewer",
    }


def test_the_last_administrator_stays(shop: Core, ada: CallContext) -> None:
    before, count = roles(shop, ada), len(shop.records())
    with pytest.raises(Conflict, match="without an administrator"):
        shop.projects.put_member(ada, "shop", "user:ada", Role.VIEWER)
    with pytest.raises(Conflict, match="without an administrator"):
        shop.projects.remove_member(ada, "shop", "user:ada")
    assert roles(shop, ada) == before
    assert len(shop.records()) == count

    shop.projects.put_member(ada, "shop", "group:ops", Role.ADMIN)
    shop.projects.remove_member(ada, "shop", "user:ada")
    with pytest.raises(NotFound):
        roles(shop, ada)


def test_a_subject_that_is_no_member_cannot_be_removed(shop: Core, ada: CallContext) -> None:
    with pytest.raises(NotFound):
        shop.projects.remove_member(ada, "shop", "user:nobody")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_administrators_of_the_project_give_roles(
    shop: Core, ada: CallContext, role: Role
) -> None:
    shop.projects.put_member(ada, "shop", "user:mia", role)
    with pytest.raises(Forbidden):
        shop.projects.put_member(call("mia", PLATFORM), "shop", "user:mia", Role.ADMIN)


# Environments


def add(core: Core, ctx: CallContext, name: str = "side", **values: object) -> None:
    given = {"kit": "fake", "account": ACCOUNT, "regions": [REGION], "key": None, "options": {}}
    core.environments.create(ctx, "shop", **{**given, "name": name, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        pytest.param({"name": "../x"}, "name", id="name"),
        pytest.param({"kit": "moon"}, "kit", id="unknown kit"),
        pytest.param({"account": "1\n2"}, "account", id="control character"),
        pytest.param({"regions": []}, "regions", id="no region"),
        pytest.param({"regions": ["x"] * 41}, "regions", id="too many regions"),
        pytest.param({"regions": ["ok", "../x"]}, "regions[1]", id="region"),
        pytest.param({"options": {"a": "b\0"}}, "options.a", id="option"),
    ],
)
def test_a_bad_value_of_an_environment_is_named(
    shop: Core, ada: CallContext, values: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        add(shop, ada, **values)
    assert caught.value.field == field
    assert len(shop.environments.list(ada, "shop")) == 1


def test_an_environment_needs_a_key_that_is_there(shop: Core, ada: CallContext) -> None:
    with pytest.raises(NotFound, match="No key 'nope'"):
        add(shop, ada, key="nope")


def test_a_second_environment_of_that_name_is_a_conflict(shop: Core, ada: CallContext) -> None:
    with pytest.raises(Conflict):
        add(shop, ada, "main")


def test_an_environment_in_which_a_run_works_stays_and_others_go(
    shop: Core, ada: CallContext, cloud: object
) -> None:
    add(shop, ada)
    shop.runs.start(
        call("olga"),
        "shop",
        action="inventory.discover",
        resource=None,
        arguments={"environment": "main"},
    )
    with pytest.raises(Conflict, match="main"):
        shop.environments.remove(ada, "shop", "main")
    shop.environments.remove(ada, "shop", "side")
    assert shop.records()[-1].action == "environment.remove"
    assert shop.carry_out() is None
    shop.environments.remove(ada, "shop", "main")
    assert shop.environments.list(ada, "shop") == ()
    with pytest.raises(NotFound):
        shop.environments.remove(ada, "shop", "main")


# Names

GOOD = re.compile(r"[a-z][a-z0-9-]{1,39}")


@given(st.text(max_size=60) | st.text(string.ascii_lowercase + string.digits + "-", max_size=45))
@example("shop\n")
@example("\N{FULLWIDTH LATIN SMALL LETTER S}hop")
@example("../x")
@example("a" * 41)
def test_a_name_is_good_exactly_where_the_contract_says_so(value: str) -> None:
    if GOOD.fullmatch(value):
        assert check_name(value) == value
    else:
        with pytest.raises(InvalidInput) as caught:
            check_name(value)
        assert caught.value.field == "name"


@given(st.text(max_size=80))
@example("user:alice\n")
@example("user:")
@example("role:admin")
@example("user:a:b")
def test_a_subject_is_a_person_or_a_group_of_the_hub(value: str) -> None:
    if re.fullmatch(r"(user|group):[A-Za-z0-9._@+-]{1,100}", value):
        assert check_subject(value) == value
    else:
        with pytest.raises(InvalidInput):
            check_subject(value)


@given(st.text(max_size=250))
@example("a\x1b[2Jb")
@example("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe")
@example("two\N{LINE SEPARATOR}lines")
def test_a_text_that_is_taken_is_one_printable_line(value: str) -> None:
    try:
        text = check_text(value, field="title")
    except InvalidInput:
        return
    assert len(text) <= 200
    assert len(text.splitlines()) <= 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
