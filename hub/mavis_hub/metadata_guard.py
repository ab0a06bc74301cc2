"""Cloud metadata addresses are closed to everybody on the machine but root and the worker.

On a cloud machine these addresses hand out the machine's own credentials to whoever asks. Policy
routing refuses packets to them by the Unix user of the socket (``uidrange`` of ip-rule(8)), so
no firewall needs to be installed. The rules have a priority of their own, by which they are
found, compared and removed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ADDRESSES", "Guard", "GuardFailed"]

ADDRESSES = {"-4": "169.254.169.254/32", "-6": "fd00:ec2::254/128"}
_PRIORITY = 16925
_LAST_UID = 2**32 - 2
_IPV6 = Path("/proc/sys/net/ipv6")


class GuardFailed(Exception):
    """The machine does not let us; the message is its own words."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules for one set of users.

    Parameters
    ----------
    allowed_uid
        The user number beside 0 that may ask, which is the platform worker's.
    """

    allowed_uid: int

    @property
    def ranges(self) -> tuple[str, ...]:
        """The user numbers that are refused, as ip-rule writes them."""
        parts = ((1, self.allowed_uid - 1), (self.allowed_uid + 1, _LAST_UID))
        return tuple(f"{low}-{high}" for low, high in parts if low <= high)

    def is_closed(self) -> bool:
        """Whether exactly our rules are there, for every family that the machine has."""
        try:
            return all(_present(family) == set(self.ranges) for family in _families())
        except GuardFailed:
            return False

    def close(self) -> None:
        """Put the rules in place; those that are there already stay.

        Raises
        ------
        GuardFailed
            ``ip`` is missing, or the machine does not allow it (a container without
            CAP_NET_ADMIN).
        """
        for family in _families():
            if _present(family) != set(self.ranges):
                _remove(family)
                for uids in self.ranges:
                    rule = ("to", ADDRESSES[family], "uidrange", uids, "prohibit")
                    _ip(family, "rule", "add", "priority", str(_PRIORITY), *rule)

    @staticmethod
    def open() -> None:
        """Remove the rules."""
        for family in _families():
            _remove(family)


def _families() -> tuple[str, ...]:
    return ("-4", "-6") if _IPV6.exists() else ("-4",)


def _present(family: str) -> set[str]:
    """Return the user ranges of our priority."""
    listed = json.loads(_ip(family, "-json", "rule", "show", "priority", str(_PRIORITY)) or "[]")
    return {f"{rule.get('uid_start')}-{rule.get('uid_end')}" for rule in listed}


def _remove(family: str) -> None:
    for _ in _present(family):
        _ip(family, "rule", "delete", "priority", str(_PRIORITY))


def _ip(*arguments: str) -> str:
    program = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        raise GuardFailed("the program ip is missing (Debian: iproute2)")
    done = subprocess.run(  # noqa: S603 - fixed program and words
        [program, *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode != 0:
        raise GuardFailed(done.stderr.strip() or f"ip ended with {done.returncode}")
    return done.stdout
