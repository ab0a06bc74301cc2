"""The API budget: never above the limit, fair between projects, slower when the cloud refuses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.changes.bucket import Bucket, Ticket
from mavis_core.changes.budget import LIMITS, Budget, Limit, granted
from mavis_core.errors import Interrupted, InvalidInput

SLACK = 1e-5  # of a token; floating point

limits = st.builds(Limit, st.floats(0.1, 500), st.integers(1, 200))
queues = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1)


def drained(limit: Limit, now: float = 0.0) -> Bucket:
    bucket = Bucket(limit, now)
    while bucket.take(now):
        pass
    return bucket


def serve_all(bucket: Bucket, now: float = 0.0) -> list[tuple[float, Ticket]]:
    """Let time pass to the next token until nobody waits; return who was served when."""
    served: list[tuple[float, Ticket]] = []
    while True:
        found = bucket.serve(now)
        if not found and bucket.next_s(now) == 0:
            return served
        served += [(now, ticket) for ticket in found]
        now += bucket.next_s(now)


# The bucket


@given(
    limits,
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 40), st.booleans()), max_size=40),
)
def test_no_stretch_of_time_sees_more_calls_than_burst_and_rate_allow(
    limit: Limit, steps: list[tuple[float, int, bool]]
) -> None:
    """Whoever asks, whenever, and whether the cloud refuses meanwhile."""
    bucket, now, begun = Bucket(limit, 0.0), 0.0, []
    for pause_s, calls, refused in steps:
        now += pause_s
        for _ in range(calls):
            bucket.join("a")
        if refused:
            bucket.penalise(now)
        begun += [now] * len(bucket.serve(now))
    for first, since in enumerate(begun):
        for last in range(first, len(begun)):
            allowed = limit.burst + limit.rate_per_s * (begun[last] - since)
            assert last - first + 1 <= allowed + SLACK


def test_a_long_queue_is_served_at_the_rate() -> None:
    bucket = Bucket(Limit(20, 100), 0.0)
    for _ in range(1_000):
        bucket.join("a")
    served = serve_all(bucket)
    assert [when for when, _ in served[:100]] == [0.0] * 100
    assert served[-1][0] == pytest.approx((1_000 - 100) / 20)


def test_a_project_with_five_calls_does_not_wait_behind_a_thousand_of_another() -> None:
    bucket = drained(Limit(20, 100))
    for _ in range(1_000):
        bucket.join("many")
    few = [bucket.join("few") for _ in range(5)]
    order = [ticket for _, ticket in serve_all(bucket)]
    assert [order.index(ticket) for ticket in few] == [1, 3, 5, 7, 9]


@given(queues)
def test_nobody_waits_for_more_than_one_turn_of_each_other_project_at_a_time(
    queue: dict[str, int],
) -> None:
    bucket = drained(Limit(10, 5))
    tickets = {p: [bucket.join(p) for _ in range(count)] for p, count in queue.items()}
    order = [ticket for _, ticket in serve_all(bucket)]
    for project, own in tickets.items():
        for number, ticket in enumerate(own, 1):
            before = order[: order.index(ticket)]
            for other in tickets.keys() - {project}:
                assert sum(t.project == other for t in before) <= number
    assert sum(queue.values()) == len(order)


@given(queues)
def test_inside_a_project_the_first_to_ask_is_the_first_served(queue: dict[str, int]) -> None:
    bucket = drained(Limit(10, 5))
    tickets = {p: [bucket.join(p) for _ in range(count)] for p, count in queue.items()}
    order = [ticket for _, ticket in serve_all(bucket)]
    for project, own in tickets.items():
        assert [ticket for ticket in order if ticket.project == project] == own


def test_a_project_that_was_silent_for_long_has_saved_no_turns() -> None:
    bucket = drained(Limit(1, 1))
    for _ in range(10):
        bucket.join("busy")
    bucket.serve(5.0)
    for _ in range(10):
        bucket.join("silent")
    turns = [bucket.serve(5.0 + second)[0].project for second in range(1, 7)]
    assert turns == ["busy", "silent"] * 3


@given(limits, queues, st.integers(0, 3))
def test_the_wait_that_is_told_is_the_wait_that_comes(
    limit: Limit, queue: dict[str, int], refusals: int
) -> None:
    bucket = drained(limit)
    for refusal in range(refusals):
        bucket.penalise(2.0 * refusal)
    now = 2.0 * refusals
    for project, count in queue.items():
        for _ in range(count):
            bucket.join(project)
    told = {
        ticket: now + bucket.wait_s(ticket, now)
        for tickets in bucket._turns.values()
        for ticket in tickets
    }
    for when, ticket in serve_all(bucket, now):
        assert when == pytest.approx(told[ticket], rel=1e-4, abs=1e-4)


def test_nobody_overtakes_those_who_wait() -> None:
    bucket = drained(Limit(1, 1))
    waits = bucket.join("a")
    assert not bucket.take(1.0)
    assert bucket.serve(1.0) == [waits]


def test_who_leaves_is_not_waited_for() -> None:
    bucket = drained(Limit(1, 1))
    gone, stays = bucket.join("a"), bucket.join("a")
    bucket.leave(gone)
    bucket.leave(gone)
    assert bucket.serve(1.0) == [stays]
    assert not gone.served
    bucket.leave(stays)
    assert bucket.take(2.0)


def test_a_refusal_halves_the_rate_and_ends_the_burst() -> None:
    bucket = Bucket(Limit(20, 100), 0.0)
    bucket.penalise(0.0)
    assert not bucket.take(0.0)
    assert bucket.rate_per_s(0.0) == 10


def test_refusals_of_one_moment_count_as_one() -> None:
    bucket = Bucket(Limit(20, 100), 0.0)
    for number in range(16):
        bucket.penalise(number / 100)
    assert bucket.rate_per_s(0.15) == pytest.approx(10, rel=0.01)


def test_the_rate_comes_back_in_equal_steps_and_no_further() -> None:
    bucket = Bucket(Limit(20, 100), 0.0)
    bucket.penalise(0.0)
    rates = [bucket.rate_per_s(seconds) for seconds in (0.0, 15.0, 30.0, 1_000.0)]
    assert rates == pytest.approx([10, 15, 20, 20])


def test_a_cloud_that_goes_on_refusing_never_stops_us_altogether() -> None:
    bucket = Bucket(Limit(16, 1), 0.0)
    for second in range(1_000):
        bucket.penalise(2.0 * second)
    assert 1 <= bucket.rate_per_s(1_998.0) < 16
    assert bucket.next_s(1_998.0) <= 1


@pytest.mark.parametrize(
    ("rate_per_s", "burst", "field"),
    [
        pytest.param(0, 1, "rate_per_s", id="no rate"),
        pytest.param(-1, 1, "rate_per_s", id="below nothing"),
        pytest.param(float("nan"), 1, "rate_per_s", id="no number"),
        pytest.param(float("inf"), 1, "rate_per_s", id="no limit"),
        pytest.param(1, 0, "burst", id="no burst"),
    ],
)
def test_a_limit_that_lets_no_call_begin_is_refused(
    rate_per_s: float, burst: int, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Limit(rate_per_s, burst)
    assert refused.value.field == field


# The budget, in one thread: time passes while it sleeps, and only then


class Sleep(threading.Event):
    """A process that nobody stops, and a clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.meanwhile: Callable[[], object] = lambda: None

    def clock(self) -> float:
        return self.seconds

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.seconds += timeout
        return self.is_set()


@pytest.fixture
def sleep() -> Sleep:
    return Sleep()


@pytest.fixture
def budget(sleep: Sleep) -> Budget:
    """Two calls a second, three at once."""
    return Budget({"read": Limit(2, 3), "write": Limit(2, 3)}, stop=sleep, clock=sleep.clock)


def read(budget: Budget, on_wait: Callable[[float, str], None] | None = None) -> None:
    budget.acquire("1", "eu-central-1", "read", project="shop", on_wait=on_wait)


def test_calls_beyond_the_burst_begin_at_the_rate(budget: Budget, sleep: Sleep) -> None:
    begun = []
    for _ in range(7):
        read(budget)
        begun.append(sleep.seconds)
    assert begun == pytest.approx([0, 0, 0, 0.5, 1, 1.5, 2])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("2", "eu-central-1", "read"), id="account"),
        pytest.param(("1", "eu-west-1", "read"), id="region"),
        pytest.param(("1", "eu-central-1", "write"), id="group"),
    ],
)
def test_buckets_do_not_touch_each_other(
    budget: Budget, sleep: Sleep, other: tuple[str, str, str]
) -> None:
    for _ in range(3):
        read(budget)
    budget.penalise("1", "eu-central-1", "read")
    for _ in range(3):
        budget.acquire(*other, project="shop")
    assert sleep.seconds == 0


def test_a_refusal_of_the_cloud_slows_down_whoever_calls_next(budget: Budget, sleep: Sleep) -> None:
    budget.penalise("1", "eu-central-1", "read")
    for _ in range(3):
        read(budget)
    assert 2.5 < sleep.seconds < 3


def test_a_short_wait_is_not_worth_a_word(budget: Budget) -> None:
    told: list[float] = []
    for _ in range(9):
        read(budget, lambda seconds, _: told.append(seconds))
    assert told == []


def test_a_long_wait_is_told_once_before_it_begins(sleep: Sleep) -> None:
    told: list[tuple[float, str]] = []
    budget = Budget({"read": Limit(0.01, 1)}, stop=sleep, clock=sleep.clock)
    read(budget)
    read(budget, lambda *words: told.append(words))
    assert told == [(pytest.approx(100), "API budget: read calls in eu-central-1")]
    assert sleep.seconds == pytest.approx(100)


def test_a_wait_that_becomes_long_is_told_when_it_has(budget: Budget, sleep: Sleep) -> None:
    told: list[float] = []
    for _ in range(3):
        read(budget)
    for second in range(4):
        sleep.seconds = 2.0 * second
        budget.penalise("1", "eu-central-1", "read")
    sleep.seconds += 1.9
    sleep.meanwhile = lambda: budget.penalise("1", "eu-central-1", "read")
    read(budget, lambda seconds, _: told.append(seconds))
    assert len(told) == 1


def test_what_on_wait_raises_ends_the_call_and_leaves_no_place_behind(sleep: Sleep) -> None:
    budget = Budget({"read": Limit(0.5, 1)}, stop=sleep, clock=sleep.clock)
    read(budget)

    def cancelled(seconds: float, reason: str) -> None:
        raise InterruptedError(reason)

    with pytest.raises(InterruptedError):
        read(budget, cancelled)
    read(budget)
    assert sleep.seconds == pytest.approx(2)


def test_who_is_slow_to_hear_of_a_wait_holds_up_nobody(sleep: Sleep) -> None:
    budget = Budget({"read": Limit(0.5, 1)}, stop=sleep, clock=sleep.clock)
    begun = []

    def slow(seconds: float, reason: str) -> None:
        read(budget)  # what another thread might do meanwhile
        begun.append(sleep.seconds)

    read(budget)
    read(budget, slow)
    begun.append(sleep.seconds)
    assert begun == pytest.approx([4, 4])  # its own token came at 2


def test_nothing_begins_once_the_process_ends(budget: Budget, sleep: Sleep) -> None:
    sleep.set()
    with pytest.raises(Interrupted):
        read(budget)


def test_every_group_of_the_contract_has_a_limit() -> None:
    groups = "read write snapshot copy launch delete command block"
    assert set(LIMITS) == set(groups.split())


def test_a_group_that_nobody_knows_is_a_bug(budget: Budget) -> None:
    with pytest.raises(KeyError):
        budget.acquire("1", "eu-central-1", "reed", project="shop")


# Threads


def test_threads_of_several_projects_share_one_bucket() -> None:
    limit = Limit(400, 10)
    budget = Budget({"read": limit})
    began = time.monotonic()

    def calls(project: str) -> list[float]:
        done = []
        for _ in range(20):
            budget.acquire("1", "eu-central-1", "read", project=project)
            done.append(time.monotonic() - began)
        return done

    with ThreadPoolExecutor(12) as pool:
        every = pool.map(calls, ["shop", "site", "lab"] * 4)
        done = sorted(seconds for each in every for seconds in each)
    assert len(done) == 240
    for number, seconds in enumerate(done, 1):
        assert number <= limit.burst + limit.rate_per_s * seconds + SLACK


def test_whoever_waits_is_let_go_when_the_process_ends() -> None:
    stop, told = threading.Event(), threading.Semaphore(0)
    budget = Budget({"read": Limit(0.001, 1)}, stop=stop)
    read(budget)

    def call(project: str) -> Exception | None:
        try:
            budget.acquire(
                "1", "eu-central-1", "read", project=project, on_wait=lambda *_: told.release()
            )
        except Interrupted as exc:
            return exc
        return None

    with ThreadPoolExecutor(20) as pool:
        ends = pool.map(call, ["shop", "site"] * 10)
        for _ in range(20):
            assert told.acquire(timeout=30)
        stop.set()
        assert all(isinstance(end, Interrupted) for end in ends)


# What an account was granted


@pytest.mark.parametrize(
    ("times", "rate_per_s", "burst"),
    [(1.0, 5, 100), (4.0, 20, 400), (0.5, 2.5, 50), (0.001, 0.005, 1)],
    ids=["as AWS grants to all", "four times", "half", "never less than one call"],
)
def test_an_account_that_was_granted_more_has_more_of_everything(
    times: float, rate_per_s: float, burst: int
) -> None:
    limits = granted(times)
    assert set(limits) == set(LIMITS)
    assert limits["snapshot"] == Limit(rate_per_s, burst)
