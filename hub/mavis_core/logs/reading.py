"""All lines there ever were, from the archive and the journal, beside a process that moves them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mavis_core.logs.archive import archived_lines, read_catalogue
from mavis_core.logs.journal import START, read_folder
from mavis_core.logs.manifests import Segment
from mavis_core.logs.segments import Line
from mavis_core.objects import ObjectStore

__all__ = ["all_lines"]


def all_lines(
    folder: Path, store: ObjectStore, key: Ed25519PublicKey, scratch: Path
) -> Iterator[tuple[int, Line]]:
    """Yield each line that was ever written, with its number; a damaged one is empty.

    Parameters
    ----------
    folder
        The journal's.
    store
        Where the archive is.
    key
        Signed the archive's catalogue.
    scratch
        A folder for copies of segments, one at a time.

    Raises
    ------
    Damaged
        The catalogue or a segment is not as it was written.
    NotFound
        A segment is not there.
    """
    told = 0
    while True:
        segments = read_catalogue(folder, key)
        for number, line in archived_lines(
            store, [each for each in segments if each.last > told], scratch
        ):
            if number > told:
                told = number
                yield number, line
        try:
            for number, line in _from_journal(folder, segments, key):
                if number > told:
                    told = number
                    yield number, line
        except FileNotFoundError:  # archived meanwhile
            if read_catalogue(folder, key) == segments:
                raise
        else:
            return


def _from_journal(
    folder: Path, segments: tuple[Segment, ...], key: Ed25519PublicKey
) -> Iterator[tuple[int, bytes]]:
    """Yield the lines after `segments`.

    Raises
    ------
    FileNotFoundError
        Some of them are in the archive by now.
    """
    last, place = (segments[-1].last, segments[-1].place) if segments else (0, START)
    lines = read_folder(folder, place)
    begun = list(islice(lines, 1))
    # The first file is open. Files go only after the catalogue has told of it.
    if read_catalogue(folder, key) != segments:
        raise FileNotFoundError(folder)
    for number, line in enumerate(chain(begun, lines), last + 1):
        yield number, line.payload or b""
