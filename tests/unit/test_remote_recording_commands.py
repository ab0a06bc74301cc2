"""Commands are read from the screen as people typed them, with what came of them."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.remote.recording.commands import MOST_OUTPUT, CommandReader, ScreenCommand


def read(*steps: tuple[str, str]) -> list[tuple[str, str, str]]:
    """Return prompt, command and output of what is read: ``i`` typed, ``o`` shown."""
    found: list[ScreenCommand] = []
    reader = CommandReader(found.append)
    for number, (kind, text) in enumerate(steps):
        (reader.output if kind == "o" else reader.input)(text.encode(), number)
    reader.end()
    return [(each.prompt, each.command, each.output) for each in found]


def keys(text: str) -> list[tuple[str, str]]:
    return [step for each in text for step in (("i", each), ("o", each))]


ENTER = [("i", "\r"), ("o", "\r\n")]


def test_a_command_has_its_prompt_and_its_output() -> None:
    assert read(
        ("o", "Welcome\r\nalice@web:~$ "),
        *keys("ls"),
        *ENTER,
        ("o", "bin\r\netc\r\nalice@web:~$ "),
        *keys("cd /etc"),
        *ENTER,
        ("o", "alice@web:/etc$ "),
        *keys("id"),
        *ENTER,
        ("o", "uid=0\r\nalice@web:/etc$ "),
    ) == [
        ("alice@web:~$ ", "ls", "bin\netc"),
        ("alice@web:~$ ", "cd /etc", ""),
        ("alice@web:/etc$ ", "id", "uid=0"),
    ]


def test_a_line_is_read_as_it_stood_at_enter() -> None:
    assert read(
        ("o", "\x1b[32m%\x1b[0m "),
        *keys("sudx"),
        ("i", "\x7f"),
        ("o", "\b\x1b[K"),
        *keys("o"),
        ("i", "\t"),
        ("o", " apt"),
        ("i", "\x1b[A"),
        ("o", "\r% uptime\x1b[K"),
        *ENTER,
        ("o", "up 3 days\r\n% "),
    ) == [("% ", "uptime", "up 3 days")]


def test_what_stands_at_the_right_of_a_prompt_is_no_command() -> None:
    assert read(("o", "% \x1b[60C12:30:01\r\x1b[2C"), *keys("ls"), *ENTER, ("o", "a\r\n% ")) == [
        ("% ", "ls", "a")
    ]


def test_secrets_and_what_is_not_shown_are_no_commands() -> None:
    assert read(
        ("o", "$ "),
        *keys("sudo id"),
        *ENTER,
        ("o", "[sudo] password for alice: "),
        ("i", "hunter2\r"),
        ("o", "\r\nuid=0\r\n$ "),
        *keys("su"),
        *ENTER,
        ("o", "Say the word "),
        ("i", "hunter3\r"),
        ("o", "\r\n# "),
    ) == [("$ ", "sudo id", "[sudo] password for alice:\nuid=0"), ("$ ", "su", "Say the word")]


def test_an_editor_has_no_commands() -> None:
    assert read(
        ("o", "$ "),
        *keys("vi x"),
        *ENTER,
        ("o", "\x1b[?1049h\x1b[H~ text"),
        *keys(":wq"),
        ("i", "\r"),
        ("o", "\r\n\x1b[?1049l\r\n$ "),
        *keys("ls"),
        *ENTER,
    ) == [("$ ", "vi x", ""), ("$ ", "ls", "")]


def test_what_is_typed_ahead_or_pasted_is_read_once_its_prompt_is_there() -> None:
    assert read(
        ("o", "$ "),
        ("i", "one\rtwo\r"),
        ("o", "one\r\ntwo\r\n"),
        ("o", "first\r\n$ two\r\nsecond\r\n$ "),
        ("i", "\x1b[200~three\x1b[201~\r"),
        ("o", "three\r\nthird\r\n$ "),
    ) == [("$ ", "one", "two\nfirst"), ("$ ", "two", "second"), ("$ ", "three", "third")]


def test_given_up_lines_and_empty_ones_are_no_commands() -> None:
    assert (
        read(("o", "$ "), *keys("rm -r"), ("i", "\x03"), ("o", "^C\r\n$ "), *ENTER, ("o", "$ "))
        == []
    )


def test_output_is_an_excerpt_and_says_so() -> None:
    found: list[ScreenCommand] = []
    reader = CommandReader(found.append)
    reader.output(b"$ ", 0)
    reader.input(b"cat", 1)
    reader.output(b"cat", 1)
    reader.input(b"\r", 2)
    reader.output(b"\r\n", 2)
    for _ in range(100):
        reader.output(b"line\r\n" * 5_000, 3)
    reader.output(b"$ ", 62)
    (command,) = found
    assert command.cut
    assert command.output.startswith("line\nline\n")
    assert MOST_OUTPUT - 10 < len(command.output) <= MOST_OUTPUT
    assert (command.at_s, command.lasted_s) == (2, 60)


@given(st.lists(st.tuples(st.booleans(), st.text(st.sampled_from("a$ \r\n\b\x1b[?1049hlKA;")))))
def test_whatever_comes_it_goes_on_and_stays_small(steps: list[tuple[bool, str]]) -> None:
    for _, command, output in read(*(("io"[shown], text) for shown, text in steps)):
        assert command
        assert len(output) <= MOST_OUTPUT


START = r"stty cols 40; PS1='me:\w$ ' exec /bin/bash --norc --noprofile -i"


class Shell:
    """A real shell at a terminal, with a reader that sees what passes."""

    def __init__(self, home: Path) -> None:
        self.found: list[ScreenCommand] = []
        self.reader = CommandReader(self.found.append, columns=40)
        self._terminal, end = pty.openpty()
        os.set_blocking(self._terminal, False)
        self._shown = ""
        environ = os.environ | {"HOME": str(home), "TERM": "xterm"}
        self._process = subprocess.Popen(
            ["/usr/bin/setsid", "--ctty", "/bin/bash", "-c", START],
            stdin=end,
            stdout=end,
            stderr=end,
            cwd=home,
            env=environ,
        )
        os.close(end)
        self.until("$ ")

    def type(self, text: str) -> None:
        self.reader.input(text.encode(), 0)
        os.write(self._terminal, text.encode())

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while not self._shown.endswith(text):
            assert time.monotonic() < deadline, self._shown
            if select.select([self._terminal], [], [], 0.1)[0]:
                data = os.read(self._terminal, 4096)
                self.reader.output(data, 0)
                self._shown += data.decode()
        self._shown = ""

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = Shell(tmp_path)
    yield found
    found.close()


def test_a_real_shell_is_read_with_its_line_editing(shell: Shell) -> None:
    long = "echo " + "0123456789" * 9  # over three rows
    for typed in (
        "echo one\r",
        "echo twp\x7fo\r",
        "\x1b[A\x1b[A\r",  # the one before the last, again
        "echo end\x01\x1b[C\x1b[C\x1b[C\x1b[C\x1b[Cthe \x05!\r",  # in the middle, and at the end
        f"{long}\r",
        long + "\x02" * 60 + "\x7f" * 30 + "X\r",
        "mkdir sub; cd sub\r",
        "pwd >/dev/null\r",
    ):
        shell.type(typed)
        shell.until("$ ")
    shell.reader.end()
    assert [(each.prompt, each.command, each.output) for each in shell.found] == [
        ("me:~$ ", "echo one", "one"),
        ("me:~$ ", "echo two", "two"),
        ("me:~$ ", "echo one", "one"),
        ("me:~$ ", "echo the end!", "the end!"),
        ("me:~$ ", long, long[5:]),
        ("me:~$ ", "echo X" + long[-60:], "X" + long[-60:]),
        ("me:~$ ", "mkdir sub; cd sub", ""),
        ("me:~/sub$ ", "pwd >/dev/null", ""),
    ]


def test_a_real_prompt_without_echo_gives_no_command(shell: Shell) -> None:
    shell.type("read -rsp 'Word? ' it; echo got ${#it}\r")
    shell.until("Word? ")
    shell.type("hunter2\r")
    shell.until("$ ")
    shell.reader.end()
    assert [each.command for each in shell.found] == ["read -rsp 'Word? ' it; echo got ${#it}"]
    assert shell.found[0].output.endswith("got 7")
