"""One client's connection: who it is, what they ask for, and a session for each channel."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from paramiko import Channel, PKey, ServerInterface
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_RESOURCE_SHORTAGE,
    OPEN_SUCCEEDED,
)

from mavis_core.errors import Forbidden, InvalidInput, MavisError
from mavis_core.remote.model import Endpoint, EndReason, Policy, SessionKind
from mavis_core.remote.ssh import Stream, Target
from mavis_hub.gateway.door.asked import Asked
from mavis_hub.gateway.door.commands import (
    RsyncCopy,
    ScpCopy,
    SftpServer,
    Wanted,
    read_command,
)
from mavis_hub.gateway.door.flows import (
    CountedFlow,
    RecordedFlow,
    ScpFlow,
    SftpFlow,
    check_rsync,
    check_scp,
    forwarded,
)
from mavis_hub.gateway.door.folders import Folders
from mavis_hub.gateway.door.logins import Logins
from mavis_hub.gateway.door.names import Name, read_name
from mavis_hub.gateway.door.ports import Ended, Opened, People, Person, Sessions, Transfer, Wish
from mavis_hub.gateway.door.relay import Flow, Relay, SafePage, Unrecorded, recorded, tell
from mavis_hub.gateway.door.wire import DoorWire, UnknownKey

__all__ = ["Connection"]

_NOTICE = "Sessions through this door are recorded.\r\n"
_OWN_ERROR = 255
_LONGEST_COMMAND = 256 * 1024


class Connection(ServerInterface):  # type: ignore[misc]  # paramiko has no types
    """One client. What paramiko calls, it calls in the thread of this connection.

    Parameters
    ----------
    source
        The address that the client comes from.
    tries
        How many proofs may fail.
    channels
        How many there may be at a time.
    reach
        Connects to a device.
    """

    def __init__(
        self,
        sock: socket.socket,
        source: str,
        host_key: PKey,
        *,
        people: People,
        sessions: Sessions,
        tries: int,
        channels: int,
        reach: Callable[[Endpoint], Target],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.source = source
        self.begun = time.monotonic()
        self.person: Person | None = None
        self._id = secrets.token_hex(8)
        self._name: Name | None = None
        self._logins = Logins(people, source, now)
        self._sessions = sessions
        self._tries = tries
        self._channels = channels
        self._reach = reach
        self._lock = threading.Lock()
        self._asked: dict[int, Asked] = {}
        self._target: Target | None = None
        self._endpoint: Endpoint | None = None
        self._connecting = threading.Lock()
        self._wire = DoorWire(sock, name=f"door-{source}", on_channel=self._on_channel)
        self._wire.add_server_key(host_key)
        self._wire.on_signal = self._on_signal

    def start(self, handshake_s: float) -> None:
        """Begin to speak with the client, who must have agreed on keys within `handshake_s`."""
        self._wire.banner_timeout = self._wire.handshake_timeout = handshake_s
        self._wire.start_server(event=threading.Event(), server=self)

    @property
    def alive(self) -> bool:
        """Whether the client is there."""
        return bool(self._wire.is_active())

    @property
    def known(self) -> bool:
        """Whether the client has shown who they are."""
        return bool(self._wire.is_authenticated())

    def look(self, now: float) -> None:
        """End the sessions in which nobody has typed for too long, or which go on for too long."""
        for each in self._running():
            policy, relay = each.opened.policy if each.opened else Policy(), each.relay
            if relay is None or relay.ended:
                continue
            if now - relay.begun > policy.longest_s:
                relay.end_soon(EndReason.TOO_LONG, f"It may last {policy.longest_s} s here.")
            elif now - relay.typed > policy.idle_s:
                relay.end_soon(EndReason.IDLE, f"Nobody has typed for {policy.idle_s} s.")

    def end_session(self, session: str, reason: EndReason, detail: str) -> bool:
        """End the session where it is one of these; return whether it is."""
        for each in self._running():
            if each.opened is not None and each.opened.session == session and each.relay:
                each.relay.end(reason, detail)
                return True
        return False

    def close(self) -> None:
        """End the connection; its sessions end with it. Waits for nobody."""
        self._wire.close()
        if (target := self._target) is not None:
            target.close()

    # -- who it is

    def get_banner(self) -> tuple[str, str]:
        return _NOTICE, "en-US"

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002  # paramiko's form
        return "publickey,password"

    def check_auth_none(self, username: str) -> int:  # noqa: ARG002  # as above
        self.person = None
        return int(AUTH_FAILED)

    def check_auth_password(self, username: str, password: str | bytes) -> int:
        self._name = read_name(username)
        return self._proved(self._logins.by_token(self._name, password))

    def check_auth_publickey(self, username: str, key: PKey | UnknownKey) -> int:
        self._name = read_name(username)
        return self._proved(self._logins.by_key(self._name, key))

    def _proved(self, person: Person | None) -> int:
        self.person = person
        if person is not None:
            return int(AUTH_SUCCESSFUL)
        self._tries -= 1
        if self._tries <= 0:
            self._wire.close()
        return int(AUTH_FAILED)

    # -- what they ask for

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind != "session":
            return int(OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)
        self._wire.keep_alive()
        return self._expect(chanid, Asked())

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        words = f"{destination[0]}:{destination[1]}"
        try:
            opened = self._begin(SessionKind.FORWARDING, words, Asked())
        except MavisError:
            return int(OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)
        try:
            host = forwarded(destination[0], opened.endpoint, opened.policy)
        except MavisError as exc:
            self._sessions.end(opened.session, Ended(EndReason.REFUSED, str(exc)))
            return int(OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)
        asked = Asked(opened=opened, forward=(host, destination[1]), origin=origin)
        answer = self._expect(chanid, asked)
        if answer != OPEN_SUCCEEDED:
            self._sessions.end(opened.session, Ended(EndReason.REFUSED, "Too many channels."))
        return answer

    def check_channel_pty_request(
        self, channel: Channel, term: bytes, width: int, height: int, *_more: Any
    ) -> bool:
        asked = self._of(channel)
        return asked is not None and asked.take_terminal(term, width, height)

    def check_channel_env_request(self, channel: Channel, name: bytes, value: bytes) -> bool:
        asked = self._of(channel)
        return asked is not None and asked.take_word(name, value)

    def check_channel_shell_request(self, channel: Channel) -> bool:
        return self._go(channel, lambda asked: self._shell(channel, asked))

    def check_channel_exec_request(self, channel: Channel, command: bytes) -> bool:
        if len(command) > _LONGEST_COMMAND:
            return False
        return self._go(channel, lambda asked: self._command(channel, asked, command))

    def check_channel_subsystem_request(self, channel: Channel, name: str) -> bool:
        if name != "sftp":
            return False
        return self._go(channel, lambda asked: self._sftp(channel, asked, None))

    def check_channel_window_change_request(
        self, channel: Channel, width: int, height: int, *_more: Any
    ) -> bool:
        asked = self._of(channel)
        if asked is None or asked.terminal is None:
            return False
        asked.take_size(width, height)
        relay = asked.relay
        if relay is not None and asked.page is not None:
            try:
                asked.page.resize(asked.columns, asked.rows)
            except Unrecorded as exc:
                relay.end(EndReason.UNRECORDED, f"It could not be recorded any more: {exc}")
            relay.resize(asked.columns, asked.rows)
        return True

    def _on_signal(self, number: int, name: str) -> None:
        asked = self._asked.get(number)
        if asked is not None and asked.relay is not None:
            asked.relay.signal(name)

    def _on_channel(self, channel: Channel) -> None:
        asked = self._of(channel)
        if asked is None:  # nobody expects it
            channel.close()
            return
        asked.channel = channel
        if asked.forward is not None:
            self._go(channel, lambda found: self._forward(channel, found))

    def _expect(self, number: int, asked: Asked) -> int:
        with self._lock:
            gone = [
                key
                for key, each in self._asked.items()
                if not each.begun and each.channel is not None and each.channel.closed
            ]
            for key in gone:
                del self._asked[key]
            if len(self._asked) >= self._channels:
                return int(OPEN_FAILED_RESOURCE_SHORTAGE)
            self._asked[number] = asked
        return int(OPEN_SUCCEEDED)

    def _of(self, channel: Channel) -> Asked | None:
        return self._asked.get(channel.get_id())

    def _running(self) -> list[Asked]:
        with self._lock:
            return list(self._asked.values())

    # -- what is done

    def _go(self, channel: Channel, run: Callable[[Asked], None]) -> bool:
        """Begin what was asked for, in a thread of its own; each channel begins once."""
        asked = self._of(channel)
        if asked is None or asked.begun:
            return False
        asked.begun = True

        def work() -> None:
            try:
                run(asked)
            except MavisError as exc:
                tell(channel, f"{exc}. {exc.mend}", terminal=asked.terminal is not None)
                with suppress(Exception):
                    channel.send_exit_status(_OWN_ERROR)
            finally:
                with suppress(Exception):
                    channel.close()
                with self._lock:
                    self._asked.pop(channel.get_id(), None)

        threading.Thread(
            target=work, name=f"{self._wire.name}-{channel.get_id()}", daemon=True
        ).start()
        return True

    def _shell(self, channel: Channel, asked: Asked) -> None:
        term = asked.terminal
        opened = self._begin(SessionKind.TERMINAL, None, asked)

        def start(target: Target) -> Stream:
            if not opened.policy.shell:
                raise Forbidden("This access service allows no terminal")
            return target.shell(
                term=term, columns=asked.columns, rows=asked.rows, environment=asked.environment
            )

        self._run(channel, asked, opened, start, RecordedFlow)

    def _command(self, channel: Channel, asked: Asked, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace")
        wanted: Wanted | InvalidInput
        try:
            wanted = read_command(text)
        except InvalidInput as exc:
            wanted = exc
        if isinstance(wanted, SftpServer):
            self._sftp(channel, asked, text)
        elif isinstance(wanted, ScpCopy):
            self._scp(channel, asked, raw, text, wanted)
        else:
            self._plain_command(channel, asked, raw, text, wanted)

    def _plain_command(
        self,
        channel: Channel,
        asked: Asked,
        raw: bytes,
        text: str,
        wanted: Wanted | InvalidInput,
    ) -> None:
        kind = SessionKind.TRANSFER if isinstance(wanted, RsyncCopy) else SessionKind.COMMAND
        opened = self._begin(kind, text, asked)

        def start(target: Target) -> Stream:
            if isinstance(wanted, InvalidInput):
                raise wanted
            if isinstance(wanted, RsyncCopy):
                check_rsync(wanted, opened.policy)
            elif not opened.policy.commands:
                raise Forbidden("This access service allows no commands")
            return target.command(
                raw,
                term=asked.terminal,
                columns=asked.columns,
                rows=asked.rows,
                environment=asked.environment,
            )

        def flow(relay: Relay, page: SafePage) -> Flow:
            if isinstance(wanted, RsyncCopy):
                return CountedFlow(relay, page, f"rsync, {wanted.direction.value}")
            return RecordedFlow(relay, page)

        self._run(channel, asked, opened, start, flow)

    def _scp(self, channel: Channel, asked: Asked, raw: bytes, text: str, copy: ScpCopy) -> None:
        opened = self._begin(SessionKind.TRANSFER, text, asked)
        copies: list[ScpCopy] = []
        folders: list[Folders | None] = []

        def start(target: Target) -> Stream:
            allowed, really = check_scp(copy, opened.policy, target)
            folders.append(allowed)
            copies.append(really)
            return target.command(raw if allowed is None else really.command())

        def flow(relay: Relay, page: SafePage) -> Flow:
            return ScpFlow(relay, page, copies[0], folders=folders[0], done=self._done(opened))

        self._run(channel, asked, opened, start, flow, folders)

    def _sftp(self, channel: Channel, asked: Asked, command: str | None) -> None:
        opened = self._begin(SessionKind.TRANSFER, command, asked)
        folders: list[Folders | None] = []

        def start(target: Target) -> Stream:
            policy = opened.policy
            if not (policy.transfers.upload or policy.transfers.download):
                raise Forbidden("This access service allows no files to go in either direction")
            folders.append(Folders(target, policy.paths) if policy.paths else None)
            return target.subsystem("sftp")

        def flow(relay: Relay, page: SafePage) -> Flow:
            done = self._done(opened)
            return SftpFlow(relay, page, opened.policy, folders=folders[0], done=done)

        self._run(channel, asked, opened, start, flow, folders)

    def _forward(self, channel: Channel, asked: Asked) -> None:
        opened, place = asked.opened, asked.forward
        if opened is None or place is None:
            return

        def start(target: Target) -> Stream:
            return target.forward(*place, asked.origin)

        what = f"port {place[1]}"
        self._run(channel, asked, opened, start, lambda relay, page: CountedFlow(relay, page, what))

    def _begin(self, kind: SessionKind, command: str | None, asked: Asked) -> Opened:
        person, name = self.person, self._name
        if person is None or name is None or not self.known:
            raise Forbidden("Nobody has logged in")
        if name.device is None:
            raise InvalidInput(
                "No device was named",
                mend=f"Name it after your own name: ssh {person.name}:DEVICE@...",
            )
        wish = Wish(
            person,
            name.project,
            name.device,
            name.service,
            kind,
            self.source,
            self._id,
            command,
            asked.terminal,
            asked.columns,
            asked.rows,
        )
        return self._sessions.begin(wish)

    def _run(
        self,
        channel: Channel,
        asked: Asked,
        opened: Opened,
        start: Callable[[Target], Stream],
        flow: Callable[[Relay, SafePage], Flow],
        folders: list[Folders | None] | None = None,
    ) -> None:
        """Do what a session is for, and end it, whatever happens."""
        ended = Ended(EndReason.REFUSED)
        try:
            stream = start(self._connected(opened.endpoint))
            relay = Relay(
                self._wire,
                channel,
                stream,
                name=f"{self._wire.name}-{channel.get_id()}",
                has_errors=asked.terminal is None and asked.forward is None,
            )
            asked.page = SafePage(opened.page)
            asked.opened, asked.relay = opened, relay
            ended = relay.run(flow(relay, asked.page))
        except MavisError as exc:
            ended = Ended(EndReason.REFUSED, exc.message, error=exc)
            raise
        finally:
            for each in folders or ():
                if each is not None:
                    each.close()
            self._sessions.end(opened.session, ended)

    def _connected(self, endpoint: Endpoint) -> Target:
        """Return the connection to the device, which the channels share."""
        with self._connecting:
            if self._target is None or not self._target.alive or self._endpoint != endpoint:
                self._target = self._reach(endpoint)
                self._endpoint = endpoint
            if not self.alive:  # the client has gone meanwhile
                self._target.close()
            return self._target

    def _done(self, opened: Opened) -> Callable[[Transfer], None]:
        return recorded(lambda transfer: self._sessions.transferred(opened.session, transfer))
