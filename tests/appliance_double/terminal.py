"""A pseudo-terminal, and a person at it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable

Spawn = Callable[..., subprocess.Popen[bytes]]


class Terminal:
    """A process of the command line with a terminal, and what a person does there."""

    def __init__(self, spawn: Spawn, *words: str, **environment: str) -> None:
        self._master, slave = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40", **environment}
        self.process = spawn(
            *words, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} never came: {self.shown!r}"

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        deadline = time.monotonic() + 20
        while self._read(deadline):
            pass
        os.close(self._master)
        return self.process.wait(10)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux: the other side has closed
            return False
        self.shown += data.decode()
        return bool(data)
