"""Erases recordings over their period, but for those on a legal hold, with a record of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core import records
from mavis_core.access import PLATFORM
from mavis_core.db import Database, tables
from mavis_core.ids import new_id
from mavis_core.logs.holds import standing_holds
from mavis_core.logs.loop import Loop
from mavis_core.objects import ObjectStore
from mavis_core.remote.recording import Outcome, ScreenTexts, expire
from mavis_core.remote.recording.manifests import fingerprint

__all__ = ["Keeping"]

logger = logging.getLogger(__name__)

_EVERY_S = 6 * 3600.0
_TOLD = 200


class Keeping:
    """Looks every six hours for recordings that are over their period.

    Parameters
    ----------
    keep_days
        The period; 0: all are kept always.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        key: Ed25519PrivateKey,
        texts: ScreenTexts,
        *,
        keep_days: int,
    ) -> None:
        self._database, self._store, self._key, self._texts = database, store, key, texts
        self._keep_days = keep_days
        self._loop = Loop("recording-periods", self._step, every_s=_EVERY_S)

    def start(self) -> None:
        """Begin, where there is a period."""
        if self._keep_days:
            self._loop.start()

    def stop(self) -> None:
        """End."""
        if self._keep_days:
            self._loop.stop()

    def look(self) -> Outcome:
        """Erase what is over its period now; killed at any moment, the next look does the rest."""
        public = self._key.public_key()
        outcome = expire(
            self._store,
            self._key,
            {fingerprint(public): public},
            keep_days=self._keep_days,
            holds=lambda: standing_holds(self._database),
        )
        for session_id in outcome.erased:
            self._texts.forget(session_id)
        if outcome.erased or outcome.damaged:
            self._tell(outcome)
        return outcome

    def _step(self) -> bool:
        self.look()
        return False

    def _tell(self, outcome: Outcome) -> None:
        table = tables.sessions
        with self._database.write() as tx:
            for ids in _parts(outcome.erased):
                tx.execute(sa.update(table).where(table.c.id.in_(ids)).values(recording=False))
            records.write(
                tx,
                records.Record(
                    kind=records.Kind.AUDIT,
                    phase=records.Phase.EVENT,
                    outcome=records.Outcome.FAILED if outcome.damaged else records.Outcome.OK,
                    action="recording.erase",
                    person=PLATFORM.name,
                    object="recordings",
                    summary=f"{len(outcome.erased)} recordings over their {self._keep_days} days"
                    f" were erased, {len(outcome.held)} are kept by holds or locks",
                    correlation_id=new_id("cor"),
                    source="gateway",
                    data={
                        "erased": list(outcome.erased[:_TOLD]),
                        "held": list(outcome.held[:_TOLD]),
                        "damaged": list(outcome.damaged[:_TOLD]),
                    },
                ),
            )


def _parts(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    return [ids[at : at + size] for at in range(0, len(ids), size)]
