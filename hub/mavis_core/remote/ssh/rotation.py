"""A new key or password for a login of a device: the old one goes when the new one has worked.

Each step may be the last one of a process that is killed. Whoever begins again, with the same old
and new credential, goes on where it stopped: what was done is found on the device.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from shlex import quote

from mavis_core.errors import DeviceError, DeviceRefusedLogin, InvalidInput, MavisError
from mavis_core.remote.model import Credential, Endpoint, Password, PrivateKey
from mavis_core.remote.ssh.connecting import connect
from mavis_core.remote.ssh.credentials import check_credential, public_line
from mavis_core.remote.ssh.target import Target

__all__ = ["Step", "rotate"]

_ANSWER_S = 30.0
_MOST = 64 * 1024
_NEW = re.compile(rb"new|again|retype|re-?enter|verify|confirm", re.IGNORECASE)
_QUESTIONS = 3
_OURS = re.compile(r"[^\x20-\x7e]+")

# The line of the old key is copied, so that its options and its comment go over to the new one.
# The file is written beside and put in place at once, with its own mode and, for root, owner.
_ADD = """
set -eu
cd; f=$(readlink -f .ssh/authorized_keys); t="$f.mavis-$$"
trap 'rm -f "$t"' EXIT
if grep -v '^ *#' "$f" | grep -qF -- "$new"; then exit 0; fi
line=$(grep -v '^ *#' "$f" | grep -F -- "$old" | head -n 1)
[ -n "$line" ] || exit 3
cp -p "$f" "$t"
[ -z "$(tail -c 1 "$t")" ] || echo >>"$t"
printf '%s\\n' "$line" | sed "s|[^ ]* *$old|$kind $new|" >>"$t"
sync "$t" 2>/dev/null || sync
mv -f "$t" "$f"
"""
_REMOVE = """
set -eu
cd; f=$(readlink -f .ssh/authorized_keys); t="$f.mavis-$$"
trap 'rm -f "$t"' EXIT
grep -qF -- "$old" "$f" || exit 0
cp -p "$f" "$t"
awk -v key="$old" '/^ *#/ || !index($0, key)' "$f" >"$t"
sync "$t" 2>/dev/null || sync
mv -f "$t" "$f"
"""


class Step(StrEnum):
    """What is to be done, or was done, when the caller is told."""

    STORE = "store"
    """The device gets the new one next: it must be kept, beside the old one, before that."""
    PROVED = "proved"
    """A login with the new one has worked: it is the one to use."""
    DONE = "done"
    """The old one does not work any more."""


def rotate(
    endpoint: Endpoint,
    new: Credential,
    *,
    told: Callable[[Step], None],
    timeout_s: float = 20.0,
    loopback: bool = False,
) -> None:
    """Have the login of `endpoint` take `new` in place of the endpoint's own credential.

    Parameters
    ----------
    told
        Called before the device gets the new one, after the proof, and at the end. What it raises
        ends the rotation there.

    Raises
    ------
    InvalidInput
        The two are not of a kind, or no rotation of this kind is known.
    DeviceError
        The device did not do its part. The message says which of the two works now.
    """
    check_credential(new)
    _Rotation(endpoint, replace(endpoint, credential=new), told, timeout_s, loopback).run()


class _Rotation:
    def __init__(
        self,
        old: Endpoint,
        new: Endpoint,
        told: Callable[[Step], None],
        timeout_s: float,
        loopback: bool,
    ) -> None:
        self._old = old
        self._new = new
        self._told = told
        self._timeout_s = timeout_s
        self._loopback = loopback
        before, after = old.credential, new.credential
        self._change: _Keys | _Passwords
        if isinstance(before, PrivateKey) and isinstance(after, PrivateKey):
            self._change = _Keys(public_line(before), public_line(after))
        elif isinstance(before, Password) and isinstance(after, Password):
            self._change = _Passwords(old.login, before.value, after.value)
        else:
            raise InvalidInput(
                "A key is rotated to a key, and a password to a password",
                mend="Give another access service the other kind, and delete this one.",
                field="kind",
            )

    def run(self) -> None:
        name = self._old.name
        try:
            target = self._connect(self._old)
        except DeviceRefusedLogin:
            self._resume()
            return
        with target:
            self._told(Step.STORE)
            try:
                self._change.add(target)
                self._prove()
            except MavisError as exc:
                raise self._taken_back(target, exc) from exc
        self._told(Step.PROVED)
        with self._connect(self._new) as target:
            try:
                self._change.remove(target)
            except DeviceError as exc:
                raise DeviceError(
                    f"The new key of {name} works and is used; the old one could not be removed: "
                    f"{exc}",
                    mend="Rotate again, or remove the old key on the device.",
                ) from exc
        self._told(Step.DONE)

    def _resume(self) -> None:
        """Go on after the device has taken the new one: the old one is refused already."""
        try:
            target = self._connect(self._new)
        except DeviceRefusedLogin as exc:
            raise DeviceRefusedLogin(
                f"{self._old.name} refuses {self._old.login} with the old and with the new one",
                mend="Set a password or key on the device by hand, and store it.",
            ) from exc
        with target:
            self._told(Step.PROVED)
            self._change.remove(target)
        self._told(Step.DONE)

    def _prove(self) -> None:
        self._connect(self._new).close()

    def _taken_back(self, target: Target, exc: MavisError) -> DeviceError:
        """Undo what was done, by the connection of the old one, and say which one works."""
        undone = True
        try:
            self._change.take_back(target)
        except MavisError:
            undone = False
        try:
            self._connect(self._old).close()
        except MavisError:
            works = "whether the old one still works is not known"
        else:
            works = "the old one still works"
        left = "" if undone else "; the new one may still be known to the device"
        return DeviceError(
            f"The rotation on {self._old.name} has failed, {works}{left}: {exc}", mend=exc.mend
        )

    def _connect(self, endpoint: Endpoint) -> Target:
        return connect(endpoint, timeout_s=self._timeout_s, loopback=self._loopback)


class _Keys:
    """Lines of ``authorized_keys``."""

    def __init__(self, before: str, after: str) -> None:
        self._before = before.split()
        self._after = after.split()

    def add(self, target: Target) -> None:
        status, said = self._run(target, _ADD, self._before[1], self._after)
        if status == 3:
            raise DeviceError(
                f"{target.device} has the old key not in ~/.ssh/authorized_keys",
                mend="Rotate the key where the device keeps it, and store the new one.",
            )
        _check(target, "add the new key", status, said)

    def remove(self, target: Target) -> None:
        _check(target, "remove the old key", *self._run(target, _REMOVE, self._before[1], None))

    def take_back(self, target: Target) -> None:
        _check(target, "remove the new key", *self._run(target, _REMOVE, self._after[1], None))

    @staticmethod
    def _run(target: Target, script: str, old: str, new: list[str] | None) -> tuple[int, str]:
        values = f"old={quote(old)}\n" + (
            f"kind={quote(new[0])} new={quote(new[1])}\n" if new else ""
        )
        return _ran(target, "sh -s", (values + script).encode())


class _Passwords:
    """The password of a Unix user."""

    def __init__(self, login: str, before: str, after: str) -> None:
        self._login = login
        self._before = before
        self._after = after

    def add(self, target: Target) -> None:
        self._set(target, self._before, self._after)

    def remove(self, target: Target) -> None:
        """There is but one password: the old one is gone already."""

    def take_back(self, target: Target) -> None:
        self._set(target, self._after, self._before)

    def _set(self, target: Target, now: str, then: str) -> None:
        status, said = _ran(target, "id -u", b"")
        if status == 0 and said.strip() == "0":
            done = _ran(target, "chpasswd", f"{self._login}:{then}\n".encode())
        else:
            done = _passwd(target, now, then)
        _check(target, "change the password", *done, secrets=(now, then))


def _passwd(target: Target, now: str, then: str) -> tuple[int, str]:
    """Talk to ``passwd``, which asks at a terminal only."""
    stream = target.command("LC_ALL=C passwd", term="dumb")
    stream.limit(_ANSWER_S)
    said, seen = b"", 0
    try:
        while data := stream.receive():
            said = (said + data)[-_MOST:]
            line = said.rpartition(b"\n")[2]
            if b"password" in line.lower() and line.rstrip().endswith(b":"):
                seen += 1
                if seen > _QUESTIONS:
                    break  # it asks for the new one again, because it does not like it
                stream.send(f"{then if _NEW.search(line) else now}\n".encode())
                said += b"\n"
        ended = stream.wait(_ANSWER_S) if seen <= _QUESTIONS else None
    except TimeoutError:
        raise DeviceError(f"{target.device} did not go on to ask for a password") from None
    finally:
        stream.close()
    status = ended.status if ended is not None else None
    return (1 if status is None else status), said.decode("utf-8", "replace")


def _ran(target: Target, command: str, given: bytes) -> tuple[int, str]:
    """Return exit status and bounded output of `command`, which is given `given`."""
    until = time.monotonic() + _ANSWER_S
    stream = target.command(f"exec 2>&1; {command}")
    stream.limit(_ANSWER_S)
    said = b""
    try:
        stream.send(given)
        stream.end_input()
        while data := stream.receive():
            said = (said + data)[-_MOST:]
            stream.limit(max(until - time.monotonic(), 0))
        ended = stream.wait(_ANSWER_S)
    except TimeoutError:
        raise DeviceError(f"{target.device} did not end {command} in time") from None
    finally:
        stream.close()
    status = ended.status if ended is not None else None
    return (1 if status is None else status), said.decode("utf-8", "replace")


def _check(
    target: Target, what: str, status: int, said: str, secrets: tuple[str, ...] = ()
) -> None:
    if status == 0:
        return
    for each in secrets:
        said = said.replace(each, "*")
    told = _OURS.sub(" ", said).strip()[-200:]
    raise DeviceError(f"{target.device} could not {what}: {told or f'exit status {status}'}")
