"""Carries rotations of keys out: for the gateway, which alone opens keys of devices.

The new value is sealed and kept before any device gets it. A process that is killed leaves a
rotation that failed; whoever asks again goes on with the same value, and what was done is found on
the device. The key's own value changes when no way in is left that has the old one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core import clock, records
from mavis_core.access import CallContext, Principal
from mavis_core.db import Database, tables
from mavis_core.errors import MavisError
from mavis_core.projects.service import audit
from mavis_core.remote import rows
from mavis_core.remote.model import (
    Endpoint,
    HostKeyState,
    credential_of,
)
from mavis_core.remote.rotations import ROTATIONS, WAYS, RotationState, WayOfKey, WayState, ways_of
from mavis_core.remote.ssh import Step, rotate
from mavis_core.vault.sealing import Opener, Sealer
from mavis_core.vault.service import Vault

__all__ = ["Rotator"]

_STATES = {
    Step.STORE: WayState.BEGUN,
    Step.PROVED: WayState.PROVED,
    Step.DONE: WayState.DONE,
}
_INTERRUPTED = "The gateway ended in the middle of it; rotate again, and it goes on."
_BROKEN = "An error of the gateway itself; its log has it."
_PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class _Work:
    """A rotation that this process carries out."""

    id: str
    key_id: str
    key: str
    ctx: CallContext
    new: Mapping[str, str]


class Rotator:
    """The gateway's side of rotations.

    Parameters
    ----------
    database
        The main database.
    vault
        Opens the old values.
    sealer, opener
        Of keys of devices.
    loopback
        Whether the appliance itself may be a device.
    timeout_s
        How long a device may take to answer.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        sealer: Sealer,
        opener: Opener,
        *,
        loopback: bool,
        timeout_s: float,
    ) -> None:
        self._database, self._vault = database, vault
        self._sealer, self._opener = sealer, opener
        self._loopback, self._timeout_s = loopback, timeout_s

    def left_over(self) -> int:
        """Note what an earlier process did not bring to its end; return how many these were."""
        running = ROTATIONS.c.state == RotationState.RUNNING
        with self._database.write() as tx:
            found = tx.execute(sa.select(ROTATIONS).where(running)).all()
            for row in found:
                unfinished = WAYS.c.state.not_in((WayState.DONE, WayState.FAILED))
                tx.execute(
                    sa.update(WAYS)
                    .where(WAYS.c.rotation_id == row.id, unfinished)
                    .values(state=WayState.FAILED, detail=_INTERRUPTED, changed_at=clock.now())
                )
                self._end(tx, row.id, RotationState.FAILED)
        return len(found)

    def next(self) -> bool:
        """Carry out one rotation that somebody asked for; return whether there was one."""
        work = self._take()
        if work is None:
            return False
        over = False
        try:
            while not over:
                for way in self._left(work):
                    self._rotate(work, way)
                over = self._finish(work)
        except Exception:
            with self._database.write() as tx:
                self._end(tx, work.id, RotationState.FAILED)
            raise
        return True

    def _take(self) -> _Work | None:
        with self._database.write() as tx:
            query = sa.select(ROTATIONS).where(ROTATIONS.c.state == RotationState.ASKED)
            row = tx.execute(query.order_by(ROTATIONS.c.id).limit(1)).one_or_none()
            if row is None:
                return None
            key = tx.execute(sa.select(tables.keys).where(tables.keys.c.id == row.key_id)).one()
            sealed = row.sealed
            if sealed is None:
                new = _new_value(key.kind)
                sealed = self._sealer.seal(json.dumps(new).encode(), name=row.id)
            else:
                new = json.loads(self._opener.open(sealed, name=row.id))
            mine = (ROTATIONS.c.id == row.id) & (ROTATIONS.c.state == RotationState.ASKED)
            values = {"state": RotationState.RUNNING, "sealed": sealed}
            if not tx.execute(sa.update(ROTATIONS).where(mine).values(**values)).rowcount:
                return None  # another process was first
        ctx = CallContext(
            principal=Principal(row.person),
            scopes=frozenset(),
            correlation_id=row.correlation_id,
            request_id=row.request_id,
            source=row.source,
        )
        return _Work(row.id, row.key_id, key.name, ctx, new)

    def _left(self, work: _Work) -> list[WayOfKey]:
        """Return the ways in that were not tried in this go; they are listed from now on."""
        now = clock.now()
        with self._database.write() as tx:
            there = {
                each.access_service_id: each.state
                for each in tx.execute(sa.select(WAYS).where(WAYS.c.rotation_id == work.id))
            }
            ways = ways_of(tx, work.key_id)
            for each in ways:
                if each.id not in there:
                    tx.execute(
                        sa.insert(WAYS).values(
                            rotation_id=work.id,
                            access_service_id=each.id,
                            state=WayState.WAITING,
                            detail="",
                            proved=False,
                            changed_at=now,
                        )
                    )
        over = (WayState.DONE, WayState.FAILED)
        return [each for each in ways if there.get(each.id) not in over]

    def _rotate(self, work: _Work, way: WayOfKey) -> None:
        def told(step: Step) -> None:
            with self._database.write() as tx:
                self._note(tx, work, way, _STATES[step])
                if step is Step.DONE:
                    records.write(tx, self._record(tx, work, way, "has the new value"))

        try:
            rotate(
                self._endpoint(work, way),
                credential_of(work.new),
                told=told,
                timeout_s=self._timeout_s,
                loopback=self._loopback,
            )
        except MavisError as exc:
            self._failed(work, way, f"{exc.message}. {exc.mend}", exc.code)
        except Exception:
            self._failed(work, way, _BROKEN, "internal")
            raise

    def _failed(self, work: _Work, way: WayOfKey, detail: str, code: str) -> None:
        with self._database.write() as tx:
            self._note(tx, work, way, WayState.FAILED, detail)
            record = self._record(tx, work, way, f"could not be rotated: {detail}")
            records.write(tx, replace(record, outcome=records.Outcome.FAILED, error_code=code))

    def _endpoint(self, work: _Work, way: WayOfKey) -> Endpoint:
        with self._database.read() as tx:
            project_id = _project_of(tx, way)
            device = rows.device_in(tx, project_id, way.device)
            service = rows.service_in(tx, device, way.id)
            keys = rows.host_keys_of(tx, service.id)
        old = self._vault.open(work.ctx, work.key_id, project_id=project_id)
        return Endpoint(
            name=device.name,
            address=device.address,
            port=service.port,
            login=service.login,
            credential=credential_of(old),
            host_keys=tuple(each for each in keys if each.state is HostKeyState.APPROVED),
            algorithms=service.policy.algorithms,
        )

    def _note(
        self, tx: sa.Connection, work: _Work, way: WayOfKey, state: WayState, detail: str = ""
    ) -> None:
        """Note how far a way in is; what was proved stays so, since the old value may be gone."""
        which = (WAYS.c.rotation_id == work.id) & (WAYS.c.access_service_id == way.id)
        proved = {"proved": True} if state in (WayState.PROVED, WayState.DONE) else {}
        values = {"state": state, "detail": detail, "changed_at": clock.now(), **proved}
        tx.execute(sa.update(WAYS).where(which).values(**values))

    def _finish(self, work: _Work) -> bool:
        """End the rotation; False where a way in came meanwhile that was not tried."""
        with self._database.write() as tx:
            # Nobody gives the key to another way in until this has ended.
            held = sa.select(tables.keys.c.id).where(tables.keys.c.id == work.key_id)
            tx.execute(held.with_for_update())
            there = {
                each.access_service_id: each.state
                for each in tx.execute(sa.select(WAYS).where(WAYS.c.rotation_id == work.id))
            }
            states = [there.get(each.id) for each in ways_of(tx, work.key_id)]
            if any(each not in (WayState.DONE, WayState.FAILED) for each in states):
                return False
            failed = states.count(WayState.FAILED)
            if failed:
                self._end(tx, work.id, RotationState.FAILED)
                summary = f"The key {work.key} has its old value at {failed} of {len(states)} ways"
            else:
                self._give(tx, work)
                self._end(tx, work.id, RotationState.DONE)
                summary = f"The key {work.key} has a new value at {len(states)} ways in"
            outcome = records.Outcome.FAILED if failed else records.Outcome.OK
            told = audit(work.ctx, "key.rotate_end", work.key, summary)
            records.write(tx, replace(told, outcome=outcome))
        return True

    def _give(self, tx: sa.Connection, work: _Work) -> None:
        """Let the key have the new value."""
        sealed = self._sealer.seal(json.dumps(dict(work.new)).encode(), name=work.key_id)
        tx.execute(
            sa.update(tables.keys)
            .where(tables.keys.c.id == work.key_id)
            .values(sealed=sealed, fields=sorted(work.new))
        )

    @staticmethod
    def _end(tx: sa.Connection, rotation_id: str, state: RotationState) -> None:
        values: dict[str, Any] = {"state": state, "ended_at": clock.now()}
        if state is RotationState.DONE:
            values["sealed"] = None
        tx.execute(sa.update(ROTATIONS).where(ROTATIONS.c.id == rotation_id).values(**values))

    def _record(self, tx: sa.Connection, work: _Work, way: WayOfKey, said: str) -> records.Record:
        thing = f"{way.device}/{way.access_service}"
        summary = f"The key {work.key} of {thing} {said}"
        return audit(work.ctx, "key.rotate_way", thing, summary, project=_project_of(tx, way))


def _project_of(tx: sa.Connection, way: WayOfKey) -> str:
    query = sa.select(tables.projects.c.id).where(tables.projects.c.name == way.project)
    found: str = tx.execute(query).scalar_one()
    return found


def _new_value(kind: str) -> dict[str, str]:
    if kind == "device-password":
        return {"password": secrets.token_urlsafe(_PASSWORD_BYTES)}
    pem = Ed25519PrivateKey.generate().private_bytes(
        coding.Encoding.PEM, coding.PrivateFormat.OpenSSH, coding.NoEncryption()
    )
    return {"private_key": pem.decode("ascii")}
