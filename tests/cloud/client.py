"""The simulator from outside: start it, let things go wrong, read the oracle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
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
        times: int = 1,
        seconds: float = 30.0,
    ) -> None:
        """Let `effect` happen to the next `times` calls of `action`."""
        match = {"action": action} | ({"region": region} if region else {})
        rule = {"match": match, "effect": effect, "times": times, "seconds": seconds}
        self._ask("POST", "faults", json=[rule])

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def release(self) -> None:
        """Let held replies go."""
        self._ask("POST", "release")

    def reset(self) -> None:
        """Forget faults, log and everything in the cloud."""
        self._ask("POST", "reset")

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
    """Run a simulator of one's own on any free port, and end it."""
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
