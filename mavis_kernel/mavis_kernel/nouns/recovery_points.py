"""Recovery points: one point in time of all volumes of an instance, and its copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        limit: int | None = None,
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
            One of `mavis_kernel.models.PointState`; None for all but ``gone``.
        region
            Where the instance is; None for any.
        limit
            Yield at most so many; None for all.

        Notes
        -----
        They come without their manifests; `get` has those.
        """
        params = {"instance": instance, "plan": plan, "state": state, "region": region}
        for item in self._transport.pages(_path(project), params, limit=limit):
            yield RecoveryPoint.from_json(item)

    def get(self, project: str, point_id: str) -> RecoveryPointDetail:
        """Return the recovery point with the id `point_id`."""
        return RecoveryPointDetail.from_json(self._transport.get(_path(project, point_id)))

    def create(self, project: str, resource: str, *, description: str | None = None) -> Run:
        """Begin to take a crash-consistent recovery point of an instance.

        Parameters
        ----------
        project
            Name or id.
        resource
            The instance's id, cloud id or name.
        description
            Why; kept with the recovery point and in the cloud.
        """
        return Run.from_json(self._post(project, resource, description, dry_run=False))

    def preview(self, project: str, resource: str, *, description: str | None = None) -> Preview:
        """Return what `create` would do. Nothing is made."""
        return Preview.from_json(self._post(project, resource, description, dry_run=True))

    def explain(self, project: str, point_id: str) -> tuple[PointExplanation, ...]:
        """Return for each copy of a recovery point why it is there and when it goes."""
        items = self._transport.pages(f"{_path(project, point_id)}/explanation", {}, limit=None)
        return tuple(PointExplanation.from_json(item) for item in items)

    def copy(
        self,
        project: str,
        point_id: str,
        *,
        environment: str | None = None,
        region: str | None = None,
        kms_key: str | None = None,
    ) -> Run:
        """Begin to copy a recovery point to another region or account.

        Parameters
        ----------
        environment, region
            Where to; None for those of the instance.
        kms_key
            The key that encrypts the copy there; None leaves it to the cloud.
        """
        return Run.from_json(
            self._begin(project, point_id, "copies", _place(environment, region, kms_key))
        )

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
        return Preview.from_json(
            self._show(project, point_id, "copies", _place(environment, region, kms_key))
        )

    def verify(
        self, project: str, point_id: str, arguments: Mapping[str, object] | None = None
    ) -> Run:
        """Begin to prove that a recovery point restores; `RecoveryPoint.proof` tells the result.

        Parameters
        ----------
        arguments
            ``environment`` and ``region`` say which copy; ``subnet`` and ``instance_type`` where
            and as what it is launched; ``check`` is a script that runs on it, ``without_agent``
            what becomes of it where nobody could run it, ``tell`` or ``fail``; ``timeout`` is in
            seconds; ``blocks`` how many are read of each volume, 0 for all.
        """
        return Run.from_json(self._begin(project, point_id, "verifications", arguments or {}))

    def preview_verification(
        self, project: str, point_id: str, arguments: Mapping[str, object] | None = None
    ) -> Preview:
        """Return what `verify` would do. Nothing is made."""
        return Preview.from_json(self._show(project, point_id, "verifications", arguments or {}))

    def hold(self, project: str, point_id: str, reason: str) -> RecoveryPointDetail:
        """Let nobody delete a recovery point until it is released; a hold that stands stays."""
        body = {"reason": reason}
        return RecoveryPointDetail.from_json(
            self._transport.put(f"{_path(project, point_id)}/hold", body)
        )

    def release(self, project: str, point_id: str, reason: str) -> RecoveryPointDetail:
        """End the legal hold on a recovery point."""
        body = {"reason": reason}
        return RecoveryPointDetail.from_json(
            self._transport.delete(f"{_path(project, point_id)}/hold", body)
        )

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
        return Run.from_json(self._transport.put(f"{_path(project, point_id)}/lock", _end(until)))

    def unlock(self, project: str, point_id: str) -> Run:
        """Begin to take the governance lock of a recovery point away."""
        return Run.from_json(self._transport.delete(f"{_path(project, point_id)}/lock"))

    def made_by(self, project: str, run: Run) -> RecoveryPointDetail | None:
        """Return the recovery point that `run` of `project` made; None where it made none.

        Of a Run that made many, it is one of them.
        """
        named = (run.result or {}).get("recovery_point")
        if isinstance(named, str):
            return self.get(project, named)
        recent = self.list(project, limit=_RECENT)
        found = next((each for each in recent if each.run_id == run.id), None)
        return None if found is None else self.get(project, found.id)

    def _post(
        self, project: str, resource: str, description: str | None, *, dry_run: bool
    ) -> object:
        body: dict[str, object] = {"resource": resource, "dry_run": dry_run}
        if description is not None:
            body["description"] = description
        return self._transport.post(_path(project), body).body

    def _begin(
        self, project: str, point_id: str, what: str, arguments: Mapping[str, object]
    ) -> object:
        path = f"{_path(project, point_id)}/{what}"
        return self._transport.post(path, dict(arguments)).body

    def _show(
        self, project: str, point_id: str, what: str, arguments: Mapping[str, object]
    ) -> object:
        return self._begin(project, point_id, what, {**arguments, "dry_run": True})


def _place(environment: str | None, region: str | None, kms_key: str | None) -> dict[str, object]:
    given = {"environment": environment, "region": region, "kms_key": kms_key}
    return {name: value for name, value in given.items() if value is not None}


def _end(until: datetime | timedelta) -> dict[str, object]:
    if isinstance(until, timedelta):
        return {"for": f"{until // timedelta(hours=1)}h"}
    return {"until": until.astimezone(UTC).isoformat()}


def _path(project: str, point_id: str | None = None) -> str:
    path = f"/projects/{segment(project)}/recovery-points"
    return path if point_id is None else f"{path}/{segment(point_id)}"
