"""The state of the in-memory cloud, and the rules by which its calls go wrong."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mavis_core.contract import Health, OnBehalf, SnapshotState, VolumeState
from mavis_core.testing.cloud.things import (
    FakeCommand,
    FakeGroup,
    FakeImage,
    FakeInstance,
    FakeSnapshot,
    FakeSubnet,
    FakeThing,
    FakeVolume,
    Tagged,
)

__all__ = ["Call", "FakeCloud", "Rule"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that came to the cloud.

    Parameters
    ----------
    action
        One of `mavis_core.testing.cloud.actions.ACTIONS`.
    account, region
        Where; the region of ``connect`` is empty.
    on_behalf
        For whom.
    arguments
        The call's arguments, for assertions.
    cloud
        The cloud, for rules.
    made
        Ids of what it made.
    """

    action: str
    account: str
    region: str
    on_behalf: OnBehalf
    arguments: Mapping[str, object]
    cloud: FakeCloud = field(repr=False, compare=False)
    made: list[str] = field(default_factory=list)


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
    skip
        Calls that pass before; counted down.
    when
        Which of the calls; None: all.
    """

    action: str
    region: str | None = None
    before: Callable[[Call], None] | None = None
    after: Callable[[Call], None] | None = None
    wait_s: float | None = None
    times: int = 1
    skip: int = 0
    when: Callable[[Call], bool] | None = None

    def fits(self, call: Call) -> bool:
        """Return whether it is for `call`."""
        return (
            self.action == call.action
            and self.region in (None, call.region)
            and (self.when is None or self.when(call))
        )


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
    instances, volumes, snapshots, images, groups, subnets, commands
        What there is, by id.
    things
        Images and networks that only discovery shows.
    rules
        What happens to the next calls; the first that fits is taken.
    calls
        What came, the oldest first.
    made
        Ids of everything that was ever made, the oldest first.
    snapshots_complete, volumes_ready, instances_run
        Whether what is new is there at once. False: `complete` and `fail` decide.
    copy_limit
        Copies that may be pending in an account's region.
    unusable_keys
        Keys of encryption that fail whoever needs them.
    isolated_agents
        Whether agents answer from an isolated place, as they would with a private way to the
        cloud's own service.
    page_size
        Resources on a page.
    block_size
        Bytes of a block.
    """

    def __init__(self, regions: Sequence[str] = ("here-1", "there-1")) -> None:
        self.regions = list(regions)
        self.endpoints = ["http://127.0.0.1:1"]
        self.keys: dict[str, str] | None = None
        self.instances: dict[str, FakeInstance] = {}
        self.volumes: dict[str, FakeVolume] = {}
        self.snapshots: dict[str, FakeSnapshot] = {}
        self.images: dict[str, FakeImage] = {}
        self.groups: dict[str, FakeGroup] = {}
        self.subnets: dict[str, FakeSubnet] = {}
        self.commands: dict[str, FakeCommand] = {}
        self.things: list[FakeThing] = []
        self.rules: list[Rule] = []
        self.calls: list[Call] = []
        self.made: list[str] = []
        self.snapshots_complete = True
        self.volumes_ready = True
        self.instances_run = True
        self.copy_limit = 20
        self.unusable_keys: set[str] = set()
        self.isolated_agents = False
        self.page_size = 200
        self.block_size = 4096
        self.lock = threading.RLock()
        # what a client token made, and for which arguments, by account, region and token
        self.tokens: dict[tuple[str, str, str], tuple[str, object]] = {}
        self._hidden: dict[str, int] = {}
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """Return an id that looks like a cloud's, and remember that it was made."""
        with self.lock:
            made = f"{prefix}-{next(self._numbers):017x}"
            self.made.append(made)
            return made

    def launch(
        self,
        account: str,
        region: str,
        name: str,
        *,
        sizes: Sequence[int] = (8,),
        tags: Mapping[str, str] | None = None,
        state: str = "running",
        kms_key: str | None = None,
    ) -> FakeInstance:
        """Add an instance with volumes of `sizes` in GiB, encrypted where `kms_key` is given."""
        with self.lock:
            subnet = self.default_subnet(account, region)
            devices = {}
            for number, size in enumerate(sizes):
                volume = FakeVolume(self.new_id("vol"), account, region, size, {})
                volume.zone, volume.kms_key = subnet.zone, kms_key
                self.volumes[volume.id] = volume
                devices[device_name(number)] = volume.id
            labels = {"Name": name} | dict(tags or {})
            details: dict[str, object] = {
                "instance_type": "small",
                "architecture": "x86_64",
                "zone": subnet.zone,
                "subnet_id": subnet.id,
                "security_groups": [],
                "root_device": device_name(0),
            }
            made = FakeInstance(self.new_id("i"), account, region, state, devices, labels, details)
            self.instances[made.id] = made
            return made

    def default_subnet(self, account: str, region: str) -> FakeSubnet:
        """Return a subnet of the region's default network; it is there from the first look."""
        with self.lock:
            for known in self.subnets.values():
                if (known.account, known.region) == (account, region):
                    return known
            made = FakeSubnet(
                f"subnet-{account}-{region}", account, region, f"net-{account}", f"{region}a"
            )
            self.subnets[made.id] = made
            return made

    def write(self, volume_id: str, blocks: Mapping[int, bytes]) -> None:
        """Write blocks of a volume, by index."""
        with self.lock:
            self.volumes[volume_id].blocks.update(blocks)

    def terminate(self, instance_id: str) -> None:
        """Remove an instance; its volumes stay, but for those that end with it."""
        with self.lock:
            for volume_id in self.instances.pop(instance_id).volumes:
                if self.volumes[volume_id].ends_with_instance:
                    del self.volumes[volume_id]

    def detach(self, volume_id: str) -> None:
        """Detach a volume; it stays."""
        with self.lock:
            for instance in self.instances.values():
                for device in [d for d, v in instance.devices.items() if v == volume_id]:
                    del instance.devices[device]

    def vanish(self, cloud_id: str) -> None:
        """Remove a thing as if it had never been; a volume is detached first."""
        with self.lock:
            self.detach(cloud_id)
            self.instances.pop(cloud_id, None)
            self.volumes.pop(cloud_id, None)
            self.snapshots.pop(cloud_id, None)
            self.images.pop(cloud_id, None)
            self.groups.pop(cloud_id, None)

    def hide(self, cloud_id: str, looks: int) -> None:
        """Let the next `looks` calls that would show or use a thing not see it."""
        with self.lock:
            self._hidden[cloud_id] = looks

    def shows(self, cloud_id: str) -> bool:
        """Return whether a look sees a thing, and count the look where it does not."""
        with self.lock:
            looks = self._hidden.pop(cloud_id, 0)
            if looks > 1:
                self._hidden[cloud_id] = looks - 1
            return looks == 0

    def tagged(self, tag: str, value: str | None = None) -> list[str]:
        """Return the ids of everything that carries `tag`, with `value` or with any."""
        with self.lock:
            return [
                one.id
                for things in self._all()
                for one in things.values()
                if tag in one.tags and value in (None, one.tags[tag])
            ]

    def called(self, action: str) -> list[Call]:
        """Return the calls of an action, the oldest first."""
        with self.lock:
            return [call for call in self.calls if call.action == action]

    def _all(self) -> tuple[Mapping[str, Tagged], ...]:
        return (self.instances, self.volumes, self.snapshots, self.images, self.groups)

    def complete(self, cloud_id: str) -> None:
        """Let the cloud finish a snapshot, a volume or an instance."""
        with self.lock:
            if cloud_id in self.snapshots:
                self._set(cloud_id, SnapshotState.COMPLETED, 100)
            elif cloud_id in self.volumes:
                self.volumes[cloud_id].state = VolumeState.AVAILABLE
            else:
                self.instances[cloud_id].state = "running"

    def fail(self, cloud_id: str, message: str = "") -> None:
        """Let the cloud give a snapshot or a volume up, or an instance be impaired."""
        with self.lock:
            if cloud_id in self.snapshots:
                self._set(cloud_id, SnapshotState.ERROR, 0, message)
            elif cloud_id in self.volumes:
                self.volumes[cloud_id].state = VolumeState.ERROR
            else:
                self.instances[cloud_id].health = Health.IMPAIRED

    def progress(self, snapshot_id: str, percent: int) -> None:
        """Let the cloud have come so far with a snapshot."""
        self._set(snapshot_id, SnapshotState.PENDING, percent)

    def _set(self, snapshot_id: str, state: SnapshotState, percent: int, message: str = "") -> None:
        with self.lock:
            snapshot = self.snapshots[snapshot_id]
            snapshot.what = replace(
                snapshot.what, state=state, progress_percent=percent, message=message
            )

    def take_rule(self, call: Call) -> Rule | None:
        """Return the first rule for `call`, and count it."""
        with self.lock:
            for rule in self.rules:
                if not rule.fits(call):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                rule.times -= 1
                if rule.times <= 0:
                    self.rules.remove(rule)
                return rule
        return None


def device_name(number: int) -> str:
    """Return the device name of an instance's volume: 0 is the root volume."""
    return f"/dev/disk{number}"
