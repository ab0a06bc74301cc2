"""A rule through ticks, outages, clocks that jump a year, edits, blackouts and jitter.

Whatever happens: no local time begins twice, nothing begins before it is due or in a blackout, one
disturbance is caught up at most once, and in quiet times everything begins.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from clock_walk import CRONS, Cron, clock, slots_of
from mavis_core.protection.slots.blackouts import Blackout, Span, Weekday, Weekly, covered_until
from mavis_core.protection.slots.due import (
    CatchUp,
    Decision,
    Reason,
    Start,
    Timing,
    begins_at,
    decide,
)
from mavis_core.protection.slots.schedule import Schedule, Slot, count_between

MINUTE, HOUR, YEAR = timedelta(minutes=1), timedelta(hours=1), timedelta(days=365)
EVERY_DAY = tuple(Weekday)

# Before clocks are set forward, before they are set back (Berlin, Lord Howe), and a quiet day.
STARTS = [
    datetime(2026, 3, 28, 22, 30, tzinfo=UTC),
    datetime(2026, 10, 24, 22, 30, tzinfo=UTC),
    datetime(2026, 4, 4, 12, 30, tzinfo=UTC),
    datetime(2026, 6, 10, 0, 0, 30, tzinfo=UTC),
]
crons = st.sampled_from(CRONS[1:])  # ticks come every minute, so slots are farther apart
zones = st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "UTC"])
blackouts = st.sampled_from([
    (),
    (),
    (Weekly(EVERY_DAY, time(1, 50), time(2, 20)),),
    (Weekly(EVERY_DAY, time(22), time(4)), Weekly((Weekday.SUNDAY,), time(3), time(9))),
    (Span(datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 26, 2)),),  # noqa: DTZ001  # local
])  # fmt: skip


class RuleOfAPlan(RuleBasedStateMachine):
    @initialize(start=st.sampled_from(STARTS), cron=crons, zone=zones)
    def make(self, start: datetime, cron: Cron, zone: str) -> None:
        self.now = self.handled_until = start
        self.cron = cron
        self.timing = Timing(
            "plan_1", "r", Schedule(cron.text, zone), CatchUp.ONCE, timedelta(minutes=3)
        )
        self.begun: dict[str, Start] = {}
        self.disturbed = False

    # What happens

    @rule(minutes=st.integers(1, 150))
    def time_passes_and_the_worker_looks_every_minute(self, minutes: int) -> None:
        begin = self.now
        held = False
        for _ in range(minutes):
            self.now += MINUTE
            held |= self.look().held_until is not None
        if not held:
            self.everything_due_has_begun(begin)

    @rule(hours=st.integers(1, 60), minutes=st.integers(0, 59))
    def the_worker_is_down(self, hours: int, minutes: int) -> None:
        self.now += hours * HOUR + minutes * MINUTE
        self.disturbed = True
        self.look()

    @rule(years=st.sampled_from([-1, 1]), and_looks=st.booleans())
    def the_clock_jumps_a_year(self, years: int, and_looks: bool) -> None:
        self.now += years * YEAR
        self.disturbed = True
        if and_looks:
            self.look()

    @rule(seconds=st.integers(-7200, 7200))
    def the_clock_is_set_a_little(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.disturbed = True
        self.look()

    @rule(cron=crons, zone=zones)
    def somebody_edits_the_schedule(self, cron: Cron, zone: str) -> None:
        self.cron = cron
        self.change(schedule=Schedule(cron.text, zone))

    @rule(chosen=blackouts)
    def somebody_edits_the_blackouts(self, chosen: tuple[Blackout, ...]) -> None:
        self.change(blackouts=chosen)

    @rule(catch_up=st.sampled_from(CatchUp), jitter_s=st.sampled_from([0, 0, 90, 3600]))
    def somebody_edits_the_rest(self, catch_up: CatchUp, jitter_s: int) -> None:
        self.change(catch_up=catch_up, jitter_s=jitter_s)

    def change(self, **changes: object) -> None:
        self.timing = replace(self.timing, **changes)  # type: ignore[arg-type]
        self.disturbed = True

    # What always holds

    def look(self) -> Decision:
        decision = decide(
            self.timing, handled_until=self.handled_until, now=self.now, begun=self.begun.keys()
        )
        self.adds_up(decision)
        if decision.held_until is not None:
            self.disturbed = True
            assert decision.begin is None
            assert decision.held_until > self.now
        self.handled_until = decision.handled_until
        if decision.begin is not None:
            slot, start = decision.begin.slot, decision.begin.start
            self.may_begin(slot, decision.begin.planned_at)
            self.is_called_right(start)
            self.begun[slot.key] = start
        return decision

    def adds_up(self, decision: Decision) -> None:
        """Every slot that the watermark passes was begun or is told as skipped, once."""
        assert decision.handled_until <= self.now
        told = sum(each.count for each in decision.skipped) + (decision.begin is not None)
        set_back = self.handled_until > self.now
        since = self.now - self.timing.grace if set_back else self.handled_until
        assert told == count_between(self.timing.schedule, since, decision.handled_until)
        for each in decision.skipped:
            assert each.first.due_at <= each.last.due_at <= self.now
            assert (each.reason is Reason.BEGUN) <= (each.last.key in self.begun)

    def may_begin(self, slot: Slot, planned_at: datetime) -> None:
        assert slot.key not in self.begun
        assert slot.due_at <= planned_at == begins_at(self.timing, slot) <= self.now
        zone = ZoneInfo(self.timing.schedule.zone)
        assert covered_until(self.timing.blackouts, self.now, zone) is None

    def is_called_right(self, start: Start) -> None:
        if start is Start.CATCH_UP:
            assert self.timing.catch_up is CatchUp.ONCE
            assert self.disturbed
            self.disturbed = False

    def everything_due_has_begun(self, begin: datetime) -> None:
        floor = begin.replace(second=0, microsecond=0)
        shown = clock(self.timing.schedule.zone, floor - 4 * HOUR, self.now)
        for key, due_at in slots_of(self.cron, shown):
            slot = Slot(datetime.fromisoformat(key), due_at)
            if begin < due_at and begins_at(self.timing, slot) <= self.now:
                assert key in self.begun, key


TestRuleOfAPlan = RuleOfAPlan.TestCase
TestRuleOfAPlan.settings = settings(max_examples=100, stateful_step_count=25)
