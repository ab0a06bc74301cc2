"""What is recorded of what people type: all but their secrets. Pure.

A key is recorded once the terminal has shown it where the cursor is. What is typed at a prompt for
a secret, and what the terminal does not show within a second, is recorded as ``[masked]``, whatever
its length. Control keys are recorded as they are.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from mavis_core.remote.recording.cast import Decoder
from mavis_core.remote.recording.terminal import Terminal

__all__ = ["MASKED", "InputMask", "asks_for_secret"]

MASKED = "[masked]"
_SHOWN_WITHIN_S = 1.0
_MOST_HELD = 4_096
_PROMPT = re.compile(
    r"(?:pass\s?-?(?:word|phrase|code)|passwd|\bpin\b|token|secret|\botp\b|credential"
    r"|verification code|one-time|authenticator|api.?key|private key|passwort|kennwort"
    r"|mot de passe|contrase|senha|wachtwoord|hasło|парол|密码|密碼|パスワード|비밀번호)"
    r"(?:[^\n]{0,160}[:\uff1a?\])=])?\s*\Z",  # or a colon of full width
    re.IGNORECASE,
)
_KEYS = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f]+)|(?P<other>\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?|[\x00-\x1f\x7f])"
)
_LINE_ENDS = frozenset("\r\n\x03\x04")


def asks_for_secret(line: str) -> bool:
    """Return whether `line`, as it stands before anything is typed, asks for a secret."""
    return _PROMPT.search(line[-400:]) is not None


@dataclass(slots=True)
class _Typed:
    """A part of what was typed: a run of characters that is waited for, or what needs none."""

    text: str
    until_s: float
    line: int
    secret: bool = False
    done: bool = False


class InputMask:
    """Holds what is typed until it is clear what may be recorded of it.

    Parameters
    ----------
    columns
        Of the terminal.
    """

    def __init__(self, columns: int = 80) -> None:
        self._terminal = Terminal(columns)
        self._output, self._input = Decoder(), Decoder()
        self._queue: deque[_Typed] = deque()
        self._line, self._shown_line, self._secret = 0, -1, False
        self._masked_last = False

    def resize(self, columns: int) -> None:
        """Take note of another width."""
        self._terminal.columns = max(1, columns)

    def output(self, data: bytes) -> None:
        """Look at what the device sent."""
        text = self._output.feed(data)
        left = self._terminal.glance(text) if self._queue else self._terminal.skim(text)
        for line in (*(each.text for each in left), self._terminal.before_cursor):
            self._look(line)

    def input(self, data: bytes, now_s: float) -> None:
        """Take what was typed."""
        for key in _KEYS.finditer(self._input.feed(data)):
            if (text := key["text"]) is not None:
                self._character(text, now_s)
            elif self._secret and len(key["other"]) > 1:  # a letter after Escape is one of it
                self._character(key["other"], now_s)
            else:
                self._queue.append(_Typed(key["other"], now_s, self._line, done=True))
                if key["other"] in _LINE_ENDS:
                    self._line, self._secret = self._line + 1, False

    def take(self, now_s: float) -> bytes:
        """Return what may be recorded now, in the order in which it was typed."""
        found = []
        held = sum(len(each.text) for each in self._queue)
        while self._queue:
            typed = self._queue[0]
            if typed.done:
                found.append(typed.text)
                self._masked_last = False
            elif typed.secret or typed.until_s <= now_s or held > _MOST_HELD:
                if not self._masked_last:
                    found.append(MASKED)
                self._masked_last = True
            else:
                break
            held -= len(typed.text)
            self._queue.popleft()
        return "".join(found).encode()

    def end(self) -> bytes:
        """Return what is left, with what was never shown masked."""
        return self.take(float("inf"))

    def _character(self, text: str, now_s: float) -> None:
        if self._shown_line != self._line:  # nothing of it is shown yet
            self._secret = self._secret or asks_for_secret(self._terminal.current)
        last = self._queue[-1] if self._queue else None
        if last is not None and not last.done and last.secret == self._secret:
            last.text += text  # one run: its first character says until when
            return
        self._queue.append(_Typed(text, now_s + _SHOWN_WITHIN_S, self._line, self._secret))

    def _look(self, line: str) -> None:
        """Confirm what stands at the end of `line`, or of what was left of it, as typed."""
        for at, typed in enumerate(self._queue):
            if typed.done:
                continue
            if typed.secret:
                return
            shown = _shown(line, typed.text)
            if not shown:
                return
            rest = typed.text[shown:]
            if not rest.strip():  # a line is given without the spaces at its end
                shown, rest = len(typed.text), ""
            self._shown_line = typed.line
            typed.text, typed.done = typed.text[:shown], True
            if rest:
                self._queue.insert(at + 1, _Typed(rest, typed.until_s, typed.line))
            return


def _shown(line: str, text: str) -> int:
    """Return how much of the beginning of `text` is the end of `line`."""
    line = line.rstrip() if not text.endswith(" ") and line.endswith(" ") else line
    for count in range(min(len(text), len(line)), 0, -1):
        if line.endswith(text[:count]):
            return count
    return 0
