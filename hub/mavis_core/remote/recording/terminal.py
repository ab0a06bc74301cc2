"""The line that a terminal's cursor is in, and the lines that it has left. Pure.

No picture of the screen: one logical line, which may be wrapped over several rows. Control
functions are those of ECMA-48 and of xterm
(https://invisible-island.net/xterm/ctlseqs/ctlseqs.html); those that draw elsewhere end the line,
all others are passed over. Whatever comes, memory stays bounded.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

__all__ = ["Left", "Terminal"]

_LONGEST = 16_384  # cells of a line; what is longer is more than one
_HELD = 4_096  # of a control function whose end has not come
_STRING = r"\x1b[\]PX^_]"
_ENDED = r"(?:\x07|\x18|\x1a|\x1b\\|(?=\x1b[^\\]))"
_TOKEN = re.compile(
    r"(?P<plain>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"
    rf"|{_STRING}[^\x07\x18\x1a\x1b]*{_ENDED}"
    r"|\x1b(?![\[\]PX^_])[ -/]*(?P<escape>[0-~])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
)
_BEGUN_STRING = re.compile(rf"{_STRING}[^\x07\x18\x1a\x1b]*\x1b?\Z")
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[ -/]*)\Z")
_STRING_END = re.compile(_ENDED)
_SWITCH = re.compile(r"\x1b\[\?(?:[0-9;]*;)?(?:1049|1047|47)(?:;[0-9;]*)?([hl])")
_ALTERNATE = frozenset({"1049", "1047", "47"})
_GLANCE = 4_096
_SKIM = 512


class Left(NamedTuple):
    """A line that the cursor has left, without spaces at its end.

    Parameters
    ----------
    alternate
        Whether a program had the whole screen.
    """

    text: str
    alternate: bool


class Terminal:
    """Follows what a terminal is sent.

    Parameters
    ----------
    columns
        Where it wraps.
    """

    def __init__(self, columns: int = 80) -> None:
        self.columns = max(1, columns)
        self.alternate = False
        """Whether a program has the whole screen: an editor, a pager."""
        self._cells: list[str] = []
        self._row, self._column = 0, 0  # where the cursor's row begins in the line; its column
        self._held, self._in_string = "", False
        self._left: list[Left] = []
        self._above: list[str] | None = (
            None  # the line just left, into which the cursor may go back
        )

    @property
    def current(self) -> str:
        """The text of the line that the cursor is in."""
        return "".join(self._cells)

    @property
    def unsettled(self) -> bool:
        """Whether a control function is not over, or a program has the whole screen."""
        return self.alternate or self._in_string or bool(self._held)

    @property
    def before_cursor(self) -> str:
        """The part of it that stands before the cursor."""
        return "".join(self._cells[: self._row + self._column])

    def feed(self, text: str) -> list[Left]:
        """Return the lines that the cursor has left by `text`."""
        text = self._resumed(text)
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                at = self._unfinished(text, at)
                continue
            at = token.end()
            if (plain := token["plain"]) is not None:
                self._put(plain)
            elif (control := token["control"]) is not None:
                self._control(control)
            elif (final := token["final"]) is not None:
                self._sequence(token["parameters"], final)
            elif token["escape"] == "c":  # reset
                self._leave()
                self.alternate = False
        left, self._left, self._above = self._left, [], None
        return left

    def glance(self, text: str) -> list[Left]:
        """Do what `feed` does, and pass over lines in the middle where there is much of it."""
        cut = text.rfind("\n", 0, -_GLANCE) if len(text) > 2 * _GLANCE else -1
        if cut <= _GLANCE:
            return self.feed(text)
        left = self.feed(text[:_GLANCE])
        self._passed(text[_GLANCE:cut])
        return left + self.feed(text[cut:])

    def skim(self, text: str) -> list[Left]:
        """Do what `feed` does, and pass over all lines but the last where there is much of it."""
        cut = text.rfind("\n") + 1
        if cut <= _SKIM:
            return self.feed(text)
        self._passed(text[:cut])
        return self.feed(text[cut:])

    def _passed(self, text: str) -> None:
        """Know of whole lines that are passed over what matters later."""
        self._held, self._in_string = "", False
        if "\x1b[?" in text and (switches := _SWITCH.findall(text)):
            self.alternate = switches[-1] == "h"
        self._cells.clear()
        self._row = self._column = 0

    # Pieces

    def _resumed(self, text: str) -> str:
        text, self._held = self._held + text, ""
        if not self._in_string:
            return text
        end = _STRING_END.search(text)
        if end is None:
            self._held = "\x1b" if text.endswith("\x1b") else ""
            return ""
        self._in_string = False
        return text[end.end() :]

    def _unfinished(self, text: str, at: int) -> int:
        """Return where to go on after what is no token, which waits where its end may come."""
        rest = text[at:]
        if _BEGUN_STRING.match(rest):
            if len(rest) <= _HELD:
                self._held = rest
            else:
                self._in_string = True
            return len(text)
        if len(rest) <= _HELD and _BEGUN.match(rest):
            self._held = rest
            return len(text)
        return at + 1

    def _put(self, text: str) -> None:
        self._above = None
        cells = list(text) if text.isascii() else _cells(text)
        while cells:
            if self._column >= self.columns:
                self._row, self._column = self._row + self.columns, 0
            part = cells[: self.columns - self._column]
            cells = cells[len(part) :]
            at = self._row + self._column
            if at > len(self._cells):
                self._cells += " " * (at - len(self._cells))
            self._cells[at : at + len(part)] = part
            self._column += len(part)
            if len(self._cells) >= _LONGEST:
                self._leave()

    def _control(self, control: str) -> None:
        if control in "\n\v\f\x84\x85":
            self._down()
        elif control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(0, min(self._column, self.columns - 1) - 1)
        elif control == "\t":
            self._column = min(self._column // 8 * 8 + 8, self.columns - 1)

    def _sequence(self, parameters: str, final: str) -> None:
        if parameters.startswith("?"):
            if final in "hl" and _ALTERNATE & set(parameters[1:].split(";")):
                self._leave()
                self.alternate = final == "h"
            return
        first = parameters.partition(";")[0]
        number = min(int(first), _LONGEST) if first.isascii() and first.isdigit() else 0
        self._move(final, number)
        self._edit(final, number)

    def _move(self, final: str, number: int) -> None:
        count = max(1, number)
        if final in "Ca":
            self._column = min(self._column + count, self.columns - 1)
        elif final == "D":
            self._column = max(0, self._column - count)
        elif final in "G`":
            self._column = min(count, self.columns) - 1
        elif final == "A":
            self._up(count)
        elif final == "B" and self._row + self.columns * count <= len(self._cells):
            self._row += self.columns * count
        elif final in "BEFHdfrSTLM" or (final == "J" and number >= 1):
            self._leave()

    def _down(self) -> None:
        if self._row + self.columns < len(self._cells):
            self._row += self.columns
        else:
            cells = self._cells.copy()
            self._leave()
            self._above = cells

    def _up(self, count: int) -> None:
        if self._above and not self._cells:
            self._cells, self._above = self._above, None
            if self.current.rstrip():
                self._left.pop()
            self._row = (len(self._cells) - 1) // self.columns * self.columns
            count -= 1
        row = self._row - self.columns * count
        if row < 0:
            self._leave()
        else:
            self._row = row

    def _edit(self, final: str, number: int) -> None:
        at, count = self._row + self._column, max(1, number)
        if final == "K":
            self._erase(at, number)
        elif final == "J" and number == 0:
            del self._cells[at:]
        elif final == "P":
            self._delete(at, count)
        elif final == "@":
            self._insert(at, count)
        elif final == "X":
            end = min(at + count, self._row_end)
            if at < end:
                self._cells[at:end] = [" "] * (end - at)

    @property
    def _row_end(self) -> int:
        return min(self._row + self.columns, len(self._cells))

    def _delete(self, at: int, count: int) -> None:
        """Delete cells of the row; its rest moves, and no other row does."""
        end = self._row_end
        if at >= end:
            return
        blank = [] if end == len(self._cells) else [" "] * min(count, end - at)
        self._cells[at:end] = self._cells[at + count : end] + blank

    def _insert(self, at: int, count: int) -> None:
        """Insert blanks in the row; what leaves it at its end is gone."""
        end = self._row_end
        if at < end:
            room = self._row + self.columns - at
            self._cells[at:end] = ([" "] * count + self._cells[at:end])[:room]

    def _erase(self, at: int, number: int) -> None:
        end = self._row_end
        if number == 0:
            if end == len(self._cells):
                del self._cells[at:]
            elif at < end:
                self._cells[at:end] = [" "] * (end - at)
        else:
            start, stop = self._row, end if number == 2 else min(at + 1, end)
            if start < stop:
                self._cells[start:stop] = [" "] * (stop - start)

    def _leave(self) -> None:
        line = self.current.rstrip()
        self._cells.clear()
        self._row, self._column, self._above = 0, 0, None
        if line:
            self._left.append(Left(line, self.alternate))


def _cells(text: str) -> list[str]:
    """Return one string a cell: a wide character has an empty one after it."""
    found: list[str] = []
    for char in text:
        if unicodedata.combining(char) or char in "\u200d\ufe0f":
            if found:
                found[-1] += char
        elif unicodedata.east_asian_width(char) in "WF":
            found += [char, ""]
        else:
            found.append(char)
    return found
