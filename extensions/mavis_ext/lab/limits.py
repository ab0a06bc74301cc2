"""How much goes through one person's server at a time, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the forwarder.

    Parameters
    ----------
    calls
        Requests at a time.
    feeds
        Streams and WebSockets at a time. They last, and so have seats of their own: a page that
        listens keeps nobody from asking.
    body_bytes
        Longest body of a request; the api's own limit.
    drained_bytes
        How much of a longer body is read, so that its sender hears the answer.
    address_bytes, header_bytes
        Longest address, and longest value of one header.
    message_in_bytes, message_out_bytes
        Longest message of a WebSocket from the browser, and to it.
    connect_s
        Longest wait for a connection to the appliance.
    body_s
        Longest wait for the whole body of a request.
    begin_s
        Longest wait for the first byte of an answer. The edge proxy waits 60 s for the api.
    handshake_s
        Longest wait for the api's side of a WebSocket.
    quiet_s
        Longest time in which nothing of an answer comes or is taken.
    quiet_feed_s
        The same for a stream of events. A browser that was cut off comes back by itself and says
        which event it had last.
    slow_s
        Longest wait until one end of a WebSocket takes a message.
    ping_s
        Seconds between two pings of both ends of a WebSocket, and the longest wait for a pong.
    """

    calls: int = 32
    feeds: int = 32
    body_bytes: int = MIB
    drained_bytes: int = 8 * MIB
    address_bytes: int = 8 * KIB
    header_bytes: int = 4 * KIB
    message_in_bytes: int = MIB
    message_out_bytes: int = 4 * MIB
    connect_s: float = 5.0
    body_s: float = 30.0
    begin_s: float = 65.0
    handshake_s: float = 10.0
    quiet_s: float = 60.0
    quiet_feed_s: float = 300.0
    slow_s: float = 15.0
    ping_s: float = 20.0
