"""Keys: sealed at rest, opened by the worker alone, each reading recorded, never told."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core_double import PERSON, PLATFORM, Core, call
from mavis_core.db import tables
from mavis_core.errors import Conflict, Forbidden, Internal, InvalidInput, NotFound
from mavis_core.vault.sealing import Opener, Sealer, generate
from mavis_core.vault.service import Key, Vault

SECRET = "wJalrXUtnFEMI-not-a-real-key"
KNOWN = {"fake": {"access_key_id": True, "secret_access_key": True, "session_token": False}}
VALUE = {"access_key_id": "AKIA1", "secret_access_key": SECRET}


def store(core: Core, name: str = "main") -> Key:
    return core.vault.store(call("ada", PLATFORM), name=name, kind="fake", value=VALUE, known=KNOWN)


def test_what_is_stored_is_sealed_and_opens_again(core: Core) -> None:
    key = store(core)
    with core.database.read() as tx:
        row = tx.execute(sa.select(tables.keys)).mappings().one()
    assert SECRET not in str(dict(row))
    assert core.vault.open(call("ada"), key.id, project_id="prj_x") == VALUE


def test_each_reading_is_recorded_with_the_person_for_whom_it_is(core: Core) -> None:
    key = store(core)
    core.vault.open(call("olga"), key.id, project_id="prj_x")
    last = core.records()[-1]
    assert (last.action, last.person, last.object) == ("key.open", "olga", "main")
    assert SECRET not in str([record.to_json() for record in core.records()])


def test_a_process_without_an_opener_cannot_read(core: Core) -> None:
    key = store(core)
    sealing = Vault(core.database, Sealer(generate()[1]))
    with pytest.raises(Forbidden):
        sealing.open(call("ada", PLATFORM), key.id, project_id="prj_x")


def test_a_sealed_value_opens_only_as_its_own_row() -> None:
    private, public = generate()
    sealed = Sealer(public).seal(b"value", name="key_1")
    assert Opener(private).open(sealed, name="key_1") == b"value"
    with pytest.raises(Internal):
        Opener(private).open(sealed, name="key_2")
    with pytest.raises(Internal):
        Opener(generate()[0]).open(sealed, name="key_1")


def test_an_altered_value_does_not_open() -> None:
    private, public = generate()
    sealed = Sealer(public).seal(b"value", name="key_1")
    flipped = ("A" if sealed[40] != "A" else "B").join((sealed[:40], sealed[41:]))
    for bad in (flipped, sealed[:-8], "", "***"):
        with pytest.raises(Internal):
            Opener(private).open(bad, name="key_1")


def test_an_opener_does_not_show_its_key() -> None:
    private, _ = generate()
    assert private not in repr(Opener(private))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        pytest.param({"access_key_id": "A"}, "value.secret_access_key", id="a part is missing"),
        pytest.param(VALUE | {"password": "x"}, "value", id="an unknown part"),
        pytest.param(VALUE | {"secret_access_key": ""}, "value.secret_access_key", id="empty"),
        pytest.param(VALUE | {"session_token": "x" * 20_000}, "value.session_token", id="long"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused_without_telling_it(
    core: Core, value: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        core.vault.store(call("ada", PLATFORM), name="main", kind="fake", value=value, known=KNOWN)
    assert refused.value.field == field
    assert SECRET not in refused.value.message
    assert core.vault.list(call("ada", PLATFORM)) == ()


def test_only_the_platforms_administrators_see_keys(core: Core) -> None:
    store(core)
    for attempt in (
        lambda: core.vault.list(call("olga", PERSON)),
        lambda: core.vault.remove(call("olga", PERSON), "main"),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_a_key_in_use_is_not_removed(core: Core) -> None:
    store(core)
    core.projects.create(call("ada", PLATFORM), name="shop", title="")
    core.environments.create(
        call("ada", PLATFORM),
        "shop",
        name="main",
        kit="fake",
        account="1",
        regions=["here-1"],
        key="main",
        options={},
    )
    with pytest.raises(Conflict, match="main"):
        core.vault.remove(call("ada", PLATFORM), "main")
    core.environments.remove(call("ada", PLATFORM), "shop", "main")
    core.vault.remove(call("ada", PLATFORM), "main")
    with pytest.raises(NotFound):
        core.vault.remove(call("ada", PLATFORM), "main")


def test_a_name_is_taken_once(core: Core) -> None:
    store(core)
    with pytest.raises(Conflict):
        store(core)


def test_two_sealings_of_one_value_differ() -> None:
    sealer = Sealer(generate()[1])
    assert sealer.seal(b"value", name="key_1") != sealer.seal(b"value", name="key_1")


def test_a_row_whose_value_was_swapped_does_not_open(core: Core) -> None:
    first, second = store(core, "first"), store(core, "second")
    table = tables.keys
    with core.database.write() as tx:
        sealed = tx.scalar(sa.select(table.c.sealed).where(table.c.id == first.id))
        tx.execute(sa.update(table).where(table.c.id == second.id).values(sealed=sealed))
    with pytest.raises(Internal) as refused:
        core.vault.open(call("ada"), second.id, project_id="prj_x")
    assert SECRET not in str(refused.value)
    assert core.vault.open(call("ada"), first.id, project_id="prj_x") == VALUE


def test_an_opening_that_cannot_be_recorded_does_not_happen(core: Core) -> None:
    key = store(core)
    with core.database.write() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER no_records BEFORE INSERT ON records"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    with pytest.raises(Conflict):
        core.vault.open(call("ada"), key.id, project_id="prj_x")


def test_a_value_is_in_no_repr_and_no_record(core: Core) -> None:
    key = store(core)
    core.vault.open(call("ada"), key.id, project_id="prj_x")
    shown = [key, core.vault, core.vault.list(call("ada", PLATFORM)), core.records()]
    assert not any(SECRET in repr(each) or "AKIA1" in repr(each) for each in shown)
    assert key.fields == ("access_key_id", "secret_access_key")


@pytest.mark.parametrize("text", ["", "???", "c2hvcnQ=", "ü"])
def test_what_is_no_vault_key_is_refused_without_telling_it(text: str) -> None:
    for make in (Sealer, Opener):
        with pytest.raises(InvalidInput) as refused:
            make(text)
        assert not text or text not in refused.value.message


def test_a_key_that_was_removed_cannot_be_opened(core: Core) -> None:
    key = store(core)
    core.vault.remove(call("ada", PLATFORM), "main")
    with pytest.raises(NotFound):
        core.vault.open(call("ada"), key.id, project_id="prj_x")


def test_an_unknown_kind_of_key_is_refused(core: Core) -> None:
    with pytest.raises(InvalidInput) as refused:
        core.vault.store(call("ada", PLATFORM), name="x", kind="moon", value=VALUE, known=KNOWN)
    assert refused.value.field == "kind"
