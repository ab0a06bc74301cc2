# Made from aio/nouns/recovery_points.py by `make client`: edit that.
"""Recovery points: one point in time of all volumes of an instance, and its copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from mavis_kernel.models import (
    PointExplanation,
    Preview,
    RecoveryPoint,
    RecoveryPointDetail,
    Run,
)
from mavis_kernel.transport import Transport, segment

__all__ = ["RecoveryPoints"]

Arguments = Mapping[str, object]
_RECENT = 50


class RecoveryPoints:
    """The recovery points of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        project: str,
        *,
        instance: str | None = None,
        plan: str | None = None,
        state: str | None = None,
        region: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[RecoveryPoint]:
        """Yield the recovery points of `project` that match every filter, the newest first.

        Parameters
        ----------
        project
            Name or id.
        instance
            The instance's name or cloud id; None for any.
        plan
            Name or id of the backup plan that made them; None for any.
        state
            A word of `mavis_kernel.models.PointState`; None for all but ``gone``.
        region
            Where the instance is; None for any.
        sort
            A field, with a minus the largest first; None for the usual order. What there is:
            ``created_at``, ``taken_at``, ``instance``, ``state``.
        limit
            Yield at most so many; None for all.

        Notes
        -----
        They come without their manifests; `get` has those.
        """
        params = {
            "instance": instance,
            "plan": plan,
            "state": state,
            "region": region,
            "sort": sort,
        }
        path = _path(project)
        return self._transport.list(RecoveryPoint, path, params, limit=limit, fields=fields)

    def get(
        self, project: str, point_id: str, *, fields: Sequence[str] | None = None
    ) -> RecoveryPointDetail:
        """Return the recovery point with the id `point_id`."""
        path = _path(project, point_id)
        return self._transport.get(RecoveryPointDetail, path, fields=fields)

    def create(
        self,
        project: str,
        resource: str,
        *,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Begin to take a crash-consistent recovery point of an instance.

        Parameters
        ----------
        project
            Name or id.
        resource
            The instance's id, cloud id or name.
        description
            Why; kept with the recovery point and in the cloud.
        idempotency_key
            As in `Projects.create`.
        """
        body = {"resource": resource, "dry_run": False, **_given(description=description)}
        return self._transport.post(Run, _path(project), body, idempotency_key=idempotency_key)

    def preview(self, project: str, resource: str, *, description: str | None = None) -> Preview:
        """Return what `create` would do. Nothing is made."""
        body = {"resource": resource, "dry_run": True, **_given(description=description)}
        return self._transport.post(Preview, _path(project), body)

    def explain(
        self, project: str, point_id: str, *, fields: Sequence[str] | None = None
    ) -> Iterator[PointExplanation]:
        """Yield for each copy of a recovery point why it is there and when it goes."""
        path = f"{_path(project, point_id)}/explanation"
        return self._transport.whole_list(PointExplanation, path, fields=fields)

    def copy(
        self,
        project: str,
        point_id: str,
        *,
        environment: str | None = None,
        region: str | None = None,
        kms_key: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Begin to copy a recovery point to another region or account.

        Parameters
        ----------
        environment, region
            Where to; None for those of the instance.
        kms_key
            The key that encrypts the copy there; None leaves it to the cloud.
        idempotency_key
            As in `Projects.create`.
        """
        body = _given(environment=environment, region=region, kms_key=kms_key)
        path = f"{_path(project, point_id)}/copies"
        return self._transport.post(Run, path, body, idempotency_key=idempotency_key)

    def preview_copy(
        self,
        project: str,
        point_id: str,
        *,
        environment: str | None = None,
        region: str | None = None,
        kms_key: str | None = None,
    ) -> Preview:
        """Return what `copy` would do. Nothing is made."""
        body = _given(environment=environment, region=region, kms_key=kms_key, dry_run=True)
        return self._transport.post(Preview, f"{_path(project, point_id)}/copies", body)

    def verify(
        self,
        project: str,
        point_id: str,
        arguments: Arguments | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Run:
        """Begin to prove that a recovery point restores; `RecoveryPoint.proof` tells the result.

        Parameters
        ----------
        arguments
            ``environment`` and ``region`` say which copy; ``subnet`` and ``instance_type`` where
            and as what it is launched; ``check`` is a script that runs on it, ``without_agent``
            what becomes of it where nobody could run it, ``tell`` or ``fail``; ``timeout`` is in
            seconds; ``blocks`` how many are read of each volume, 0 for all.
        idempotency_key
            As in `Projects.create`.
        """
        path = f"{_path(project, point_id)}/verifications"
        body = dict(arguments or {})
        return self._transport.post(Run, path, body, idempotency_key=idempotency_key)

    def preview_verification(
        self, project: str, point_id: str, arguments: Arguments | None = None
    ) -> Preview:
        """Return what `verify` would do. Nothing is made."""
        path = f"{_path(project, point_id)}/verifications"
        body = {**(arguments or {}), "dry_run": True}
        return self._transport.post(Preview, path, body)

    def hold(self, project: str, point_id: str, reason: str) -> RecoveryPointDetail:
        """Let nobody delete a recovery point until it is released; a hold that stands stays."""
        path = f"{_path(project, point_id)}/hold"
        return self._transport.put(RecoveryPointDetail, path, {"reason": reason})

    def release(self, project: str, point_id: str, reason: str) -> RecoveryPointDetail:
        """End the legal hold on a recovery point."""
        path = f"{_path(project, point_id)}/hold"
        return self._transport.take_away(RecoveryPointDetail, path, {"reason": reason})

    def lock(self, project: str, point_id: str, *, until: datetime | timedelta) -> Run:
        """Begin to lock a recovery point for governance in the cloud itself.

        A compliance lock, of which there is no undo, begins with a preview of the action
        ``recovery_point.lock``: `Previews.create`.

        Parameters
        ----------
        until
            A moment, or a length of time from now on, of whole hours.

        Raises
        ------
        ConfirmationNeeded
            It has a compliance lock, which this would make longer.
        """
        return self._transport.put(Run, f"{_path(project, point_id)}/lock", _end(until))

    def unlock(self, project: str, point_id: str) -> Run:
        """Begin to take the governance lock of a recovery point away."""
        return self._transport.take_away(Run, f"{_path(project, point_id)}/lock")

    def made_by(self, project: str, run: Run) -> RecoveryPointDetail | None:
        """Return the recovery point that `run` of `project` made; None where it made none.

        Of a Run that made many, it is one of them.
        """
        named = run.result.get("recovery_point")
        if isinstance(named, str):
            return self.get(project, named)
        for each in self.list(project, limit=_RECENT, fields=("id", "run_id")):
            if each.run_id == run.id:
                return self.get(project, each.id)
        return None


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _end(until: datetime | timedelta) -> dict[str, object]:
    if isinstance(until, timedelta):
        return {"for": f"{until // timedelta(hours=1)}h"}
    return {"until": until.astimezone(UTC).isoformat()}


def _path(project: str, point_id: str | None = None) -> str:
    path = f"/projects/{segment(project)}/recovery-points"
    return path if point_id is None else f"{path}/{segment(point_id)}"
