"""What is looked at while it goes by: terminals, commands, and copies of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mavis_core.errors import Forbidden
from mavis_core.remote.model import Endpoint, Policy
from mavis_core.remote.ssh import Target
from mavis_hub.gateway.door.commands import RsyncCopy, ScpCopy
from mavis_hub.gateway.door.folders import Folders
from mavis_hub.gateway.door.ports import Direction, Page, Transfer
from mavis_hub.gateway.door.relay import Flow, Relay
from mavis_hub.gateway.door.scp import ScpReader
from mavis_hub.gateway.door.sftp import SftpPassage

__all__ = [
    "CountedFlow",
    "RecordedFlow",
    "ScpFlow",
    "SftpFlow",
    "check_rsync",
    "check_scp",
    "forwarded",
]

_HERE = ("localhost", "127.0.0.1", "::1")


class RecordedFlow(Flow):
    """A terminal, or a command: what comes is on the page before the client sees it."""

    def __init__(self, relay: Relay, page: Page) -> None:
        super().__init__(relay)
        self._page = page

    def from_client(self, data: bytes) -> None:
        self._page.input(data)
        self.relay.to_device(data)

    def from_device(self, data: bytes) -> None:
        self._page.output(data)
        self.relay.to_client(data)

    def errors(self, data: bytes) -> None:
        self._page.output(data)
        self.relay.errors_to_client(data)


class CountedFlow(Flow):
    """A forwarded port, or rsync: how many bytes went is on the page, not which."""

    def __init__(self, relay: Relay, page: Page, what: str) -> None:
        super().__init__(relay)
        self._page = page
        self._what = what
        self._sent = 0
        self._received = 0

    def from_client(self, data: bytes) -> None:
        self._sent += len(data)
        self.relay.to_device(data)

    def from_device(self, data: bytes) -> None:
        self._received += len(data)
        self.relay.to_client(data)

    def errors(self, data: bytes) -> None:
        self._page.output(data)
        self.relay.errors_to_client(data)

    def end(self) -> None:
        self._page.marker(
            f"{self._what}: {self._sent} bytes to the device, {self._received} bytes from it"
        )


class ScpFlow(Flow):
    """A copy by scp's own protocol."""

    def __init__(
        self,
        relay: Relay,
        page: Page,
        copy: ScpCopy,
        *,
        folders: Folders | None,
        done: Callable[[Transfer], None],
    ) -> None:
        super().__init__(relay)
        self._page = page
        self._upload = copy.direction is Direction.UPLOAD
        self._folders = folders
        self._reader = ScpReader(copy, check=self._check, done=done)

    def from_client(self, data: bytes) -> None:
        (self._reader.sent if self._upload else self._reader.answered)(data)
        self.relay.to_device(data)

    def from_device(self, data: bytes) -> None:
        (self._reader.answered if self._upload else self._reader.sent)(data)
        self.relay.to_client(data)

    def errors(self, data: bytes) -> None:
        self._page.output(data)
        self.relay.errors_to_client(data)

    def end(self) -> None:
        self._reader.end()

    def _check(self, path: str) -> None:
        if self._folders is not None and self._upload:
            self._folders.check(path)


class SftpFlow(Flow):
    """SFTP."""

    def __init__(
        self,
        relay: Relay,
        page: Page,
        policy: Policy,
        *,
        folders: Folders | None,
        done: Callable[[Transfer], None],
    ) -> None:
        super().__init__(relay)
        self._page = page
        self._passage = SftpPassage(
            policy, folders, relay.to_client, relay.to_device, done, page.marker
        )

    def from_client(self, data: bytes) -> None:
        self._passage.from_client(data)

    def from_device(self, data: bytes) -> None:
        self._passage.from_device(data)

    def errors(self, data: bytes) -> None:
        self._page.output(data)
        self.relay.errors_to_client(data)

    def end(self) -> None:
        self._passage.end()


def check_scp(copy: ScpCopy, policy: Policy, target: Target) -> tuple[Folders | None, ScpCopy]:
    """Check a copy by scp; return the folders that its files must be in, and what is copied.

    Without folders in the policy that is None, and `copy` itself; otherwise its paths are what the
    device says that they are.

    Raises
    ------
    Forbidden
        The policy does not allow its direction or its paths.
    """
    _check_direction(copy.direction, policy)
    if not policy.paths:
        return None, copy
    if copy.patterns or (copy.recursive and copy.direction is Direction.DOWNLOAD):
        raise Forbidden(
            "Here scp -O copies files by their names only, since files are to be seen in some "
            "folders only",
            mend="Use sftp, or scp without -O.",
        )
    folders = Folders(target, policy.paths)
    try:
        really = replace(copy, paths=tuple(folders.resolve(each) for each in copy.paths))
    except BaseException:
        folders.close()
        raise
    return folders, really


def check_rsync(copy: RsyncCopy, policy: Policy) -> None:
    """Check a copy by rsync.

    Raises
    ------
    Forbidden
        The policy does not allow its direction or its options, or names folders.
    """
    _check_direction(copy.direction, policy)
    if policy.paths:
        raise Forbidden(
            "rsync cannot be held to some folders, and only some may be seen here",
            mend="Use sftp, or scp without -O.",
        )
    if not copy.plain and not (policy.transfers.upload and policy.transfers.download):
        raise Forbidden(
            "rsync was asked for with options that do more than copy, and files may go in one "
            "direction only here",
            mend="Leave out options such as --remove-source-files, --log-file and --backup-dir.",
        )


def forwarded(host: str, endpoint: Endpoint, policy: Policy) -> str:
    """Return where the device connects to, for a port of its own that was asked for at `host`.

    Raises
    ------
    Forbidden
        The policy allows no forwarding, or it is a port of somebody else.
    """
    if not policy.forwarding:
        raise Forbidden("This access service allows no forwarding of ports")
    if host in _HERE:
        return host
    if host in (endpoint.name, endpoint.address):
        return endpoint.address
    raise Forbidden(f"Only ports of {endpoint.name} itself are forwarded, not of {host}")


def _check_direction(direction: Direction, policy: Policy) -> None:
    transfers = policy.transfers
    if not (transfers.upload if direction is Direction.UPLOAD else transfers.download):
        raise Forbidden(f"This access service allows no {direction.value}")
