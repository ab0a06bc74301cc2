"""What a client wants that sends a command: a copy by scp or rsync, SFTP, or just the command.

The command goes to a shell on the device. What a copy names must be read as that shell will read
it, so that only plain words are taken: without variables, without further commands.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from posixpath import basename
from typing import TypeAlias

from mavis_core.errors import InvalidInput
from mavis_hub.gateway.door.ports import Direction

__all__ = ["Command", "RsyncCopy", "ScpCopy", "SftpServer", "Wanted", "read_command"]

_OPERATORS = set(";&|<>()")
_HIDDEN = re.compile(r"[$`\n\r\0!]")
_SCP_FLAGS = set("tfrpdvqTO")
_SFTP = ("sftp-server", "internal-sftp")
# Long options of rsync with which one side of a copy changes nothing but what is copied.
_RSYNC_PLAIN = re.compile(
    r"--(server|sender|numeric-ids|partial|inplace|append|append-verify|no-[a-z-]+|safe-links"
    r"|delete[a-z-]*|force|existing|ignore-[a-z-]+|size-only|stats|checksum-choice=\w+|compress.*"
    r"|bwlimit=.*|timeout=\d+|modify-window=.*|max-size=.*|min-size=.*|block-size=.*|fuzzy|mkpath"
    r"|new-compress|old-compress|info=.*|debug=.*|log-format=.*|out-format=.*|skip-compress=.*"
    r"|open-noatime|specials|copy-[a-z-]*links|fake-super|iconv=.*|protect-args|secluded-args"
    r"|list-only|prune-empty-dirs|one-file-system|sparse|update|chmod=.*|usermap=.*|groupmap=.*"
    r"|max-alloc=.*|max-delete=.*|dirs|old-dirs|relative|mkpath|checksum-seed=.*|stderr=\w+)\Z"
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, for the device's shell."""


@dataclass(frozen=True, slots=True)
class SftpServer:
    """SFTP, by the name of its program."""


@dataclass(frozen=True, slots=True)
class ScpCopy:
    """A copy by scp's own protocol.

    Parameters
    ----------
    folder
        Whether what is copied to is a folder, or folders are copied.
    patterns
        Whether the device's shell looks for the names.
    flags
        Its other letters.
    """

    direction: Direction
    paths: tuple[str, ...]
    folder: bool
    recursive: bool
    patterns: bool
    flags: str = ""

    def command(self) -> str:
        """Return the command of this very copy, for the device's shell."""
        flags = [f"-{self.flags}"] if self.flags else []
        side = "-t" if self.direction is Direction.UPLOAD else "-f"
        return shlex.join(["scp", *flags, side, "--", *self.paths])


@dataclass(frozen=True, slots=True)
class RsyncCopy:
    """A copy by rsync.

    Parameters
    ----------
    plain
        Whether none of its options does anything beside the copy.
    """

    direction: Direction
    paths: tuple[str, ...]
    plain: bool


Wanted: TypeAlias = Command | SftpServer | ScpCopy | RsyncCopy


def read_command(text: str) -> Wanted:
    """Return what `text` wants.

    Raises
    ------
    InvalidInput
        It is a copy in a form that could be more than that.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        return Command()
    program = basename(words[0]) if words else ""
    if program in _SFTP and len(words) == 1:
        return SftpServer()
    if program == "scp" and _has_flag(words, "tf"):
        _check_plain(text, "scp")
        return _scp(text, words)
    if program == "rsync" and "--server" in words:
        _check_plain(text, "rsync")
        return _rsync(words)
    return Command()


def _has_flag(words: list[str], flags: str) -> bool:
    for each in words[1:]:
        if each == "--":
            break
        if each.startswith("-") and not each.startswith("--") and set(flags) & set(each):
            return True
    return False


def _check_plain(text: str, what: str) -> None:
    tokens = shlex.shlex(text, posix=True, punctuation_chars=True)
    tokens.commenters = ""
    if _HIDDEN.search(text) or any(set(each) <= _OPERATORS for each in tokens if each):
        raise InvalidInput(
            f"{what} is taken with plain paths only, without variables and further commands",
            mend="Write the path as it is, or use sftp.",
        )


def _scp(text: str, words: list[str]) -> ScpCopy:
    flags: set[str] = set()
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        flags |= set(words[at][1:])
        at += 1
    if at < len(words) and words[at] == "--":
        at += 1
    paths = tuple(words[at:])
    if not flags <= _SCP_FLAGS or not paths or ("t" in flags) == ("f" in flags):
        raise InvalidInput("scp was asked for in a form that is not known")
    direction = Direction.UPLOAD if "t" in flags else Direction.DOWNLOAD
    return ScpCopy(
        direction,
        paths,
        bool({"d", "r"} & flags),
        "r" in flags,
        bool(set("*?[{") & set(text)),
        "".join(sorted(flags - {"t", "f"})),
    )


def _rsync(words: list[str]) -> RsyncCopy:
    options = [each for each in words[1:] if each.startswith("-")]
    direction = Direction.DOWNLOAD if "--sender" in options else Direction.UPLOAD
    plain = all(_RSYNC_PLAIN.match(each) for each in options if each.startswith("--"))
    paths = tuple(each for each in words[1:] if not each.startswith("-"))
    return RsyncCopy(direction, paths[1:], plain)
