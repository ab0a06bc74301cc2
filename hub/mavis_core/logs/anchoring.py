"""Seals in stores where the appliance's administrators cannot change them: anchors by themselves.

``seals/<first>-<last>.jsonl`` holds the seals that were new at a moment, as they are: a seal tells
numbers and hashes, and no record. Which were copied is known from the keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

from mavis_core import clock
from mavis_core.errors import Damaged, Unavailable
from mavis_core.logs.evidence import Seal
from mavis_core.logs.sealing import read_marks
from mavis_core.objects import ObjectStore

__all__ = ["SealCopies", "copied_seals"]

_SEALS = "seals/"
_KEY = re.compile(r"seals/\d{12}-(\d{12})\.jsonl")
_MOST = 10_000


class SealCopies:
    """Copies the seals of one journal to a store. One thread calls `step`.

    Parameters
    ----------
    folder
        The journal's.
    store
        Where copies go.
    keep
        How long the store must keep them; zero: no promise.
    """

    def __init__(self, folder: Path, store: ObjectStore, keep: timedelta) -> None:
        self._folder, self._store, self._keep = folder, store, keep
        self._offset = 0
        self._last: int | None = None

    def step(self) -> bool:
        """Copy what is new; return whether there may be more.

        Raises
        ------
        Unavailable
            The store does not answer, or the seals cannot be read.
        Conflict
            Another seal of that number was copied: this log was set back or written anew.
        """
        if self._last is None:
            self._last = _last_copied(self._store)
        fresh: list[Seal] = []
        offset = self._offset
        try:
            for mark, after in islice(read_marks(self._folder, self._offset), _MOST):
                offset = after
                if mark.sealed.seal.number > self._last:
                    fresh.append(mark.sealed.seal)
        except ValueError as exc:
            raise Unavailable(
                f"The seals of the journal in {self._folder} cannot be read: {exc}",
                mend="Bring the file back from the backup of the appliance.",
            ) from exc
        if fresh:
            content = "".join(json.dumps(seal.to_json()) + "\n" for seal in fresh)
            key = f"{_SEALS}{fresh[0].number:012d}-{fresh[-1].number:012d}.jsonl"
            until = clock.now() + self._keep if self._keep else None
            self._store.put_bytes(key, content.encode("ascii"), keep_until=until)
            self._last = fresh[-1].number
        more, self._offset = offset > self._offset, offset
        return more


def copied_seals(store: ObjectStore) -> Iterator[Seal]:
    """Yield the seals that were copied to `store`.

    Raises
    ------
    Damaged
        A copy is not what was stored.
    Unavailable
        The store does not answer.
    """
    for key in store.keys(_SEALS):
        try:
            for line in store.read(key).splitlines():
                yield Seal.from_json(json.loads(line))
        except ValueError as exc:
            raise Damaged(f"The copy of seals {key} cannot be read: {exc}") from exc


def _last_copied(store: ObjectStore) -> int:
    """Return the number of the last seal that `store` has; 0 for none."""
    found = (_KEY.fullmatch(key) for key in store.keys(_SEALS))
    return max((int(each[1]) for each in found if each), default=0)
