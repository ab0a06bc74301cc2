"""Pages of a sorted list, one after another, are the sorted list, on both databases."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core_double import sqlite_url
from mavis_core.db import Database, open_database
from mavis_core.db.columns import Moment
from mavis_core.db.paging import MAX_CURSOR, Order, Page, PageRequest, fetch
from mavis_core.errors import InvalidInput

THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=True),
    sa.Column("at", Moment, nullable=True),
)
COLUMNS = {name: THINGS.c[name] for name in ("name", "title", "at")}
OLDEST, NEWEST = (Order(THINGS.c.id, newest_first=new, columns=COLUMNS) for new in (False, True))
SORTS = [None, *(f"{minus}{name}" for name in COLUMNS for minus in ("", "-"))]
MANY = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Row = dict[str, Any]

# Few different values, so that there are ties; letters that languages sort in their own ways.
texts = st.one_of(
    st.sampled_from(["", "a", "B", "b", "ä", "_", "a-b", "ab", "漢", "🙂", "x\ny", "=", "none"]),
    st.sampled_from(["l" * 200, "l" * 201, "l" * 201 + "m", "ü" * 150, "long"]),
)
moments = st.sampled_from(
    [datetime(2026, 3, day, 12, 0, 0, micro, tzinfo=UTC) for day in (1, 2) for micro in (0, 1)]
)
ids = st.text(alphabet="0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26)
tables_of_rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": ids.map("rp_{}".format),
            "name": texts,
            "title": st.none() | texts,
            "at": st.none() | moments,
        }
    ),
    max_size=25,
    unique_by=lambda row: row["id"],
)


@contextmanager
def with_things(url: str) -> Iterator[Database]:
    opened = open_database(url)
    with opened.write() as tx:
        THINGS.metadata.create_all(tx)
    yield opened
    opened.close()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with with_things(url) as opened:
        yield opened


@pytest.fixture
def any_database(tmp_path: Path) -> Iterator[Database]:
    """For what is refused before a database is asked."""
    with with_things(sqlite_url(tmp_path)) as opened:
        yield opened


def fill(database: Database, rows: list[Row]) -> None:
    with database.write() as tx:
        tx.execute(sa.delete(THINGS))
        if rows:
            tx.execute(sa.insert(THINGS), rows)


def page(database: Database, order: Order, want: PageRequest) -> Page[str]:
    with database.read() as tx:
        return fetch(tx, sa.select(THINGS), order, want, lambda row: str(row["id"]))


def walk(database: Database, order: Order, limit: int, sort: str | None) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        one = page(database, order, PageRequest(limit, cursor, sort))
        found += one.items
        if (cursor := one.next) is None:
            return found
        assert len(one.items) == limit
        assert len(cursor) <= MAX_CURSOR


def plainly(rows: list[Row], order: Order, sort: str | None) -> list[str]:
    """Sort `rows` as a reader would: what has no value last, ties by id."""
    if sort is None:
        return sorted((row["id"] for row in rows), reverse=order.newest_first)
    name, reverse = sort.removeprefix("-"), sort.startswith("-")
    some = [(row[name], row["id"]) for row in rows if row[name] is not None]
    none = [row["id"] for row in rows if row[name] is None]
    return [each for _, each in sorted(some, reverse=reverse)] + sorted(none, reverse=reverse)


@MANY
@given(
    rows=tables_of_rows,
    limit=st.integers(1, 7),
    sort=st.sampled_from(SORTS),
    order=st.sampled_from([OLDEST, NEWEST]),
)
def test_pages_one_after_another_are_the_sorted_list(
    database: Database, rows: list[Row], limit: int, sort: str | None, order: Order
) -> None:
    fill(database, rows)
    assert walk(database, order, limit, sort) == plainly(rows, order, sort)


def made(*names: str | None) -> list[Row]:
    return [
        {"id": f"rp_{number:026}", "name": name or "", "title": name, "at": None}
        for number, name in enumerate(names)
    ]


def test_what_changes_between_pages_moves_nothing_else(database: Database) -> None:
    rows = made("a", "b", "c", "d")
    fill(database, rows)
    first = page(database, OLDEST, PageRequest(2, None, "title"))
    with database.write() as tx:
        tx.execute(sa.delete(THINGS).where(THINGS.c.title.in_(["a", "b"])))
        tx.execute(sa.insert(THINGS), [{**rows[0], "id": f"rp_{9:026}", "title": "aa"}])
    second = page(database, OLDEST, PageRequest(2, first.next, "title"))
    assert second.items == (rows[2]["id"], rows[3]["id"])


def test_the_place_of_a_long_text_is_lost_with_its_row(database: Database) -> None:
    long = "l" * 300
    rows = made(long + "a", long + "b", long + "c")
    fill(database, rows)
    first = page(database, OLDEST, PageRequest(1, None, "name"))
    assert page(database, OLDEST, PageRequest(1, first.next, "name")).items == (rows[1]["id"],)
    with database.write() as tx:
        tx.execute(sa.delete(THINGS).where(THINGS.c.id == rows[0]["id"]))
    with pytest.raises(InvalidInput) as caught:
        page(database, OLDEST, PageRequest(1, first.next, "name"))
    assert caught.value.field == "cursor"


@pytest.mark.parametrize("made_by", SORTS)
def test_a_cursor_is_for_the_sort_that_gave_it(any_database: Database, made_by: str | None) -> None:
    fill(any_database, made("a", "b", None))
    cursor = page(any_database, OLDEST, PageRequest(1, None, made_by)).next
    assert cursor is not None
    assert len(page(any_database, OLDEST, PageRequest(2, cursor, made_by)).items) == 2
    for other in set(SORTS) - {made_by}:
        with pytest.raises(InvalidInput) as caught:
            page(any_database, OLDEST, PageRequest(2, cursor, other))
        assert caught.value.field == "cursor"


@pytest.mark.parametrize("sort", ["", "-", "--name", "id", "+name", "name,title", "Name", "x" * 99])
def test_an_unknown_sort_names_those_there_are(any_database: Database, sort: str) -> None:
    with pytest.raises(InvalidInput, match="name, -name, title, -title, at, -at") as caught:
        page(any_database, OLDEST, PageRequest(1, None, sort))
    assert caught.value.field == "sort"
    assert len(caught.value.message) < 200


def packed(plain: str) -> str:
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def refused_field(database: Database, cursor: str, sort: str | None) -> str | None:
    """Return what is told to be at fault; None where the page is given."""
    try:
        page(database, OLDEST, PageRequest(1, cursor, sort))
    except InvalidInput as exc:
        return exc.field
    return None


ID = f"rp_{0:026}"


@pytest.mark.parametrize(
    ("cursor", "sort"),
    [
        pytest.param("../x", None, id="other letters"),
        pytest.param("x" * (MAX_CURSOR + 1), None, id="too long"),
        pytest.param("a", None, id="no base64"),
        pytest.param("_w", None, id="no UTF-8"),
        pytest.param(ID, None, id="a bare id"),
        pytest.param(packed(f"2\n\n{ID}\nnone"), None, id="another version"),
        pytest.param(packed("1\n\nid\nnone"), None, id="no id"),
        pytest.param(packed(f"1\n\n{ID}"), None, id="cut off"),
        pytest.param(packed(f"1\nat\n{ID}\n=yesterday"), "at", id="no moment"),
        pytest.param(packed(f"1\nat\n{ID}\n=2026-01-01T00:00:00"), "at", id="no zone"),
        pytest.param(packed(f"1\nname\n{ID}\n=a\0b"), "name", id="a NUL"),
        pytest.param(packed(f"1\nname\n{ID}\nwhat"), "name", id="no value"),
        pytest.param(packed(f"1\nname\n{ID}\nlong"), "name", id="of a row that is not there"),
    ],
)
def test_a_cursor_that_nobody_gave_is_refused_by_its_name(
    any_database: Database, cursor: str, sort: str | None
) -> None:
    assert refused_field(any_database, cursor, sort) == "cursor"


@MANY
@given(
    sort=st.sampled_from(SORTS),
    told=st.sampled_from(["none", "long", "="]) | st.text(max_size=40).map("={}".format),
    row_id=ids.map("rp_{}".format) | st.text(max_size=10),
)
def test_no_cursor_is_a_bug_of_ours(
    database: Database, sort: str | None, told: str, row_id: str
) -> None:
    plain = f"1\n{sort or ''}\n{row_id}\n{told}"
    assert refused_field(database, packed(plain), sort) in (None, "cursor")
