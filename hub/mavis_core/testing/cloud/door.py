"""The door into the in-memory cloud: what every call of a connection goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from mavis_core.contract import EnvironmentSettings, OnBehalf, Pace, Waiting
from mavis_core.errors import CloudError, CloudRegion, CloudVanished
from mavis_core.testing.cloud.actions import ACTIONS
from mavis_core.testing.cloud.state import Call, FakeCloud, Rule
from mavis_core.testing.cloud.things import Owned, Tagged

__all__ = ["Door"]

T = TypeVar("T")
O = TypeVar("O", bound=Owned)  # noqa: E741  an owned thing
G = TypeVar("G", bound=Tagged)


class Door:
    """Every call goes through here: it is paced and noted, rules happen, then the effect."""

    def __init__(
        self,
        cloud: FakeCloud,
        settings: EnvironmentSettings,
        on_behalf: OnBehalf,
        on_wait: Waiting | None,
        pace: Pace | None,
    ) -> None:
        self.cloud = cloud
        self.settings = settings
        self._on_behalf = on_behalf
        self._on_wait = on_wait
        self._pace = pace

    @property
    def account(self) -> str:
        return self.settings.account

    def call(
        self, action: str, region: str, arguments: Mapping[str, object], effect: Callable[[], T]
    ) -> T:
        """Return what `effect` returns, unless a rule has other plans."""
        if region and region not in self.settings.regions:
            raise CloudRegion(
                f"The environment {self.settings.name} does not include the region {region}"
            )
        call = Call(action, self.account, region, self._on_behalf, arguments, self.cloud)
        with self.cloud.lock:
            self.cloud.calls.append(call)
        rule = self._rule(call)
        if rule is not None and rule.before is not None:
            rule.before(call)  # outside of the lock: it may wait
        with self.cloud.lock:
            before = len(self.cloud.made)
            answer = effect()
            call.made.extend(self.cloud.made[before:])
        if rule is not None and rule.after is not None:
            rule.after(call)
        return answer

    def _rule(self, call: Call) -> Rule | None:
        """Return the rule for `call`, after all waits that stand before it."""
        self._ask(call)
        rule = self.cloud.take_rule(call)
        while rule is not None and rule.wait_s is not None:
            if self._pace is not None:
                self._pace.refused(self._region(call), ACTIONS[call.action])
            if self._on_wait is not None:
                self._on_wait(rule.wait_s, f"{call.action}: throttled")
            self._ask(call)
            rule = self.cloud.take_rule(call)
        return rule

    def _ask(self, call: Call) -> None:
        if self._pace is not None:
            self._pace(self._region(call), ACTIONS[call.action])

    def _region(self, call: Call) -> str:
        return call.region or self.settings.regions[0]

    def here(self, region: str, thing: Owned) -> bool:
        """Return whether `thing` is this account's, in `region`."""
        return (thing.account, thing.region) == (self.account, region)

    def one(self, region: str, things: Mapping[str, O], cloud_id: str, word: str) -> O:
        """Return a thing of this account by id.

        Raises
        ------
        CloudVanished
            It is not there, or not shown yet.
        """
        found = things.get(cloud_id)
        if found is None or not self.here(region, found) or not self.cloud.shows(cloud_id):
            raise CloudVanished(f"Gone in {region}: {word} {cloud_id}")
        return found

    def all(self, region: str, things: Mapping[str, O]) -> list[O]:
        """Return this account's things in `region`."""
        return [
            one for one in things.values() if self.here(region, one) and self.cloud.shows(one.id)
        ]

    def tagged(
        self, region: str, things: Mapping[str, G], tag: str, values: Sequence[str] | None
    ) -> list[G]:
        """Return this account's things with `tag` and one of `values`; None: with any."""
        return [
            one
            for one in things.values()
            if self.here(region, one)
            and tag in one.tags
            and (values is None or one.tags[tag] in values)
            and self.cloud.shows(one.id)
        ]

    def known(self, region: str, token: str, arguments: object) -> str | None:
        """Return what an earlier call with the same client token made, or None.

        Raises
        ------
        CloudError
            The earlier call was another one.
        """
        made, asked = self.cloud.tokens.get((self.account, region, token), (None, None))
        if made is not None and asked != arguments:
            raise CloudError(f"The token {token} was used for another call in {region}")
        return made

    def keep(self, region: str, token: str, made: str, arguments: object) -> None:
        """Remember what a call with a client token made."""
        self.cloud.tokens[self.account, region, token] = (made, arguments)

    def pages(self, found: Sequence[T]) -> Iterator[Sequence[T]]:
        """Yield pages of `found`."""
        size = self.cloud.page_size
        for start in range(0, len(found), size):
            yield found[start : start + size]
