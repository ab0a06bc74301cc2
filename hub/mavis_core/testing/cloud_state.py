"""The state of the in-memory cloud, and the rules by which its calls go wrong."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mavis_core.contract import Found, OnBehalf, SnapshotState, VolumeSnapshot
from mavis_core.errors import CloudError, CloudUnreachable

__all__ = [
    "ACTIONS",
    "Call",
    "FakeCloud",
    "FakeInstance",
    "FakeSnapshot",
    "FakeThing",
    "FakeVolume",
    "Rule",
    "during",
    "lose_reply",
    "refuse",
    "throttle",
]

ACTIONS = (
    "connect",
    "inventory.discover",
    "power.start",
    "power.stop",
    "tags.put",
    "snapshots.create",
    "snapshots.find",
    "snapshots.describe",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that came to the cloud.

    Parameters
    ----------
    action
        One of `ACTIONS`.
    account, region
        Where; the region of ``connect`` is empty.
    on_behalf
        For whom.
    arguments
        The call's arguments, for assertions.
    """

    action: str
    account: str
    region: str
    on_behalf: OnBehalf
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Rule:
    """What happens to the next calls of an action.

    Parameters
    ----------
    action, region
        Which calls; region None: in any.
    before, after
        Called with the call before and after its effect; what they raise is what the caller
        gets. They may change the cloud, or wait.
    wait_s
        The caller is told to wait for so many seconds, and the call is tried again; nothing
        sleeps. None: no wait.
    times
        Calls that it applies to; counted down.
    """

    action: str
    region: str | None = None
    before: Callable[[Call], None] | None = None
    after: Callable[[Call], None] | None = None
    wait_s: float | None = None
    times: int = 1


def refuse(action: str, error: CloudError, *, region: str | None = None, times: int = 1) -> Rule:
    """Let the next calls fail with `error` and have no effect."""

    def fail(_: Call) -> None:
        raise error

    return Rule(action, region, before=fail, times=times)


def lose_reply(action: str, *, region: str | None = None, times: int = 1) -> Rule:
    """Let the next calls have their effect, and the caller not hear of it."""

    def fail(call: Call) -> None:
        raise CloudUnreachable(f"The answer to {call.action} in {call.region} was lost")

    return Rule(action, region, after=fail, times=times)


def during(
    action: str, act: Callable[[Call], None], *, region: str | None = None, times: int = 1
) -> Rule:
    """Let `act` happen between the call's arrival and its effect: a change, a delay, a kill."""
    return Rule(action, region, before=act, times=times)


def throttle(action: str, *, wait_s: float = 1.0, times: int = 1) -> Rule:
    """Let the next call be refused `times` times and tried again; ``on_wait`` is told."""
    return Rule(action, wait_s=wait_s, times=times)


@dataclass(slots=True)
class FakeInstance:
    """An instance; `volumes` in attachment order, the root volume first."""

    id: str
    account: str
    region: str
    state: str
    volumes: list[str]
    tags: dict[str, str]
    details: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class FakeVolume:
    """A volume; it is attached where an instance lists it."""

    id: str
    account: str
    region: str
    size_gib: int
    tags: dict[str, str]


@dataclass(slots=True)
class FakeSnapshot:
    """A snapshot of a volume."""

    id: str
    account: str
    region: str
    instance_id: str
    description: str
    what: VolumeSnapshot


@dataclass(slots=True)
class FakeThing:
    """An image or a network: described, never changed."""

    account: str
    found: Found


class FakeCloud:
    """The cloud: all accounts and regions.

    Attributes
    ----------
    regions
        Regions that exist.
    endpoints
        What `FakeKit.endpoints` answers.
    keys
        Account of each ``access_key_id``. None: every key belongs to the expected account.
    instances, volumes, snapshots
        What there is, by id.
    things
        Images and networks.
    rules
        What happens to the next calls; the first that fits is taken.
    calls
        What came, the oldest first.
    snapshots_complete
        Whether new snapshots are complete at once. False: `complete` and `fail` decide.
    page_size
        Resources on a page.
    """

    def __init__(self, regions: Sequence[str] = ("here-1", "there-1")) -> None:
        self.regions = list(regions)
        self.endpoints = ["http://127.0.0.1:1"]
        self.keys: dict[str, str] | None = None
        self.instances: dict[str, FakeInstance] = {}
        self.volumes: dict[str, FakeVolume] = {}
        self.snapshots: dict[str, FakeSnapshot] = {}
        self.things: list[FakeThing] = []
        self.rules: list[Rule] = []
        self.calls: list[Call] = []
        self.snapshots_complete = True
        self.page_size = 200
        self.lock = threading.RLock()
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """Return an id that looks like a cloud's."""
        return f"{prefix}-{next(self._numbers):017x}"

    def launch(
        self,
        account: str,
        region: str,
        name: str,
        *,
        sizes: Sequence[int] = (8,),
        tags: Mapping[str, str] | None = None,
        state: str = "running",
    ) -> FakeInstance:
        """Add an instance with volumes of `sizes` in GiB."""
        with self.lock:
            volumes = []
            for size in sizes:
                volume = FakeVolume(self.new_id("vol"), account, region, size, {})
                self.volumes[volume.id] = volume
                volumes.append(volume.id)
            labels = {"Name": name} | dict(tags or {})
            made = FakeInstance(self.new_id("i"), account, region, state, volumes, labels)
            self.instances[made.id] = made
            return made

    def terminate(self, instance_id: str) -> None:
        """Remove an instance; its volumes stay."""
        with self.lock:
            del self.instances[instance_id]

    def detach(self, volume_id: str) -> None:
        """Detach a volume; it stays."""
        with self.lock:
            for instance in self.instances.values():
                instance.volumes = [one for one in instance.volumes if one != volume_id]

    def vanish(self, volume_id: str) -> None:
        """Detach and remove a volume."""
        with self.lock:
            self.detach(volume_id)
            del self.volumes[volume_id]

    def complete(self, snapshot_id: str) -> None:
        """Let the cloud finish a snapshot."""
        self._set(snapshot_id, SnapshotState.COMPLETED, 100)

    def fail(self, snapshot_id: str) -> None:
        """Let the cloud give a snapshot up."""
        self._set(snapshot_id, SnapshotState.ERROR, 0)

    def progress(self, snapshot_id: str, percent: int) -> None:
        """Let the cloud have come so far with a snapshot."""
        self._set(snapshot_id, SnapshotState.PENDING, percent)

    def _set(self, snapshot_id: str, state: SnapshotState, percent: int) -> None:
        with self.lock:
            snapshot = self.snapshots[snapshot_id]
            snapshot.what = replace(snapshot.what, state=state, progress_percent=percent)

    def take_rule(self, call: Call) -> Rule | None:
        """Return the first rule for `call`, and count it."""
        with self.lock:
            for rule in self.rules:
                if rule.action == call.action and rule.region in (None, call.region):
                    rule.times -= 1
                    if rule.times <= 0:
                        self.rules.remove(rule)
                    return rule
        return None
