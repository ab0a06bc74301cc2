"""No secret that is typed is recorded; what the terminal shows of it all is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.remote.recording.masking import MASKED, InputMask, asks_for_secret
from mavis_core.remote.recording.terminal import Terminal

SECRET = "hunter2"


def play(*steps: tuple[str, str]) -> str:
    """Return what is recorded of typing, a tenth of a second a step: ``i`` typed, ``o`` shown."""
    mask, found = InputMask(), b""
    for number, (kind, text) in enumerate(steps):
        if kind == "o":
            mask.output(text.encode())
        else:
            mask.input(text.encode(), number / 10)
        found += mask.take(number / 10)
    return (found + mask.end()).decode()


def test_what_is_shown_is_recorded_with_its_control_keys() -> None:
    assert (
        play(
            ("o", "alice@web:~$ "),
            ("i", "l"),
            ("o", "l"),
            ("i", "s -x"),
            ("o", "s -x"),
            ("i", "\x7f\x1b[D"),
            ("o", "\b\x1b[K"),
            ("i", "\r"),
            ("o", "\r\nfile\r\nalice@web:~$ "),
        )
        == "ls -x\x7f\x1b[D\r"
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "Password: ",
        "[sudo] password for alice: ",
        "alice@web-1's password:",
        "Enter passphrase for key '.ssh/id_ed25519': ",
        "Enter PIN: ",
        "Verification code: ",
        "Passwort: ",
        "Mot de passe : ",
        "密码\uff1a",
        "\x1b[1mPass\x1b[0mword\x1b[K: ",
        "Vault token?",
    ],
)
@pytest.mark.parametrize("echo", ["", "*", SECRET])
@pytest.mark.parametrize("late", [False, True], ids=["", "the command is shown late"])
def test_at_a_prompt_for_a_secret_nothing_is_recorded(prompt: str, echo: str, late: bool) -> None:
    pieces = [("o", letter) for letter in "\r\n" + prompt]
    keys = [step for letter in SECRET for step in (("i", letter), ("o", echo and letter))]
    command = [("i", "su\r"), ("o", "su")] if late else [("i", "su"), ("o", "su"), ("i", "\r")]
    after = [("i", "\r"), ("o", "\r\n$ "), ("i", "w"), ("o", "w")]
    found = play(("o", "$ "), *command, *pieces, *keys, *after)
    assert found == f"su\r{MASKED}\rw"


def test_what_is_not_shown_is_not_recorded_whatever_the_prompt() -> None:
    found = play(("o", "Say the word, alice"), *(("i", each) for each in SECRET), ("i", "\r"))
    assert found == f"{MASKED}\r"


def test_a_secret_that_is_typed_ahead_of_its_prompt_is_masked() -> None:
    found = play(
        ("o", "$ "),
        ("i", "sudo ls\r" + SECRET + "\r"),
        ("o", "sudo ls\r\n"),
        ("o", "[sudo] password for hunter: "),
        ("o", "\r\n"),
    )
    assert found == f"sudo ls\r{MASKED}\r"


typed = st.tuples(st.just("i"), st.text(st.sampled_from("Z \r\b\x7f:Z\t")))
shown = st.tuples(st.just("o"), st.text(st.sampled_from("ab \x1b[?1049hJK;\r\n\b\x7f:")))


@given(st.lists(typed | shown, max_size=30))
def test_no_letter_is_recorded_that_was_never_shown(steps: list[tuple[str, str]]) -> None:
    assert "Z" not in play(*steps)


@pytest.mark.parametrize("line", ["alice@token-server:~$ ", "secrets# ", "a password file", "$ "])
def test_other_lines_are_no_prompts_for_secrets(line: str) -> None:
    assert not asks_for_secret(line)


def test_much_typed_that_nothing_shows_is_not_kept_in_memory() -> None:
    mask = InputMask()
    for _ in range(100):
        mask.input(b"x" * 10_000, 0)
        mask.take(0)
    assert sum(len(each.text) for each in mask._queue) < 20_000


@pytest.mark.parametrize(
    ("sent", "left", "current"),
    [
        ("one\r\ntwo", ["one"], "two"),
        ("abc\b\bX", [], "aXc"),
        ("up 1%\rup 99%", [], "up 99%"),
        ("long\rno\x1b[K", [], "no"),
        ("\x1b]0;title\x07\x1bP1$r\x1b\\\x1b(Bshown", [], "shown"),
        ("\x1b[31mred\x1b[0m", [], "red"),
        ("abcdef\x1b[3D\x1b[2P", [], "abcf"),
        ("abc\x1b[2D\x1b[1@X", [], "aXbc"),
        ("日本\b\b語", [], "日語"),
        ("x" * 12, [], "x" * 12),
        ("x" * 12 + "\x1b[A\x1b[2DY", [], "Y" + "x" * 11),
        ("a\tb", [], "a       b"),
        ("one\x1b[5;1Htwo", ["one"], "two"),
    ],
    ids=repr,
)
def test_a_terminal_has_the_line_of_its_cursor(sent: str, left: list[str], current: str) -> None:
    terminal = Terminal(10)
    assert [line.text for line in terminal.feed(sent)] == left
    assert terminal.current == current
    pieces = Terminal(10)
    assert [line.text for letter in sent for line in pieces.feed(letter)] == left
    assert pieces.current == current


def test_a_program_that_takes_the_whole_screen_is_told() -> None:
    terminal = Terminal()
    assert terminal.feed("$ vi\r\n\x1b[?1049h~\x1b[2;1H~") == [("$ vi", False), ("~", True)]
    assert terminal.alternate
    terminal.feed("\x1b[?1049l$ ")
    assert (terminal.alternate, terminal.current) == (False, "$ ")


@given(st.lists(st.text(st.characters(max_codepoint=0xFF) | st.sampled_from("\x1b[]P;?m"))))
def test_whatever_is_sent_a_terminal_goes_on_and_stays_small(pieces: list[str]) -> None:
    terminal = Terminal(20)
    for each in pieces:
        terminal.feed(each * 50)
        assert len(terminal.current) <= 17_000
        assert len(terminal._held) <= 4_096


def test_a_control_string_without_an_end_takes_no_memory() -> None:
    terminal = Terminal()
    terminal.feed("\x1b]52;")
    for _ in range(1000):
        terminal.feed("A" * 1000)
    assert len(terminal._held) <= 4_096
    terminal.feed("\x07shown")
    assert terminal.current == "shown"


def test_a_glance_sees_the_end_of_much() -> None:
    terminal = Terminal()
    text = "line\r\n" * 5_000 + "\x1b[?1049h" + "row\r\n" * 5_000 + "Password: "
    terminal.glance(text)
    assert (terminal.current, terminal.alternate) == ("Password: ", True)
