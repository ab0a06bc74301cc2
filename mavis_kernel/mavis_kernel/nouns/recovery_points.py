"""Recovery points: one point in time of all volumes of an instance, and its copies."""

from __future__ import annotations

from collections.abc import Iterator

from mavis_kernel.models import PointExplanation, Preview, RecoveryPoint, Run
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
            One of `mavis_kernel.models.POINT_STATES`; None for all but ``gone``.
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

    def get(self, project: str, point_id: str) -> RecoveryPoint:
        """Return the recovery point with the id `point_id`."""
        return RecoveryPoint.from_json(self._transport.get(_path(project, point_id)))

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

    def made_by(self, project: str, run: Run) -> RecoveryPoint | None:
        """Return the recovery point that `run` of `project` made; None where it made none.

        Of a Run that made many, it is one of them.
        """
        named = (run.result or {}).get("recovery_point")
        if isinstance(named, str):
            return self.get(project, named)
        recent = self.list(project, limit=_RECENT)
        return next((each for each in recent if each.run_id == run.id), None)

    def _post(
        self, project: str, resource: str, description: str | None, *, dry_run: bool
    ) -> object:
        body: dict[str, object] = {"resource": resource, "dry_run": dry_run}
        if description is not None:
            body["description"] = description
        return self._transport.post(_path(project), body).body


def _path(project: str, point_id: str | None = None) -> str:
    path = f"/projects/{segment(project)}/recovery-points"
    return path if point_id is None else f"{path}/{segment(point_id)}"
