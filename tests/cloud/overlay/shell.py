"""Commands that really run: a script for an instance, in a folder that is the instance's own.

Its environment is empty but for the path, the home, which is that folder, and the place of what
would be in ``/var/run``, of which these machines share one; at its timeout it is killed with
everything that it started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Script:
    """What to run, where, for at most how many seconds; the id ends with the instance's."""

    id: str
    instance: str
    text: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a script ended; `status` is a word of SSM's."""

    status: str
    code: int
    output: str
    error: str


class Shells:
    """The scripts that run now. Safe for threads.

    Parameters
    ----------
    folder
        Where the instances' folders are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._cancelled: set[str] = set()

    def folder(self, instance: str) -> Path:
        """Return the folder of an instance; it is made when it is first asked for."""
        path = self._folder / instance
        path.mkdir(parents=True, exist_ok=True)
        return path

    def begin(self, script: Script, ended: Callable[[Outcome], None]) -> None:
        """Start a script; `ended` hears from a thread of its own how it went."""
        home = self.folder(script.instance)
        with self._lock:
            process = self._running[script.id] = subprocess.Popen(
                ["bash", "-c", script.text],
                cwd=home,
                env={"PATH": _PATH, "HOME": str(home), "MAVIS_HOOKS": str(home / "hooks")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        threading.Thread(target=self._wait, args=(script, process, ended), daemon=True).start()

    def cancel(self, one: str) -> None:
        with self._lock:
            process = self._running.get(one)
            if process:
                self._cancelled.add(one)
                _kill(process)

    def stop(self, instance: str) -> None:
        """Kill what runs on an instance: it fails, as its machine goes."""
        with self._lock:
            for one, process in self._running.items():
                if one.endswith(f":{instance}"):
                    _kill(process)

    def clear(self) -> None:
        """End all scripts, and empty all instances' folders."""
        for one in list(self._running):
            self.cancel(one)
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        for one in list(self._running):
            self.cancel(one)

    def _wait(
        self, script: Script, process: subprocess.Popen[bytes], ended: Callable[[Outcome], None]
    ) -> None:
        status = ""
        try:
            output, error = process.communicate(timeout=script.timeout_s)
        except subprocess.TimeoutExpired:
            status = "TimedOut"
            _kill(process)
            output, error = process.communicate()
        with self._lock:
            del self._running[script.id]
            cancelled = script.id in self._cancelled
            self._cancelled.discard(script.id)
        _kill(process)  # what the script left behind in its group
        code = process.returncode
        said = "Cancelled" if cancelled else status or ("Failed" if code else "Success")
        ended(Outcome(said, code, output.decode(errors="replace"), error.decode(errors="replace")))


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
