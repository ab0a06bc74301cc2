"""From a device's address to a TCP connection: what is connected to is what was checked."""

from __future__ import annotations

import errno
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

from mavis_core.errors import DeviceUnreachable, InvalidInput

__all__ = ["LOST_S", "check_reachable", "reach"]

_IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Found: TypeAlias = tuple[socket.AddressFamily, Any]

# Addresses of clouds' metadata that are not link-local: AWS and Google over IPv6, Alibaba, Azure.
_METADATA = frozenset(
    ipaddress.ip_address(each)
    for each in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NOBODY = ipaddress.IPv4Network("0.0.0.0/8")
LOST_S = 120.0
"""A device that vanished while it had something to acknowledge is given up after so long.

What was lost on the way is sent again in pauses that double, so that the next try may come as late
as twice the length of a cut: one of half this time is outlived.
"""


def reach(
    name: str,
    address: str,
    port: int,
    *,
    timeout_s: float,
    loopback: bool = False,
    lost_s: float = LOST_S,
) -> socket.socket:
    """Return a TCP connection to `port` of the device `name`.

    The name is resolved once, each address is checked, and one that passed is connected to.

    Parameters
    ----------
    timeout_s
        Bound for name resolution and all attempts together.
    loopback
        Whether the appliance itself may be the device.
    lost_s
        After how long without an acknowledgement the connection is lost.

    Raises
    ------
    InvalidInput
        No address of it is one that a device can have.
    DeviceUnreachable
        There is no such name, or nobody answered in time.
    """
    until = time.monotonic() + timeout_s
    said: list[str] = []
    for family, where in _checked(name, _resolved(name, address, port, timeout_s), loopback):
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            return _connected(family, where, left, lost_s)
        except TimeoutError:
            said.append(f"{where[0]} did not answer within {timeout_s:g} s")
        except OSError as exc:
            said.append(f"{where[0]}: {_words(exc)}")
    told = "; ".join(said) or f"{address} did not answer within {timeout_s:g} s"
    raise DeviceUnreachable(f"{name} cannot be reached at port {port}: {told}")


def check_reachable(name: str, found: str, *, loopback: bool = False) -> None:
    """Check the numeric address `found` of the device `name`.

    Raises
    ------
    InvalidInput
        It is the address of nobody, of many, of a cloud's metadata, or of the appliance itself.
    """
    given = ipaddress.ip_address(found.partition("%")[0])
    meant = _unwrapped(given)
    if meant.is_loopback and loopback:
        return
    if (
        meant.is_unspecified
        or meant.is_multicast
        or meant.is_link_local
        or meant.is_reserved
        or meant.is_loopback
        or meant in _METADATA
        or (meant.version == 4 and meant in _NOBODY)
    ):
        raise InvalidInput(
            f"{name} has the address {given}, which no device can have",
            mend="Give the address at which the appliance reaches the device.",
            field="address",
        )


def _unwrapped(given: _IP) -> _IP:
    """Return the IPv4 address that an IPv6 one leads to, where it does."""
    if isinstance(given, ipaddress.IPv4Address):
        return given
    if given in _NAT64:
        return ipaddress.IPv4Address(int(given) & 0xFFFFFFFF)
    return given.ipv4_mapped or given.sixtofour or given


def _resolved(name: str, address: str, port: int, timeout_s: float) -> list[_Found]:
    """Return the addresses, in the system's order; its resolver knows no timeout of its own."""
    answers: queue.SimpleQueue[list[_Found] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
            answers.put([(family, where) for family, _, _, _, where in found])
        except (OSError, UnicodeError) as exc:
            answers.put(exc if isinstance(exc, OSError) else OSError(str(exc)))

    threading.Thread(target=ask, name=f"resolve-{name}", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        answer = OSError(f"its name was not resolved within {timeout_s:g} s")
    if isinstance(answer, OSError):
        raise DeviceUnreachable(
            f"{name} cannot be reached: {address}: {_words(answer)}",
            mend="Check the device's address, and the name servers of the appliance.",
        )
    return answer


def _checked(name: str, found: Sequence[_Found], loopback: bool) -> list[_Found]:
    good = []
    refused: InvalidInput | None = None
    for family, where in found:
        try:
            check_reachable(name, where[0], loopback=loopback)
            good.append((family, where))
        except InvalidInput as exc:
            refused = exc
    if not good and refused is not None:
        raise refused
    return good


def _connected(
    family: socket.AddressFamily, where: Any, timeout_s: float, lost_s: float
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect(where)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(lost_s * 1000))
    except BaseException:
        sock.close()
        raise
    return sock


def _words(exc: OSError) -> str:
    if exc.errno == errno.ECONNREFUSED:
        return "nothing listens there"
    return (exc.strerror or str(exc)).lower()
