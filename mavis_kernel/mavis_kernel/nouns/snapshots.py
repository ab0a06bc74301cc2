"""Snapshots: one point in time of all volumes of an instance."""

from __future__ import annotations

from collections.abc import Iterator

from mavis_kernel.models import Preview, Run, Snapshot
from mavis_kernel.transport import Transport, segment

__all__ = ["Snapshots"]

_RECENT = 50


class Snapshots:
    """The snapshots of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str, *, limit: int | None = None) -> Iterator[Snapshot]:
        """Yield the snapshots of `project`, at most `limit`."""
        for item in self._transport.pages(_path(project), {}, limit=limit):
            yield Snapshot.from_json(item)

    def get(self, project: str, snapshot_id: str) -> Snapshot:
        """Return the snapshot with the id `snapshot_id`."""
        return Snapshot.from_json(self._transport.get(f"{_path(project)}/{segment(snapshot_id)}"))

    def create(self, project: str, resource: str, *, description: str | None = None) -> Run:
        """Begin a crash-consistent snapshot of an instance.

        Parameters
        ----------
        project
            Name or id.
        resource
            The instance's id, cloud id or name.
        description
            Why; kept with the snapshot and in the cloud.
        """
        return Run.from_json(self._post(project, resource, description, dry_run=False))

    def preview(self, project: str, resource: str, *, description: str | None = None) -> Preview:
        """Return what `create` would do. Nothing is made."""
        return Preview.from_json(self._post(project, resource, description, dry_run=True))

    def made_by(self, project: str, run: Run) -> Snapshot | None:
        """Return the snapshot that `run` of `project` made; None where it made none."""
        named = (run.result or {}).get("snapshot_id")
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


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/snapshots"
