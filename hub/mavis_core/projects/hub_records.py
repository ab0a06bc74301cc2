"""Logins at the Hub, as the Hub tells them: records of who came, who left and who was refused.

The Hub has no access to the database. It tells the api process, which writes the records here; what
is told carries its own moment, since it may come late.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mavis_core import clock, records
from mavis_core.access import RESERVED
from mavis_core.db import Database
from mavis_core.errors import InvalidInput
from mavis_core.ids import new_id
from mavis_core.records import Kind, Outcome, Phase, Record

__all__ = ["NOBODY", "HubRecords"]

NOBODY = f"{RESERVED}nobody"
"""The person of a login that failed under a name that nobody has: it may be a password."""

_SOURCE = "hub"
_LATEST = timedelta(minutes=5)  # by which two clocks of one machine may differ


class HubRecords:
    """Records what the Hub tells.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self, event: Mapping[str, Any]) -> None:
        """Record an event of the Hub.

        Parameters
        ----------
        event
            ``what`` (`came`, `left`, `refused`, `server_ended`), ``name`` of whom (empty: of nobody
            that the Hub knows), ``time``, ``address``, and how many ``more`` were refused.

        Raises
        ------
        InvalidInput
            It is none of these, or a value has a wrong form.
        """
        what, name, address = event.get("what"), event.get("name"), event.get("address", "")
        more = event.get("more", 0)
        if not (isinstance(name, str) and isinstance(address, str) and isinstance(more, int)):
            raise InvalidInput("An event of the Hub has a name, an address and a number")
        time = _time(event.get("time"))
        if what == "came":
            self._record("hub.login", name, address, time, f"{name} logged in at the Hub")
        elif what == "left":
            self._record("hub.logout", name, address, time, f"{name} logged out at the Hub")
        elif what == "refused":
            self._refused(name, address, time, more)
        elif what == "server_ended":
            told = f"The notebook server of {name} has ended"
            self._record("server.stop", name, address, time, told)
        else:
            raise InvalidInput(f"The Hub tells of no {str(what)[:60]!r}", field="what")

    def _refused(self, name: str, address: str, time: datetime, more: int) -> None:
        who = name or "somebody unknown"
        told = f"A login at the Hub as {who} was refused"
        if more:
            told += f", and {more} more since the last such record"
        self._record(
            "hub.login", name or NOBODY, address, time, told, refused=True, data={"more": more}
        )

    def _record(
        self,
        action: str,
        name: str,
        address: str,
        time: datetime,
        summary: str,
        *,
        refused: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        record = Record(
            kind=Kind.AUDIT,
            phase=Phase.EVENT,
            outcome=Outcome.REFUSED if refused else Outcome.OK,
            action=action,
            person=name,
            object=name,
            summary=summary,
            error_code="unauthenticated" if refused else None,
            correlation_id=new_id("cor"),
            source=address or _SOURCE,
            data=data or {},
            time=time,
        )
        with self._database.write() as tx:
            records.write(tx, record)


def _time(text: object) -> datetime:
    try:
        moment = clock.parse(str(text))
    except ValueError as exc:
        raise InvalidInput(f"An event of the Hub has a moment: {exc}", field="time") from exc
    return min(moment, clock.now() + _LATEST)
