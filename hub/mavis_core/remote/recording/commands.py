"""Commands that people type at a shell, read from the screen. Pure.

A terminal tells nobody what a command is. What can be seen: before the first key of a line stands
the *prompt*, at Enter the rest of the line is the *command*, and what comes until the next prompt
is its *output*. So what is read is what the screen showed: completed words and recalled lines are
as they ran, aliases and scripts are not looked into, and a device may show what it likes. What is
typed into a program that has the whole screen, at prompts for secrets, and where nothing is echoed,
is no command.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from mavis_core.remote.recording.cast import Decoder
from mavis_core.remote.recording.masking import asks_for_secret
from mavis_core.remote.recording.terminal import Left, Terminal

__all__ = ["MOST_COMMAND", "MOST_OUTPUT", "CommandReader", "ScreenCommand"]

MOST_COMMAND = 4_096
MOST_OUTPUT = 4_096
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?|[\x00-\x1f\x7f]")
_ENTER = ("\r", "\n")
_GIVEN_UP = ("\x03", "\x04", "\x1a")  # Ctrl-C, Ctrl-D, Ctrl-Z
_PASTE = ("\x1b[200~", "\x1b[201~")
_MOST_AHEAD, _MOST_PROMPTS = 50, 8
_LINES_BETWEEN = 3  # of others, between Enter and the line's end: what runs in the background


@dataclass(frozen=True, slots=True)
class ScreenCommand:
    """A command as the screen showed it.

    Parameters
    ----------
    at_s
        When Enter was pressed, in seconds of the session.
    prompt
        What stood before it on its line.
    command
        At most `MOST_COMMAND` characters.
    output
        The beginning of what came until the next prompt, at most `MOST_OUTPUT` characters.
    cut
        Whether there was more output.
    lasted_s
        Until the next prompt, or the next command.
    """

    at_s: float
    prompt: str
    command: str
    output: str
    cut: bool
    lasted_s: float


class CommandReader:
    """Reads the commands of one terminal. One thread at a time may call it.

    Parameters
    ----------
    on_command
        Told each command once its output is over.
    columns
        Of the terminal.
    """

    def __init__(self, on_command: Callable[[ScreenCommand], None], columns: int = 80) -> None:
        self._on_command = on_command
        self._terminal = Terminal(columns)
        self._shown, self._typed = Decoder(), Decoder()
        self._prompt: str | None = None  # what stood on the line before its first key
        self._keys: str | None = ""  # what was typed on the line; None: not by letters alone
        self._beside = ""  # what stands at the right of the prompt
        self._entered: deque[_Entered] = deque(maxlen=_MOST_AHEAD)
        self._prompts: deque[str] = deque(maxlen=_MOST_PROMPTS)
        self._running: _Running | None = None

    def resize(self, columns: int) -> None:
        """Take note of another width."""
        self._terminal.columns = max(1, columns)

    def output(self, data: bytes, at_s: float) -> None:
        """Look at what the device sent."""
        text = self._shown.feed(data)
        running = self._running
        if not self._entered and (running is None or running.full):
            left = self._terminal.skim(text)
        else:
            left = self._terminal.glance(text)
        for line in left:
            self._line(line, at_s)
        if (running := self._running) is not None:
            running.seen_s = at_s
            if not self._terminal.alternate and self._terminal.before_cursor == running.prompt:
                self._over()

    def input(self, data: bytes, at_s: float) -> None:
        """Look at what was typed."""
        at, text = 0, self._typed.feed(data)
        for control in _CONTROL.finditer(text):
            self._letters(text[at : control.start()])
            at = control.end()
            if control[0] in _ENTER:
                self._enter(at_s)
            elif control[0] in _GIVEN_UP:
                self._prompt, self._keys = None, ""
            elif control[0] not in _PASTE:
                self._key()
                self._keys = None
        self._letters(text[at:])

    def end(self) -> None:
        """Tell the last command: the session is over."""
        self._over()

    def _letters(self, text: str) -> None:
        if text:
            self._key()
            if self._keys is not None and len(self._keys) < MOST_COMMAND:
                self._keys += text

    def _key(self) -> None:
        if self._prompt is None and not self._terminal.alternate:
            # with Enter just pressed, and its echo under way, this is no prompt yet
            self._prompt = "" if self._entered else self._terminal.before_cursor
            self._beside = self._terminal.current[len(self._prompt) :].strip()

    def _enter(self, at_s: float) -> None:
        prompt, self._prompt = self._prompt, None
        keys, self._keys = self._keys, ""
        if prompt is None or self._terminal.alternate or asks_for_secret(prompt):
            return
        prompt = prompt if prompt.strip() else ""
        self._entered.append(_Entered(at_s, prompt, keys))

    def _line(self, line: Left, at_s: float) -> None:
        if line.alternate:
            return
        entered = self._match(line.text)
        if entered is None:
            if self._running is not None:
                self._running.add(line.text)
            return
        command = (_after(entered.prompt, line.text) or "").strip()
        if self._beside and command.endswith(f" {self._beside}"):
            command = command.removesuffix(self._beside).rstrip()
        if command and entered.typed(command):
            self._over()
            self._running = _Running(entered.at_s, entered.prompt, command[:MOST_COMMAND], at_s)
            if entered.prompt not in self._prompts:
                self._prompts.append(entered.prompt)
        elif self._running is not None:
            self._running.add(line.text)

    def _match(self, line: str) -> _Entered | None:
        """Return at which Enter `line` was left, and drop it with those before it."""
        for at, entered in enumerate(self._entered):
            if entered.prompt and _after(entered.prompt, line) is not None:
                for _ in range(at + 1):
                    self._entered.popleft()
                return entered
        if not self._entered:
            return None
        for prompt in self._prompts:  # typed ahead: the prompt came later
            if _after(prompt, line):
                first = self._entered.popleft()
                return _Entered(first.at_s, prompt, first.keys)
        self._entered = deque(
            (each for each in self._entered if not each.passed_by()), maxlen=_MOST_AHEAD
        )
        return None

    def _over(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            self._on_command(running.told())


class _Entered:
    """Enter was pressed; the line with the command is still to be left.

    Parameters
    ----------
    prompt
        What stood before the command; empty: nothing did, and the prompt may still come.
    keys
        What was typed, where it was letters alone.
    """

    def __init__(self, at_s: float, prompt: str, keys: str | None) -> None:
        self.at_s, self.prompt, self.keys = at_s, prompt, keys
        self._lines = 0

    def typed(self, command: str) -> bool:
        """Return whether what was typed may have become `command`, and not something unseen.

        Shells expand words while they are typed; the first letter stays.
        """
        return self.keys is None or command[:1] == self.keys.strip()[:1]

    def passed_by(self) -> bool:
        """Return whether another line that is not it was one too many."""
        self._lines += 1
        return bool(self.prompt) and self._lines > _LINES_BETWEEN


class _Running:
    """A command whose output still comes."""

    def __init__(self, at_s: float, prompt: str, command: str, seen_s: float) -> None:
        self.at_s, self.prompt, self.command, self.seen_s = at_s, prompt, command, seen_s
        self._lines: list[str] = []
        self._room, self._cut = MOST_OUTPUT, False

    @property
    def full(self) -> bool:
        """Whether no more of its output is kept."""
        return self._cut

    def add(self, line: str) -> None:
        """Take a line of output."""
        if self._cut:
            return
        self._cut = len(line) > self._room
        self._lines.append(line[: self._room])
        self._room -= min(self._room, len(line) + 1)

    def told(self) -> ScreenCommand:
        """Return it as far as it was seen."""
        return ScreenCommand(
            self.at_s,
            self.prompt,
            self.command,
            "\n".join(self._lines),
            self._cut,
            max(0.0, self.seen_s - self.at_s),
        )


def _after(prompt: str, line: str) -> str | None:
    """Return what follows the prompt on a line; None where the line does not begin with it."""
    if line.startswith(prompt):
        return line[len(prompt) :]
    return "" if line == prompt.rstrip() else None
