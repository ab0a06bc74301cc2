"""SQLite and PostgreSQL mean the same: migrations, transactions, values, pages, the outbox."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from core_double import at_once, sqlite_url
from mavis_core import clock, records
from mavis_core.db import Database, migrate, open_database, revision, tables
from mavis_core.db.paging import Order, PageRequest, fetch
from mavis_core.errors import Conflict, Internal, InvalidInput, Unavailable
from mavis_core.ids import Ids, new_id
from mavis_core.protection.points import rows as points
from mavis_core.records import Kind, Outbox, Outcome, Phase, Record

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    migrate(url)
    opened = open_database(url)
    yield opened
    opened.close()


def add_project(tx: sa.Connection, name: str = "shop", **values: Any) -> str:
    row = {
        "id": new_id("prj"),
        "name": name,
        "title": "",
        "created_at": NOON,
        "created_by": "ada",
        **values,
    }
    tx.execute(sa.insert(tables.projects).values(**row))
    return str(row["id"])


def names(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.scalars(sa.select(tables.projects.c.name).order_by(tables.projects.c.id)))


def make_record(**values: Any) -> Record:
    given = {"kind": Kind.AUDIT, "phase": Phase.EVENT, "action": "test.write", "person": "ada"}
    return Record(**{**given, "object": "x", "summary": "x", "correlation_id": "cor_1", **values})


# Migrations


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), tables.metadata) == []
        current, needed = revision(tx)
        assert current == needed


def migration_module() -> Any:
    """Return the module; the package gives its name to the function in it."""
    return importlib.import_module("mavis_core.db.migrate")


def migrate_to(url: str, wanted: str) -> None:
    """Bring a new database to an older release's revision."""
    config, opened = migration_module()._config(), open_database(url)
    with opened.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)
    opened.close()


def fill_first_tables(tx: sa.Connection) -> None:
    """Write a complete snapshot and one that was under way, as the first release did.

    Steps and intents refer to their Runs.
    """
    now = clock.iso(NOON) if tx.dialect.name == "sqlite" else NOON
    project = add_project(tx)
    run = (
        "INSERT INTO runs (id, project_id, kind, state, subject, plan, plan_hash, person, groups,"
        " scopes, correlation_id, request_id, idempotency_key, request_hash, created_at, attempt,"
        " result) VALUES (:id, :project, 'snapshot.create', :state, 'web-1', '{}', '', 'olga',"
        " '[]', '[]', 'c', 'r', :id, 'h', :now, 1, '{}')"
    )
    step = (
        "INSERT INTO steps (run_id, position, name, state, detail) VALUES (:run, 0, 'Take', 'done',"
        " '')"
    )
    intent = (
        "INSERT INTO intents (id, run_id, project_id, action, target, state, tries, created_at,"
        " called_at, made) VALUES (:id, :run, :project, 'a', 'b', 'done', 1, :now, :now, '[]')"
    )
    snapshot = (
        "INSERT INTO snapshots (id, project_id, environment, account, region, instance_id,"
        " instance_name, state, description, created_by, created_at, run_id) VALUES (:id, :project,"
        " 'main', '1', 'here-1', 'i-1', 'web-1', :state, 'by hand', 'olga', :now, :run)"
    )
    member = (
        "INSERT INTO snapshot_members (snapshot_id, volume_id, cloud_id, state, progress_percent,"
        " size_gib) VALUES (:id, 'vol-1', 'snap-1', 'completed', 100, 8)"
    )
    for number, (run_state, state) in enumerate(
        [("succeeded", "complete"), ("running", "running")]
    ):
        known = {"project": project, "now": now}
        run_id, snapshot_id = f"run_{number}", f"snp_{number}"
        tx.execute(sa.text(run), known | {"id": run_id, "state": run_state})
        tx.execute(sa.text(step), {"run": run_id})
        tx.execute(sa.text(intent), known | {"id": f"int_{number}", "run": run_id})
        tx.execute(sa.text(snapshot), known | {"id": snapshot_id, "state": state, "run": run_id})
        tx.execute(sa.text(member), {"id": snapshot_id})


def test_the_snapshots_of_the_first_release_become_recovery_points(url: str) -> None:
    migrate_to(url, "0001")
    opened = open_database(url)
    with opened.write() as tx:
        fill_first_tables(tx)
    migrate(url)
    with opened.read() as tx:
        table = tables.recovery_points
        rows = tx.execute(sa.select(table).order_by(table.c.id)).mappings().all()
        complete, broken = points.points_of(tx, rows)
        runs = dict(tx.execute(sa.select(tables.runs.c.id, tables.runs.c.state)).all())
    opened.close()
    assert (complete.id, complete.state, complete.description) == ("rp_0", "complete", "by hand")
    assert complete.taken_at == NOON
    (member,) = complete.primary.members
    assert (member.volume_id, member.cloud_id, member.size_gib) == ("vol-1", "snap-1", 8)
    assert (broken.id, broken.state, broken.primary.state) == ("rp_1", "failed", "failed")
    assert runs == {"run_0": "succeeded", "run_1": "failed"}


def test_what_refers_to_a_run_of_the_first_release_still_does(url: str) -> None:
    migrate_to(url, "0001")
    opened = open_database(url)
    with opened.write() as tx:
        fill_first_tables(tx)
    migrate(url)
    table = tables.runs
    with opened.read() as tx:
        for other in (tables.steps, tables.intents):
            joined = sa.select(table.c.id).join(other, other.c.run_id == table.c.id)
            assert sorted(tx.scalars(joined)) == ["run_0", "run_1"]
        versions = tx.execute(sa.select(table.c.version, table.c.changed_at)).all()
        assert versions == [(1, NOON), (1, NOON)]
    with pytest.raises(Conflict), opened.write() as tx:
        tx.execute(sa.delete(table).where(table.c.id == "run_0"))
    opened.close()


def test_rows_that_refer_to_nothing_stop_a_migration_before_it_changes_anything(
    tmp_path: Path,
) -> None:
    url = sqlite_url(tmp_path)
    migrate_to(url, "0001")
    with sqlite3.connect(tmp_path / "mavis.sqlite") as tx:  # SQLite's own default is not to look
        tx.execute("INSERT INTO members VALUES ('prj_none', 'user:ada', 'admin', 'x', 'ada')")
    tx.close()
    with pytest.raises(Internal, match="1 rows of members"):
        migrate(url)
    opened = open_database(url)
    with opened.read() as tx:
        assert revision(tx)[0] == "0001"
        assert "replies" not in sa.inspect(tx).get_table_names()
    opened.close()


def test_migrating_again_changes_nothing(database: Database, url: str) -> None:
    with database.write() as tx:
        add_project(tx)
    migrate(url)
    assert names(database) == ["shop"]


def test_two_processes_may_migrate_at_once(url: str) -> None:
    assert at_once(*[lambda: migrate(url)] * 3) == [None, None, None]


def test_a_database_of_a_newer_release_is_refused_and_left_alone(
    database: Database, url: str
) -> None:
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="unknown to this release"):
        migrate(url)
    with database.read() as tx:
        assert revision(tx)[0] == "9999"


# Transactions


def test_a_block_that_fails_leaves_nothing(database: Database) -> None:
    def half() -> None:
        with database.write() as tx:
            add_project(tx, "first")
            records.write(tx, make_record())
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        half()
    assert names(database) == []
    assert Outbox(database).backlog() == 0


def test_writers_that_hold_a_row_queue_and_none_is_lost(database: Database) -> None:
    with database.write() as tx:
        project = add_project(tx, title="0")
    table = tables.projects

    def count() -> None:
        for _ in range(10):
            with database.write() as tx:
                held = sa.select(table.c.title).where(table.c.id == project).with_for_update()
                number = int(tx.scalar(held) or 0) + 1
                tx.execute(sa.update(table).values(title=str(number)))

    assert at_once(*[count] * 4) == [None] * 4
    with database.read() as tx:
        assert tx.scalar(sa.select(table.c.title)) == "40"


def test_a_reader_sees_one_state_and_waits_for_nobody(database: Database) -> None:
    count = sa.select(sa.func.count()).select_from(tables.projects)
    with database.write() as tx:
        add_project(tx, "before")
    with database.read() as reader:
        assert reader.scalar(count) == 1
        with database.write() as tx:
            add_project(tx, "meanwhile")
        assert reader.scalar(count) == 1
    assert len(names(database)) == 2


def test_a_second_one_of_that_name_is_a_conflict(database: Database) -> None:
    with database.write() as tx:
        add_project(tx)
    with pytest.raises(Conflict), database.write() as tx:
        add_project(tx)


def test_a_row_that_refers_to_nothing_is_a_conflict(database: Database) -> None:
    row = {"subject": "user:ada", "role": "admin", "added_at": NOON, "added_by": "ada"}
    with pytest.raises(Conflict), database.write() as tx:
        tx.execute(sa.insert(tables.members).values(project_id="prj_none", **row))


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("sqlite:///{folder}/none/mavis.sqlite", id="sqlite"),
        pytest.param("postgresql+psycopg://ada:hush@/shop?host={folder}", id="postgresql"),
    ],
)
def test_a_database_that_does_not_answer_is_unavailable(address: str, tmp_path: Path) -> None:
    database = open_database(address.format(folder=tmp_path))
    try:
        with pytest.raises(Unavailable) as caught, database.read():
            pass
    finally:
        database.close()
    assert caught.value.retry_after_s
    if address.startswith("postgresql"):
        assert str(tmp_path) not in caught.value.message, "where the database is, is nobody's"


def test_a_pool_without_a_free_connection_is_unavailable(url: str) -> None:
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    database = Database(engine)
    try:
        with engine.connect(), pytest.raises(Unavailable), database.read():
            pass
    finally:
        database.close()


# Values


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(NOON, id="microseconds"),
        pytest.param(NOON.replace(microsecond=0), id="whole second"),
        pytest.param(NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), id="other zone"),
        pytest.param(datetime(2026, 10, 25, 0, 59, 59, 999999, tzinfo=UTC), id="end of summer"),
    ],
)
def test_a_moment_comes_back_to_the_microsecond_and_in_utc(
    database: Database, moment: datetime
) -> None:
    table = tables.projects
    with database.write() as tx:
        add_project(tx, created_at=moment)
    with database.read() as tx:
        (found,) = tx.scalars(sa.select(table.c.created_at))
        same = tx.scalar(sa.select(table.c.name).where(table.c.created_at == moment))
        later = tx.scalar(
            sa.select(table.c.name).where(table.c.created_at > moment - timedelta(microseconds=1))
        )
    assert found == moment
    assert found.utcoffset() == timedelta(0)
    assert same == later == "shop"


def test_a_moment_without_a_zone_is_an_error_of_the_caller(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="without a zone"), database.write() as tx:
        add_project(tx, created_at=datetime(2026, 1, 1))  # noqa: DTZ001  # the fault under test


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(
            {"text": "ü 漢 🙂", "number": 1.5, "none": None, "list": [1, [2]]}, id="nested"
        ),
        pytest.param({}, id="empty"),
        pytest.param({"big": 2**62, "true": True}, id="types"),
    ],
)
def test_json_comes_back_as_it_was(database: Database, value: dict[str, Any]) -> None:
    with database.write() as tx:
        records.write(tx, make_record(data=value))
    ((_, found),) = Outbox(database).pending(10)
    assert found.data == value


def test_no_error_is_no_error_however_it_was_written(database: Database) -> None:
    table = tables.environments
    row = {
        "kit": "fake",
        "account": "1",
        "regions": [],
        "options": {},
        "state": "new",
        "created_at": NOON,
        "created_by": "ada",
    }
    with database.write() as tx:
        project = add_project(tx)
        for name, more in (("a", {}), ("b", {"error": None}), ("c", {"error": sa.null()})):
            values = {**row, "id": new_id("env"), "project_id": project, "name": name, **more}
            tx.execute(sa.insert(table).values(**values))
    with database.read() as tx:
        assert list(tx.scalars(sa.select(table.c.error))) == [None, None, None]
        absent = sa.select(table.c.name).where(table.c.error.is_(None)).order_by(table.c.name)
        assert "c" in list(tx.scalars(absent))


def test_a_text_that_postgresql_cannot_hold_is_bad_input_and_no_bug(database: Database) -> None:
    try:
        with database.write() as tx:
            add_project(tx, title="a\0b")
    except InvalidInput:
        assert database.engine.dialect.name == "postgresql"
        assert names(database) == []
    else:
        assert database.engine.dialect.name == "sqlite"


# Pages


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_leave_nothing_out_and_repeat_nothing(database: Database, newest_first: bool) -> None:
    with database.write() as tx:
        made = [add_project(tx, f"project-{number}") for number in range(25)]
    seen: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        with database.read() as tx:
            page = fetch(
                tx,
                sa.select(tables.projects),
                Order(tables.projects.c.id, newest_first=newest_first),
                PageRequest(10, cursor),
                lambda row: str(row["id"]),
            )
        seen += page.items
        sizes.append(len(page.items))
        if (cursor := page.next) is None:
            break
    assert sizes == [10, 10, 5]
    assert seen == (made[::-1] if newest_first else made)


# The outbox


def test_records_wait_in_order_until_they_are_marked(database: Database) -> None:
    outbox = Outbox(database)
    for number in range(5):
        with database.write() as tx:
            records.write(tx, make_record(action=f"test.{number}", outcome=Outcome.OK))
    waiting = outbox.pending(3)
    assert [record.action for _, record in waiting] == ["test.0", "test.1", "test.2"]
    outbox.mark_drained([seq for seq, _ in waiting])
    assert [record.action for _, record in outbox.pending(10)] == ["test.3", "test.4"]
    assert outbox.backlog() == 2


def test_a_record_comes_back_whole(database: Database) -> None:
    record = make_record(
        project="prj_1", outcome=Outcome.FAILED, error_code="conflict", request_id="req_1"
    )
    with database.write() as tx:
        records.write(tx, record)
    assert [found for _, found in Outbox(database).pending(10)] == [record]


def test_marked_records_go_after_a_day_and_waiting_ones_never(database: Database) -> None:
    outbox = Outbox(database)
    two_days_ago = clock.now() - timedelta(days=2)
    with clock.set_clock(lambda: two_days_ago):
        ids = Ids()  # the process's own never go back
        old, waiting = (make_record(id=ids.make("rec")) for _ in range(2))
    with database.write() as tx:
        records.write(tx, old, waiting, make_record(action="test.new"))
    seqs = {record.id: seq for seq, record in outbox.pending(10)}
    outbox.mark_drained([seqs[old.id]])
    new = next(seq for seq, record in outbox.pending(10) if record.action == "test.new")
    outbox.mark_drained([new])
    with database.read() as tx:
        left = set(tx.scalars(sa.select(tables.records.c.seq)))
    assert left == {seqs[waiting.id], new}


def test_sequence_numbers_are_never_used_again(database: Database) -> None:
    outbox = Outbox(database)
    with database.write() as tx:
        records.write(tx, make_record())
    ((first, _),) = outbox.pending(1)
    with database.write() as tx:
        tx.execute(sa.delete(tables.records))
    with database.write() as tx:
        records.write(tx, make_record())
    ((second, _),) = outbox.pending(1)
    assert second > first
