"""Restores: bringing recovery points back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mavis_kernel.models import Preview, Restore, Run
from mavis_kernel.transport import Transport, segment

__all__ = ["Restores"]


class Restores:
    """The restores of a project.

    What replaces or removes something begins with a preview: `Previews.create` with the action
    ``restore.in_place`` and a recovery point, or ``restore.undo`` and a restore.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        project: str,
        *,
        point: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Restore]:
        """Yield the restores of `project` that match every filter, the newest first.

        Parameters
        ----------
        project
            Name or id.
        point
            The id of a recovery point; None for any.
        kind, state
            One of `mavis_kernel.models.RestoreKind`, of `RestoreState`; None for any.
        limit
            Yield at most so many; None for all.
        """
        params = {"point": point, "kind": kind, "state": state}
        for item in self._transport.pages(_path(project), params, limit=limit):
            yield Restore.from_json(item)

    def get(self, project: str, restore_id: str) -> Restore:
        """Return the restore with the id `restore_id`."""
        return Restore.from_json(self._transport.get(f"{_path(project)}/{segment(restore_id)}"))

    def start(
        self,
        project: str,
        point: str,
        kind: str,
        arguments: Mapping[str, object] | None = None,
    ) -> Run:
        """Begin a restore that makes new things and replaces nothing.

        Parameters
        ----------
        project
            Name or id.
        point
            The id of a recovery point.
        kind
            ``volumes`` or ``instance``.
        arguments
            For both ``environment`` and ``region``, which say which copy; for ``volumes``
            ``zone``, ``volumes`` (ids of the originals), ``attach_to`` and ``kms_key``; for
            ``instance`` ``instance_type``, ``subnet``, ``security_groups``, ``key_name``,
            ``profile`` and ``name``.
        """
        return Run.from_json(self._post(project, point, kind, arguments, {}))

    def preview(
        self,
        project: str,
        point: str,
        kind: str,
        arguments: Mapping[str, object] | None = None,
    ) -> Preview:
        """Return what `start` would do. Nothing is made."""
        return Preview.from_json(self._post(project, point, kind, arguments, {"dry_run": True}))

    def _post(
        self,
        project: str,
        point: str,
        kind: str,
        arguments: Mapping[str, object] | None,
        more: Mapping[str, object],
    ) -> object:
        body = {**(arguments or {}), "point": point, "kind": kind, **more}
        return self._transport.post(_path(project), body).body


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/restores"
