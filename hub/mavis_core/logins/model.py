"""Logins by browser: which states they have, and what a command line is told in each.

*Device login*: a command line that asks to act as somebody, without knowing as whom. *Device
code*: 256 random bits that only this command line has. *User code*: eight letters by which a
person finds the login on the page and compares. *Authority*: what lets the login be made, from
the browser of the person who allowed it. Words and rules are those of the device authorization
grant, https://www.rfc-editor.org/rfc/rfc8628.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mavis_core.errors import (
    InvalidInput,
    LoginDenied,
    LoginExpired,
    LoginNotGiven,
    LoginPending,
    PolledTooFast,
)

__all__ = [
    "INTERVAL",
    "LIFETIME",
    "TOKEN_LIFETIME",
    "DeviceLogin",
    "Grant",
    "State",
    "hash_of",
    "network_of",
    "new_device_code",
    "new_user_code",
    "ready",
    "sealing_secret",
    "user_code",
]

LIFETIME = timedelta(minutes=10)
INTERVAL = timedelta(seconds=5)
TOKEN_LIFETIME = timedelta(hours=12)
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, section 6.1: no words, nothing that looks alike
_HALF = 4
_NETWORK_BITS = 64  # what one subscriber gets of IP version 6


class State(StrEnum):
    """Where a login is."""

    WAITING = "waiting"
    DENIED = "denied"
    ALLOWED = "allowed"
    USED = "used"
    EXPIRED = "expired"
    """Nobody answered in time, or nobody fetched it. No row says so; its time does."""


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A command line that asks to act as somebody.

    Parameters
    ----------
    user_code
        As people read it: ``WDJB-MJHT``.
    program, client
        What asks, and on which machine; both as they call themselves.
    source
        The address that it asked from.
    state
        As of when it was read.
    person
        Who was shown it first, and who answered then; None before.
    polled_at
        When its answer was last asked for in good time.
    """

    id: str
    user_code: str
    program: str
    client: str
    source: str
    state: State
    person: str | None
    created_at: datetime
    expires_at: datetime
    polled_at: datetime | None
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A login that is allowed and now to be made.

    Parameters
    ----------
    authority
        What the person's browser brought; whoever makes the login knows what it is.
    """

    login: DeviceLogin
    person: str
    authority: bytes = field(repr=False)


def new_device_code() -> str:
    """Return a new device code."""
    return secrets.token_urlsafe(32)


def new_user_code() -> str:
    """Return a new user code: 34.5 random bits."""
    return _in_halves("".join(secrets.choice(_ALPHABET) for _ in range(2 * _HALF)))


def user_code(text: str) -> str:
    """Return the user code that a person has typed, however they have.

    Raises
    ------
    InvalidInput
        It is none.
    """
    letters = "".join(letter for letter in text.upper() if letter not in "- \t")
    if len(letters) != 2 * _HALF or not set(letters) <= set(_ALPHABET):
        raise InvalidInput(
            "A code has eight letters, none of them a vowel",
            mend="Type it as the command line shows it, WDJB-MJHT for example.",
            field="user_code",
        )
    return _in_halves(letters)


def _in_halves(letters: str) -> str:
    return f"{letters[:_HALF]}-{letters[_HALF:]}"


def hash_of(device_code: str) -> str:
    """Return what is kept of a device code, to know it again."""
    return hashlib.sha256(b"mavis device code " + device_code.encode()).hexdigest()


def sealing_secret(device_code: str) -> bytes:
    """Return 32 secret bytes that only whoever has the device code can make."""
    return hashlib.sha256(b"mavis device seal " + device_code.encode()).digest()


def network_of(source: str) -> str:
    """Return whose addresses are counted together: an address, or a /64 of IP version 6."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))


def ready(login: DeviceLogin | None, program: str, now: datetime) -> DeviceLogin:
    """Return a login that was asked about, where it is to be made now.

    Parameters
    ----------
    login
        None: no login has this device code.
    program
        What asks.

    Raises
    ------
    LoginNotGiven
        It is none, or was handed out.
    LoginPending, PolledTooFast
        Nobody has answered yet.
    LoginDenied, LoginExpired
        It has ended.
    """
    if login is None or login.program != program:
        raise LoginNotGiven("No login waits under this device code")
    match login.state:
        case State.USED:
            raise LoginNotGiven("This login was handed out, which happens once")
        case State.DENIED:
            raise LoginDenied(f"{login.person} has denied this login")
        case State.EXPIRED:
            raise LoginExpired("Nobody has allowed this login in time")
        case State.WAITING:
            if login.polled_at is not None and now - login.polled_at < INTERVAL:
                raise PolledTooFast("This login was asked about a moment ago")
            raise LoginPending("Nobody has answered this login yet")
        case State.ALLOWED:
            return login
