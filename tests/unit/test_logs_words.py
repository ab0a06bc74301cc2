"""Words and phrases find the lines that hold them, and no input is an operator."""

from __future__ import annotations

import random
import re
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.errors import Damaged, InvalidInput, Unavailable
from mavis_core.logs.words import WordFile, match_of, write_words

WORDS = ("disk", "full", "Fläche", "nginx", "i-0a1b", "restart_all", "web-1", "OK", "日本", "x")


def plain(text: str) -> list[str]:
    """Return the words of a text, as the module says what a word is."""
    letters = unicodedata.normalize("NFD", text.lower())
    return re.findall(r"\w+", "".join(each for each in letters if not unicodedata.combining(each)))


def holds(text: str, part: str) -> bool:
    words, wanted = plain(text), plain(part)
    ending = part.rstrip('"').endswith("*") or part.endswith("*")

    def fits(at: int) -> bool:
        there = words[at : at + len(wanted)]
        if ending and there:
            return (
                there[:-1] == wanted[:-1]
                and there[-1].startswith(wanted[-1])
                and (len(there) == len(wanted))
            )
        return there == wanted

    return any(fits(at) for at in range(len(words)))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = random.Random(5)
    return [" ".join(rng.choices(WORDS, k=rng.randrange(1, 6))) for _ in range(500)]


@pytest.fixture(scope="module")
def file(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> WordFile:
    path = tmp_path_factory.mktemp("words") / "words"
    write_words(enumerate(texts, start=100), path)
    return WordFile(path)


ASKED: dict[str, list[str]] = {
    "disk": ["disk"],
    "DISK full": ["disk", "full"],
    '"disk full"': ["disk full"],
    '"full disk" nginx': ["full disk", "nginx"],
    "flache": ["flache"],
    "i-0a1b": ["i-0a1b"],
    "i-0a*": ["i-0a*"],
    "restart_all": ["restart_all"],
    "restart": ["restart"],
    "re*": ["re*"],
    '"web 1"': ["web 1"],
    '"disk ngi"*': ["disk ngi*"],
    "日本": ["日本"],
    "disk OR full": ["disk", "or", "full"],
    "-disk": ["disk"],
    "summary:disk": ["summary disk"],
    "nothing": ["nothing"],
}


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_finds_what_holds_it(
    asked: str, texts: list[str], file: WordFile
) -> None:
    expected = [
        number
        for number, text in enumerate(texts, start=100)
        if all(holds(text, part) for part in ASKED[asked])
    ]
    assert file.numbers(asked) == expected[::-1]


def test_a_page_goes_on_where_the_last_one_ended(file: WordFile) -> None:
    everything = file.numbers("disk")
    assert len(everything) > 20
    first = file.numbers("disk", limit=7)
    assert first + file.numbers("disk", last=first[-1] - 1) == everything


@settings(max_examples=200)
@given(st.text(max_size=20))
def test_no_question_is_an_error_of_the_index(file: WordFile, asked: str) -> None:
    with suppress(InvalidInput):
        found = file.numbers(asked)
        assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("asked", ["", "  ", '""', "*", "- . !", '"', " ".join("a" * 21)])
def test_a_question_without_words_is_told(asked: str) -> None:
    with pytest.raises(InvalidInput, match=r"No word|Too many words"):
        match_of(asked)


def test_what_is_no_index_is_told(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Damaged, match="words cannot be read"):
        WordFile(path).numbers("disk")
    with pytest.raises(Damaged):
        WordFile(tmp_path / "missing").numbers("disk")
    assert not (tmp_path / "missing").exists()


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        write_words([(1, "x")], tmp_path / "no" / "words")

    def texts() -> Any:
        yield 1, "x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_words(texts(), tmp_path / "words")
    assert list(tmp_path.iterdir()) == []
