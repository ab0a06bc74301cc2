"""What is counted adds up, and a person's days are days."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_questions import make_record
from mavis_core.errors import InvalidInput
from mavis_core.logs.buckets import MOST, buckets_of, zone_of
from mavis_core.logs.summaries import FACETS, TOP, Counts, count

VIENNA = ZoneInfo("Europe/Vienna")


def test_what_is_counted_in_two_places_adds_up() -> None:
    rng = random.Random(20300220)
    records = [replace(make_record(rng), source=f"10.0.0.{rng.randrange(40)}") for _ in range(600)]
    begin = min(each.time for each in records)
    buckets = buckets_of(begin, begin + timedelta(hours=1), VIENNA)
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE hot (time TIMESTAMP, {' VARCHAR, '.join(FACETS)} VARCHAR)")
        database.execute("CREATE TABLE cold AS FROM hot")
        for number, each in enumerate(records):
            database.execute(
                f"INSERT INTO {'hot' if number % 3 else 'cold'} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [each.time.replace(tzinfo=None), *(getattr(each, name) for name in FACETS)],
            )
        parts = [count(database, name, [], buckets) for name in ("hot", "cold")]
    found = sum(parts, Counts()).told(buckets)
    assert found.total == sum(many for _, many in found.buckets) == len(records)
    for name in FACETS:
        counted = Counter(getattr(each, name) for each in records)
        told = found.facets[name]
        assert all(counted[value] == many for value, many in told.values)
        assert [many for _, many in told.values] == sorted(counted.values())[::-1][:TOP]
        assert told.other == len(records) - sum(many for _, many in told.values)
    assert found.facets["source"].other > 0


@given(
    days=st.timedeltas(timedelta(days=-4000), timedelta(days=365 * 1030)),
    span=st.one_of(
        st.timedeltas(timedelta(days=-2), timedelta(days=40)),
        st.timedeltas(timedelta(0), timedelta(days=365 * 900)),
    ),
    zone=st.sampled_from(
        ["UTC", "Europe/Vienna", "America/Asuncion", "Asia/Kathmandu", "Australia/Lord_Howe"]
    ),
)
def test_buckets_hold_the_span_in_order_and_are_few(
    days: timedelta, span: timedelta, zone: str
) -> None:
    since = datetime(1970, 1, 1, tzinfo=UTC) + days
    edges = buckets_of(since, since + span, ZoneInfo(zone)).edges
    assert 2 <= len(edges) <= MOST + 2
    assert list(edges) == sorted(set(edges))
    if datetime(1971, 1, 1, tzinfo=UTC) < since and since + span < datetime(2970, 1, 1, tzinfo=UTC):
        assert edges[0] <= since
        assert since + span <= edges[-1]


@pytest.mark.parametrize(
    ("since", "until", "step", "lengths"),
    [
        pytest.param("2030-03-01", "2030-05-01", "1d", {23, 24}, id="the clock goes forward"),
        pytest.param("2030-10-01", "2030-12-01", "1d", {24, 25}, id="the clock goes back"),
        pytest.param("2030-03-30", "2030-04-02", "1h", {1}, id="hours are hours"),
        pytest.param("2030-03-25", "2030-04-02", "2h", {1, 2}, id="hours of the day"),
    ],
)
def test_days_are_those_of_the_clock_on_the_wall(
    since: str, until: str, step: str, lengths: set[int]
) -> None:
    begin, end = (datetime.fromisoformat(each).replace(tzinfo=VIENNA) for each in (since, until))
    found = buckets_of(begin.astimezone(UTC), end.astimezone(UTC), VIENNA)
    assert found.step == step
    pairs = zip(found.edges, found.edges[1:], strict=False)
    assert {(later - sooner) // timedelta(hours=1) for sooner, later in pairs} == lengths
    if step == "1d":
        assert {each.astimezone(VIENNA).hour for each in found.edges} == {0}


def test_a_zone_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidInput, match="Mars") as caught:
        zone_of("Mars/Olympus")
    assert caught.value.field == "zone"
