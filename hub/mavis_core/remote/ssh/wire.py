"""A connection of paramiko's, with what it leaves out: signals, bounds, thread names, silence."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

from paramiko import Channel, Message, SSHException, Transport
from paramiko.common import MSG_NEWKEYS, cMSG_CHANNEL_REQUEST

from mavis_core.remote.ssh.packets import Packets

__all__ = ["PIECE", "Wire"]

# What goes wrong becomes an error of ours. What paramiko itself has to say of it are tracebacks,
# and words that the other side has chosen.
_LOG = "mavis_core.remote.ssh.wire"
# A thread that waits for its socket looks up after so many seconds, to keep the connection alive.
_LOOK_S = 2.0
_KEEPALIVE_S = 15
_SIGNAL = 24

PIECE = 32 * 1024 - 64
"""The most that paramiko puts into one packet. What comes in such pieces goes on in as many."""


class Wire(Transport):  # type: ignore[misc]  # paramiko has no types
    """One connection.

    Attributes
    ----------
    on_signal
        Called with channel number and name (``INT``) of each signal that a client sends.
    """

    packetizer: Packets

    def __init__(self, sock: socket.socket, *, name: str, window_bytes: int = 256 * 1024) -> None:
        super().__init__(
            sock,
            default_window_size=window_bytes,
            default_max_packet_size=PIECE,
            packetizer_class=Packets,
        )
        sock.settimeout(_LOOK_S)
        self.name = name
        self.on_signal: Callable[[int, str], None] | None = None
        self._exit_signals: dict[int, str] = {}
        self._kept: list[Message] = []
        self._handler_table[MSG_NEWKEYS] = self._take_new_keys
        self.set_log_channel(_LOG)
        logging.getLogger(_LOG).disabled = True
        self.packetizer.on_data = self._check_window
        self.packetizer.on_request = self._take_request

    @property
    def offered(self) -> tuple[tuple[str, ...], ...]:
        """The algorithms that the other side offered."""
        return self.packetizer.offered

    def keep_alive(self) -> None:
        """Say something from time to time, so that a way that was lost is found out."""
        self.set_keepalive(_KEEPALIVE_S)

    def exit_signal(self, channel: Channel) -> str | None:
        """Return the signal that ended what ran on `channel`, as ``TERM``, once it was told."""
        return self._exit_signals.pop(channel.get_id(), None)

    def send_signal(self, channel: Channel, name: str) -> None:
        """Send the signal `name`, as ``INT``, to what runs on `channel` (RFC 4254, 6.9)."""
        message = self._request(channel, "signal")
        message.add_string(name)
        self._send_user_message(message)

    def send_exit_signal(self, channel: Channel, name: str) -> None:
        """Tell that the signal `name` has ended what ran on `channel` (RFC 4254, 6.10)."""
        message = self._request(channel, "exit-signal")
        message.add_string(name)
        message.add_boolean(False)  # no core was dumped, as far as we know
        message.add_string("")
        message.add_string("")
        self._send_user_message(message)

    def _send_user_message(self, data: Message) -> None:
        """Send, or keep until new keys are there what only this very thread could go on to get.

        paramiko waits for the keys here, also where its thread answers the other side, and then
        gives the connection up: whoever closes a channel while keys are agreed would end it.
        """
        if threading.current_thread() is not self:
            super()._send_user_message(data)
            return
        with self.clear_to_send_lock:
            if self.clear_to_send.is_set():
                self._send_message(data)
            else:
                self._kept.append(data)

    def _take_new_keys(self, message: Message) -> None:
        self._parse_newkeys(message)
        kept, self._kept = self._kept, []
        for each in kept:
            self._send_user_message(each)

    @staticmethod
    def _request(channel: Channel, kind: str) -> Message:
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string(kind)
        message.add_boolean(False)
        return message

    def _check_window(self, number: int) -> None:
        """End the connection of who sends more than the window that they were given."""
        channel = self._channels.get(number)
        if channel is None:
            return
        held = len(channel.in_buffer) + len(channel.in_stderr_buffer)
        if held > channel.in_window_size + channel.in_max_packet_size:
            raise SSHException("the other side sends more than it may")

    def _take_request(self, number: int, kind: str, rest: Message) -> None:
        if kind not in ("exit-signal", "signal") or self._channels.get(number) is None:
            return
        rest.get_boolean()
        name = rest.get_text()[:_SIGNAL]
        if kind == "exit-signal":
            self._exit_signals[number] = name
        elif self.on_signal is not None:
            self.on_signal(number, name)
