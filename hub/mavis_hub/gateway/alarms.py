"""What stands in the way of recordings is an alarm while it does, with a record at both ends.

What stands is kept in a file, so that a restart neither begins an alarm anew nor forgets its end.
A kill between record and file lets the record be written once more: twice, and never not at all.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mavis_core import clock, records
from mavis_core.access import PLATFORM
from mavis_core.db import Database
from mavis_core.folders import private_folder, write_whole
from mavis_core.ids import new_id
from mavis_core.logs.loop import Loop
from mavis_core.remote.alarms import Alarm, Hindrance, alarms_of
from mavis_core.remote.recording import Health

__all__ = ["Alarms"]

logger = logging.getLogger(__name__)

_EVERY_S = 1.0
_STANDS_S = 5.0  # a store that answers again within that has held nothing up


class Alarms:
    """Looks every second.

    Parameters
    ----------
    database
        Takes the records.
    health
        Says how recording goes.
    path
        The file of what stands.
    """

    def __init__(self, database: Database, health: Callable[[], Health], path: Path) -> None:
        self._database, self._health, self._path = database, health, path
        self._since = _read(path)
        self._untried = Hindrance.STORE in self._since
        self._failing_since: float | None = None
        self._standing: tuple[Alarm, ...] = ()
        self._loop = Loop("recording-alarms", self._step, every_s=_EVERY_S, after_failure_s=5.0)

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    def stop(self) -> None:
        """End; what stands is known at the next start."""
        self._loop.stop()

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """What stands in the way now."""
        return self._standing

    def look(self) -> None:
        """Compare what there is with what stood, and write what began and what ended."""
        health = self._health()
        found = self._found(health)
        before = self._since
        since = {what: before.get(what) or clock.now() for what in Hindrance if what in found}
        self._standing = alarms_of(health, since)  # people are told, recorded or not
        if since.keys() == before.keys():
            return
        begun = [each for each in self._standing if each.what not in before]
        over = {what: began for what, began in before.items() if what not in since}
        with self._database.write() as tx:
            records.write(tx, *(_begun(each, health) for each in begun))
            records.write(tx, *(_ended(*each, health) for each in over.items()))
        self._since = since
        for each in begun:
            logger.error("recording.alarm what=%s text=%s", each.what, each.text)
        for what in over:
            logger.warning("recording.alarm_end what=%s", what)
        private_folder(self._path.parent)
        write_whole(self._path, json.dumps(_told(since)).encode())

    def _step(self) -> bool:
        self.look()
        return False

    def _found(self, health: Health) -> frozenset[Hindrance]:
        found = set()
        if self._store_fails(health):
            found.add(Hindrance.STORE)
        if health.alarm:
            found.add(Hindrance.SPOOL)
        if health.troubles:
            found.add(Hindrance.DAMAGE)
        return frozenset(found)

    def _store_fails(self, health: Health) -> bool:
        if health.error is None:
            self._failing_since = None
            # Nothing was sent since the start: it may fail as it did before.
            self._untried = self._untried and health.waiting > 0
            return self._untried
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        self._untried = False
        stood = Hindrance.STORE in self._since
        return stood or now - self._failing_since >= _STANDS_S


def _begun(alarm: Alarm, health: Health) -> records.Record:
    return _record(
        "recording.alarm",
        records.Outcome.FAILED,
        alarm.what,
        alarm.text,
        health,
        mend=alarm.mend,
        why=alarm.why,
    )


def _ended(what: Hindrance, began: datetime, health: Health) -> records.Record:
    text = {
        Hindrance.STORE: "The object store takes recordings again",
        Hindrance.SPOOL: "The spool of recordings has room again",
        Hindrance.DAMAGE: "No recording is held up by itself any more",
    }[what]
    return _record(
        "recording.alarm_end", records.Outcome.OK, what, text, health, since=clock.iso(began)
    )


def _record(
    action: str,
    outcome: records.Outcome,
    what: Hindrance,
    text: str,
    health: Health,
    **data: str,
) -> records.Record:
    return records.Record(
        kind=records.Kind.AUDIT,
        phase=records.Phase.EVENT,
        outcome=outcome,
        action=action,
        person=PLATFORM.name,
        object=f"recordings/{what}",
        summary=text,
        error_code="unavailable" if outcome is records.Outcome.FAILED else None,
        correlation_id=new_id("cor"),
        source="gateway",
        data={
            "used_bytes": health.used_bytes,
            "limit_bytes": health.limit_bytes,
            "waiting": health.waiting,
            **data,
        },
    )


def _told(since: dict[Hindrance, datetime]) -> dict[str, str]:
    return {what: clock.iso(began) for what, began in since.items()}


def _read(path: Path) -> dict[Hindrance, datetime]:
    try:
        told = json.loads(path.read_bytes())
        return {Hindrance(what): clock.parse(began) for what, began in told.items()}
    except (OSError, ValueError, AttributeError, TypeError):  # none stood, as far as anybody knows
        return {}
