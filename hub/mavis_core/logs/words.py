"""The words of lines: which of them hold all words and phrases of a question.

An index of SQLite's FTS5 without the texts themselves (https://sqlite.org/fts5.html, "contentless
tables"): numbers of lines come out, lines do not. A *word* is a run of letters, digits and ``_``,
in any case and without accents. What is written without a blank is a *phrase*: ``i-0a1b`` finds
the words ``i`` and ``0a1b`` in a row, as ``"disk is full"`` finds three. A ``*`` at the end of a
word stands for any ending.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson

from mavis_core.errors import Damaged, InvalidInput, Unavailable

__all__ = ["TABLE", "WordFile", "match_of", "numbers_of", "text_of", "write_words"]

TABLE = (
    "CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0,"
    " tokenize=\"unicode61 remove_diacritics 2 tokenchars '_'\")"
)
# What is gathered in memory before it is written: 1 MiB by default, and merged so much the more.
_GATHER = "INSERT INTO words(words, rank) VALUES ('hashsize', 33554432)"
_FIND = (
    "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?"
    " ORDER BY rowid DESC LIMIT ?"
)
_TEXTS = ("summary", "object", "person", "action", "correlation_id")
_PART = re.compile(r'"([^"]*)"(\*?)|([^\s"]+)')
_LETTER = re.compile(r"\w")
_MOST = 20
_LAST = (1 << 63) - 1


def match_of(asked: str) -> str:
    """Return a question as FTS5 has it: all words and phrases must hold, nothing is an operator.

    Raises
    ------
    InvalidInput
        There is no word in it, or there are too many.

    Examples
    --------
    >>> match_of('Disk "not ready" nginx*')
    '"Disk" "not ready" "nginx" *'
    """
    parts = []
    for phrase, star, word in _PART.findall(asked.replace("\0", " ")):
        text, ending = (word.rstrip("*"), word.endswith("*")) if word else (phrase, bool(star))
        if _LETTER.search(text):
            parts.append(f'"{text}" *' if ending else f'"{text}"')
    if not 1 <= len(parts) <= _MOST:
        raise InvalidInput(
            f"{'No word' if not parts else 'Too many words'} in {asked[:60]!r}",
            mend=f'Ask for 1 to {_MOST} words or "phrases"; a * at the end stands for any ending.',
            field="words",
        )
    return " ".join(parts)


def text_of(line: bytes) -> str:
    """Return what words are taken from: the texts of the record in `line`, and those in its data.

    What is no record has none.
    """
    try:
        value = orjson.loads(line)  # takes half the time
    except ValueError:
        try:
            value = json.loads(line)  # takes numbers of any size
        except (ValueError, RecursionError):
            return ""
    if not isinstance(value, dict):
        return ""
    texts = [text for name in _TEXTS if isinstance(text := value.get(name), str)]
    if data := value.get("data"):
        texts += _texts_in(data)
    return "\n".join(texts)


def _texts_in(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def write_words(texts: Iterable[tuple[int, str]], target: Path) -> None:
    """Write the index of `texts`, each with the number of its line, as the new file `target`.

    Raises
    ------
    Unavailable
        The disk is full. There is no file then.
    """
    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as database:
            # Durability is the caller's: a file that a crash leaves is made anew.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            database.execute(TABLE)
            database.execute(_GATHER)
            database.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", texts)
            database.execute("INSERT INTO words(words) VALUES ('optimize')")
            database.execute("COMMIT")
            database.execute("VACUUM")
    except sqlite3.Error as exc:
        target.unlink(missing_ok=True)
        raise Unavailable(
            f"The words of {target} cannot be written: {exc}",
            mend="Free disk space; nothing is lost: the journal has the records.",
            retry_after_s=60,
        ) from exc
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def numbers_of(
    database: sqlite3.Connection, asked: str, first: int, last: int, limit: int
) -> list[int]:
    """Return what `WordFile.numbers` does, from an open file."""
    found = database.execute(_FIND, (match_of(asked), first, last, limit))
    return [row[0] for row in found]


class WordFile:
    """An index that was written.

    Parameters
    ----------
    path
        The file; it is never written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def numbers(
        self, asked: str, *, first: int = 0, last: int = _LAST, limit: int = 1000
    ) -> list[int]:
        """Return the numbers of up to `limit` lines that hold what is asked for, the last first.

        Parameters
        ----------
        asked
            Words and phrases; all must hold.
        first, last
            Only lines with numbers between these.

        Raises
        ------
        InvalidInput
            There is no word in `asked`.
        Damaged
            The file cannot be read.
        """
        with self._opened() as database:
            return numbers_of(database, asked, first, last, limit)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            address = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(address, uri=True)) as database:
                yield database
        except sqlite3.Error as exc:
            raise Damaged(f"The words of {self.path.name} cannot be read: {exc}") from exc
