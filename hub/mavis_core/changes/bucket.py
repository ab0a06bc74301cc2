"""One bucket of tokens, and the projects that wait for them in turn.

*Token*: the right to begin one call. *Ticket*: one call that waits for a token. *Turn*: each
project that waits gets one token, then the next project; inside a project the oldest ticket is
first. A project that asks anew joins behind the others, so it waits for one token of each of them
at most, and silence earns nothing.

Nothing here knows threads or clocks: who calls says what time it is, in seconds of a clock that
never goes back, and holds a lock.

Turns are Nagle's fair queueing (RFC 970, section 6). After a refusal of the cloud the rate is
halved and comes back by equal steps (additive increase, multiplicative decrease: Chiu and Jain,
Computer Networks and ISDN Systems 17, 1989), so that many callers settle at what the cloud grants.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from mavis_core.errors import InvalidInput

__all__ = ["Bucket", "Limit", "Ticket"]

_RECOVERY_S = 60.0  # from nothing to the whole rate; from the half it takes half as long
_ONE_PENALTY_S = 1.0  # refusals so close together come from one moment of too many calls
_LEAST_SHARE = 1 / 16  # of the rate, however often the cloud refuses
_ROUNDING = 1e-6  # of a token: floating point must not make anybody wait twice for the last of it


@dataclass(frozen=True, slots=True)
class Limit:
    """How many calls may begin.

    Parameters
    ----------
    rate_per_s
        Calls a second over a long time.
    burst
        Calls that may begin at once after a rest.

    Raises
    ------
    InvalidInput
        No call could ever begin.
    """

    rate_per_s: float
    burst: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate_per_s) and self.rate_per_s > 0):
            raise InvalidInput(
                f"{self.rate_per_s} calls a second is no rate",
                mend="Give a number above 0.",
                field="rate_per_s",
            )
        if self.burst < 1:
            raise InvalidInput(
                f"a burst of {self.burst} lets no call begin",
                mend="Give 1 or more.",
                field="burst",
            )


@dataclass(slots=True, eq=False)
class Ticket:
    """One call that waits; `served` once it may begin."""

    project: str
    served: bool = False


class Bucket:
    """The tokens of one account, region and group of calls. It is full at first.

    Parameters
    ----------
    limit
        How fast it fills, and how much it holds.
    now
        The present moment, in seconds.
    """

    __slots__ = ("_at", "_limit", "_penalised_at", "_rate", "_step", "_tokens", "_turns")

    def __init__(self, limit: Limit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._rate = limit.rate_per_s
        self._step = limit.rate_per_s / _RECOVERY_S
        self._at = now
        self._penalised_at = -math.inf
        self._turns: OrderedDict[str, OrderedDict[Ticket, None]] = OrderedDict()

    def take(self, now: float) -> bool:
        """Take a token if there is one and nobody waits; return whether."""
        if self._turns:
            return False
        self._refill(now)
        return self._spend()

    def join(self, project: str) -> Ticket:
        """Return a new ticket, behind all others of `project`."""
        ticket = Ticket(project)
        self._turns.setdefault(project, OrderedDict())[ticket] = None
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Forget a ticket that waits; one that was served has spent its token."""
        queue = self._turns.get(ticket.project)
        if queue is None or ticket not in queue:
            return
        del queue[ticket]
        if not queue:
            del self._turns[ticket.project]

    def serve(self, now: float) -> list[Ticket]:
        """Give all tokens that there are to those whose turn it is, and return their tickets."""
        self._refill(now)
        served = []
        while self._turns and self._spend():
            ticket = self._next()
            ticket.served = True
            served.append(ticket)
        return served

    def next_s(self, now: float) -> float:
        """Return the seconds until there is a token."""
        self._refill(now)
        return self._seconds_for(1)

    def wait_s(self, ticket: Ticket, now: float) -> float:
        """Return the seconds until `ticket` is served if nobody else joins and nothing changes."""
        if ticket.served:
            return 0.0
        self._refill(now)
        return self._seconds_for(self._ahead_of(ticket) + 1)

    def rate_per_s(self, now: float) -> float:
        """Return the tokens a second that it makes at present."""
        self._refill(now)
        return self._rate

    def penalise(self, now: float) -> None:
        """Drop what was saved and go on at half the rate for a while: the cloud refused a call."""
        self._refill(now)
        self._tokens = min(self._tokens, 0.0)
        if now - self._penalised_at >= _ONE_PENALTY_S:
            self._rate = max(self._rate / 2, self._limit.rate_per_s * _LEAST_SHARE)
            self._penalised_at = now

    def _spend(self) -> bool:
        if self._tokens < 1 - _ROUNDING:
            return False
        self._tokens -= 1
        return True

    def _next(self) -> Ticket:
        """Return the ticket whose turn it is; its project goes behind the others."""
        project, queue = next(iter(self._turns.items()))
        ticket, _ = queue.popitem(last=False)
        if queue:
            self._turns.move_to_end(project)
        else:
            del self._turns[project]
        return ticket

    def _ahead_of(self, ticket: Ticket) -> int:
        """Return how many tickets are served before `ticket`."""
        place = list(self._turns[ticket.project]).index(ticket)
        ahead, rounds = place, place + 1
        for project, queue in self._turns.items():
            if project == ticket.project:
                rounds = place  # those behind it had one turn less
            else:
                ahead += min(len(queue), rounds)
        return ahead

    def _refill(self, now: float) -> None:
        elapsed_s = now - self._at
        if elapsed_s <= 0:
            return
        rising_s = min(elapsed_s, self._recovers_in_s())
        made = self._made_in(rising_s) + self._limit.rate_per_s * (elapsed_s - rising_s)
        self._tokens = min(float(self._limit.burst), self._tokens + made)
        self._rate = min(self._limit.rate_per_s, self._rate + self._step * rising_s)
        self._at = now

    def _recovers_in_s(self) -> float:
        """Return the seconds until the whole rate is reached."""
        return (self._limit.rate_per_s - self._rate) / self._step

    def _made_in(self, rising_s: float) -> float:
        """Return the tokens made in `rising_s` seconds in which the rate rises."""
        return (self._rate + self._step * rising_s / 2) * rising_s

    def _seconds_for(self, tokens: int) -> float:
        """Return the seconds until so many tokens were there: the inverse of `_refill`."""
        missing = tokens - self._tokens
        if missing <= _ROUNDING:
            return 0.0
        rising_s = self._recovers_in_s()
        later = missing - self._made_in(rising_s)
        if later >= 0:
            return rising_s + later / self._limit.rate_per_s
        return (math.sqrt(self._rate**2 + 2 * self._step * missing) - self._rate) / self._step
