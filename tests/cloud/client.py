"""The simulator from outside: start it, let things go wrong, read the oracle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True)
class Simulator:
    """A running simulator.

    Parameters
    ----------
    url
        Its address, for ``AWS_ENDPOINT_URL`` and `witness`.
    control
        A client of ``/_control``.
    """

    url: str
    control: httpx.Client

    def fault(
        self,
        action: str,
        effect: str,
        *,
        region: str | None = None,
        account: str | None = None,
        service: str | None = None,
        skip: int = 0,
        times: int = 1,
        seconds: float = 30.0,
        hidden_s: float = 0.0,
    ) -> None:
        """Let `effect` happen to `times` calls of `action`, after `skip` that go well.

        `faults.Effect` has the effects, `faults.Fault` what the other parameters mean.
        """
        place = {"region": region, "account": account, "service": service}
        match = {"action": action} | {name: value for name, value in place.items() if value}
        rule = {"match": match, "effect": effect, "skip": skip, "times": times, "seconds": seconds}
        self._ask("POST", "faults", json=[rule | {"hidden_s": hidden_s}])

    def faults_left(self, action: str | None = None, effect: str | None = None) -> int:
        """Return how many faults have not happened as often as they should.

        Parameters
        ----------
        action, effect
            Which of them; None: any.
        """
        return sum(
            action in (None, each["action"]) and effect in (None, each["effect"])
            for each in self._ask("GET", "faults")
        )

    def wait_for_held(self, timeout_s: float = 30.0) -> int:
        """Return how many calls are held, as soon as there is one; 0 after the timeout."""
        return int(self._ask("GET", "held", params={"timeout": timeout_s})["held"])

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def release(self) -> None:
        """Let held calls and replies go."""
        self._ask("POST", "release")

    def reset(self) -> None:
        """Forget faults, log, settings and everything in the cloud."""
        self._ask("POST", "reset")

    def save(self, path: Path) -> None:
        """Write the whole cloud as it is now into a file."""
        self._ask("POST", "save", json={"file": str(path)})

    def load(self, path: Path) -> None:
        """Let the cloud be the one of a file that `save` wrote, with no faults and no log."""
        self._ask("POST", "load", json={"file": str(path)})

    def settings(self, **changes: float | bool) -> dict[str, Any]:
        """Change some of `overlay.Settings`; return all of them."""
        if not changes:
            return dict(self._ask("GET", "settings"))
        return dict(self._ask("POST", "settings", json=changes))

    def write(self, volume_id: str, blocks: Mapping[int, bytes]) -> None:
        """Write blocks of 512 KiB by number; shorter ones are filled up with zeros."""
        wanted = {str(number): f"hex:{content.hex()}" for number, content in blocks.items()}
        self._ask("POST", "blocks", json={"id": volume_id, "blocks": wanted})

    def blocks(self, one: str) -> dict[int, str]:
        """Return the written blocks of a volume or snapshot: SHA-256 in hex by number."""
        return dict(self._ask("GET", "blocks", params={"id": one}))

    def digest(self, one: str) -> str:
        """Return one SHA-256 of a volume's or snapshot's bytes, whatever its size."""
        return str(self._ask("GET", "digest", params={"id": one})["digest"])

    def folder(self, instance_id: str) -> Path:
        """Return the folder in which the scripts of an instance run: its home."""
        return Path(self._ask("GET", "folder", params={"id": instance_id})["folder"])

    def clear_log(self) -> None:
        """Forget the calls so far."""
        self._ask("DELETE", "log")

    def calls(self, action: str | None = None, *, since: int = 0) -> list[dict[str, Any]]:
        """Return the calls that came, as `oracle.Call` describes them."""
        return self.wait_for_calls(action, 0, since=since, timeout_s=0)

    def wait_for_calls(
        self, action: str | None, at_least: int, *, since: int = 0, timeout_s: float = 30.0
    ) -> list[dict[str, Any]]:
        """Return the calls as soon as `at_least` so many have happened; fail after the timeout."""
        params: dict[str, str | float] = {"since": since, "at_least": at_least}
        params |= {"timeout": timeout_s} | ({"action": action} if action else {})
        found: list[dict[str, Any]] = self._ask("GET", "log", params=params)
        if len(found) < at_least:
            raise TimeoutError(f"{len(found)} of {at_least} calls of {action} in {timeout_s} s")
        return found

    def _ask(self, method: str, what: str, **request: Any) -> Any:
        return self.control.request(method, what, **request).raise_for_status().json()


@contextmanager
def running(arguments: Sequence[str] = ()) -> Iterator[Simulator]:
    """Run a simulator of one's own on any free port, and end it.

    With ``["--state", FILE]`` the next one that gets the same file has the same cloud.
    """
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "--die-with-parent", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the simulator ended with {process.wait()} before it was ready")
        url = f"http://127.0.0.1:{port}"
        with attached(url) as simulator:
            yield simulator
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def attached(url: str) -> Iterator[Simulator]:
    """Talk to a simulator that somebody else runs."""
    with httpx.Client(base_url=f"{url}/_control/", timeout=120, trust_env=False) as control:
        yield Simulator(url, control)


def write_aws_config(path: Path, url: str, profiles: Sequence[str] = ()) -> Path:
    """Write an AWS configuration that leads to `url`; each of `profiles` has a key."""
    lines = ["[default]", f"endpoint_url = {url}"]
    for profile in profiles:
        lines += [f"[profile {profile}]", f"endpoint_url = {url}"]
        lines += [f"aws_access_key_id = AKIA{profile.upper():0<16}"]
        lines += [f"aws_secret_access_key = {profile}-secret"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
