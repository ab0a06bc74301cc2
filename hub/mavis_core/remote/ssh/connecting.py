"""Connecting to a device: address, handshake, host key, login, each with its own error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from paramiko import (
    AuthenticationException,
    BadAuthenticationType,
    PKey,
    SSHException,
)
from paramiko.ssh_exception import IncompatiblePeer

from mavis_core.errors import (
    DeviceError,
    DeviceRefusedLogin,
    DeviceUnreachable,
    HostKeyChanged,
    HostKeyUnknown,
)
from mavis_core.remote.model import Endpoint, HostKey, Password
from mavis_core.remote.ssh import algorithms
from mavis_core.remote.ssh.addresses import LOST_S, reach
from mavis_core.remote.ssh.credentials import host_key, read_key
from mavis_core.remote.ssh.legacy import OldWire
from mavis_core.remote.ssh.target import Target
from mavis_core.remote.ssh.wire import Wire

__all__ = ["connect", "scan"]

_TIMEOUT_S = 20.0
_PROMPTS = 4
_EXTENSIONS_S = 0.5


def connect(
    endpoint: Endpoint,
    *,
    timeout_s: float = _TIMEOUT_S,
    loopback: bool = False,
    lost_s: float = LOST_S,
    on_new_host_key: Callable[[HostKey], bool] | None = None,
) -> Target:
    """Return a connection to the device of `endpoint`, logged in.

    Parameters
    ----------
    timeout_s
        Bound for everything until the login is done.
    loopback
        Whether the appliance itself may be the device.
    lost_s
        After how long without an acknowledgement the connection is lost.
    on_new_host_key
        Asked where no host key was approved yet; it is taken where the answer is True. None: never.

    Raises
    ------
    InvalidInput
        Its address is one that no device can have, or its credential cannot be read.
    DeviceUnreachable, AlgorithmsNotAllowed, HostKeyUnknown, HostKeyChanged, DeviceRefusedLogin
        As they say.
    DeviceError
        It does not speak SSH as it should.
    """
    until = time.monotonic() + timeout_s
    key = None if isinstance(endpoint.credential, Password) else read_key(endpoint.credential)
    wire = _shaken(endpoint, until, timeout_s, loopback, lost_s)
    try:
        seen = _check_host_key(endpoint, host_key(wire.get_remote_server_key()), on_new_host_key)
        wire.auth_timeout = max(until - time.monotonic(), 0.1)
        _log_in(endpoint, wire, key)
    except BaseException:
        wire.close()
        raise
    wire.keep_alive()
    return Target(endpoint.name, wire, seen)


def scan(endpoint: Endpoint, *, timeout_s: float = _TIMEOUT_S, loopback: bool = False) -> HostKey:
    """Return the host key that the device of `endpoint` shows now, without any login."""
    wire = _shaken(endpoint, time.monotonic() + timeout_s, timeout_s, loopback)
    try:
        return host_key(wire.get_remote_server_key())
    finally:
        wire.close()


def _shaken(
    endpoint: Endpoint,
    until: float,
    timeout_s: float,
    loopback: bool,
    lost_s: float = LOST_S,
) -> Wire:
    """Return a connection on which keys were agreed."""
    name = endpoint.name
    sock = reach(
        name,
        endpoint.address,
        endpoint.port,
        timeout_s=timeout_s,
        loopback=loopback,
        lost_s=lost_s,
    )
    make = OldWire if endpoint.algorithms else Wire
    wire = make(sock, name=f"ssh-{name}")
    try:
        algorithms.choose(wire, endpoint.host_keys, endpoint.algorithms)
        done = threading.Event()
        wire.banner_timeout = wire.handshake_timeout = max(until - time.monotonic(), 0.1)
        wire.start_client(event=done)
        finished = done.wait(max(until - time.monotonic(), 0.1))
        error = _handshake_error(endpoint, wire, timeout_s if not finished else None)
    except BaseException:
        wire.close()
        raise
    if error is not None:
        wire.close()
        raise error
    return wire


def _handshake_error(endpoint: Endpoint, wire: Wire, over_s: float | None) -> DeviceError | None:
    """Return why no keys were agreed, or None where they were; `over_s`: the time that is over."""
    name = endpoint.name
    if over_s is not None:
        return DeviceUnreachable(
            f"{name} takes connections at port {endpoint.port}, and did not agree on keys within "
            f"{over_s:g} s",
            mend="Look at the load of the device, and whether it is SSH that listens there.",
        )
    if wire.is_active():
        return None
    exc = wire.get_exception()
    if not wire.remote_version:
        return DeviceUnreachable(
            f"{name} answers at port {endpoint.port}, but does not speak SSH there",
            mend="Check the port of the access service.",
        )
    if isinstance(exc, IncompatiblePeer):
        if wire.offered:
            return algorithms.not_allowed(name, wire.offered, wire)
        return DeviceError(f"{name} speaks an SSH older than 2.0", mend="Update the device.")
    if exc is None or isinstance(exc, EOFError):
        return DeviceUnreachable(
            f"{name} closed the connection while keys were agreed",
            mend="Look at the log of its SSH server: it may have too many connections.",
        )
    return DeviceError(f"Keys could not be agreed with {name}: {_safe(str(exc))}")


def _check_host_key(
    endpoint: Endpoint, seen: HostKey, on_new: Callable[[HostKey], bool] | None
) -> HostKey:
    approved = endpoint.host_keys
    if any(seen.public == each.public for each in approved):
        return seen
    if approved:
        same = [each for each in approved if each.algorithm == seen.algorithm]
        known = ", ".join(f"{each.fingerprint} ({each.algorithm})" for each in same or approved)
        raise HostKeyChanged(
            f"{endpoint.name} shows the host key {seen.fingerprint} ({seen.algorithm}); "
            f"approved is {known}",
            algorithm=seen.algorithm,
            public=seen.public,
        )
    if on_new is not None and on_new(seen):
        return seen
    raise HostKeyUnknown(
        f"{endpoint.name} shows the host key {seen.fingerprint} ({seen.algorithm}), "
        "which nobody has approved yet",
        algorithm=seen.algorithm,
        public=seen.public,
    )


def _log_in(endpoint: Endpoint, wire: Wire, key: PKey | None) -> None:
    name, login = endpoint.name, endpoint.login
    try:
        further = _by_key(endpoint, wire, key) if key else _by_password(endpoint, wire)
    except BadAuthenticationType as exc:
        raise DeviceRefusedLogin(
            f"{name} takes no {'password' if key is None else 'key'} for {login}; "
            f"it takes {_listed(exc.allowed_types)}",
            mend="Give the access service another kind of key, or change the device's settings.",
        ) from None
    except AuthenticationException:
        if not wire.is_active():
            raise DeviceUnreachable(f"{name} closed the connection during the login") from None
        raise DeviceRefusedLogin(f"{name} refused {login} with {_kind(endpoint)}") from None
    except (SSHException, EOFError, OSError):
        raise DeviceUnreachable(f"The connection to {name} was lost during the login") from None
    if further:
        raise DeviceRefusedLogin(
            f"{name} wants more than {_kind(endpoint)} from {login}: {_listed(further)}",
            mend="Use a login of the device that needs one proof only.",
        )


def _by_password(endpoint: Endpoint, wire: Wire) -> Sequence[str]:
    """Log in with the password, as an answer where the device asks questions instead."""
    assert isinstance(endpoint.credential, Password)  # noqa: S101  # the caller has looked
    password = endpoint.credential.value
    try:
        return list(wire.auth_password(endpoint.login, password, fallback=False))
    except BadAuthenticationType as exc:
        if "keyboard-interactive" not in exc.allowed_types:
            raise
        others = [each for each in exc.allowed_types if each != "keyboard-interactive"]
    asked = 0

    def answer(_title: str, _words: str, fields: Sequence[tuple[str, bool]]) -> list[str]:
        nonlocal asked
        asked += len(fields)
        if asked > _PROMPTS:  # it goes on asking
            return []
        return ["" if shown else password for _, shown in fields]

    try:
        return list(wire.auth_interactive(endpoint.login, answer))
    except AuthenticationException:
        if asked or not wire.is_active():
            raise
        raise BadAuthenticationType("It asks no questions", others) from None


def _by_key(endpoint: Endpoint, wire: Wire, key: PKey) -> Sequence[str]:
    """Log in with the key; an RSA key signs with SHA-1 where nothing newer does and it may."""
    if "rsa" not in key.get_name() or "ssh-rsa" not in endpoint.algorithms:
        wire.disabled_algorithms = {"pubkeys": ["ssh-rsa"]}
        return list(wire.auth_publickey(endpoint.login, key))
    if _says_signatures(wire):
        wire.disabled_algorithms = {"pubkeys": ["ssh-rsa"]}
        try:
            return list(wire.auth_publickey(endpoint.login, key))
        except BadAuthenticationType:
            raise
        except AuthenticationException:
            # Some name what they know, and not what their settings allow.
            if not wire.is_active():
                raise
    wire.disabled_algorithms = {"pubkeys": ["rsa-sha2-512", "rsa-sha2-256"]}
    wire.server_extensions = {}
    return list(wire.auth_publickey(endpoint.login, key))


def _says_signatures(wire: Wire) -> bool:
    """Whether the device says what it knows, right after the keys were agreed (RFC 8308)."""
    until = time.monotonic() + _EXTENSIONS_S
    while not wire.server_extensions and time.monotonic() < until:
        time.sleep(0.02)
    return "server-sig-algs" in wire.server_extensions


def _kind(endpoint: Endpoint) -> str:
    kind = type(endpoint.credential).__name__
    return {"Password": "the password", "PrivateKey": "the key"}.get(kind, "the certificate")


def _listed(names: Sequence[str]) -> str:
    return _safe(", ".join(names)) or "nothing"


def _safe(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:200]
