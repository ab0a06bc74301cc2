# Made from aio/nouns/restores.py by `make client`: edit that.
"""Restores: bringing recovery points back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mavis_kernel.models import Preview, Restore, Run
from mavis_kernel.transport import Transport, segment

__all__ = ["Restores"]

Arguments = Mapping[str, object]


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
        sort: str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Restore]:
        """Yield the restores of `project` that match every filter, the newest first.

        Parameters
        ----------
        project
            Name or id.
        point
            The id of a recovery point; None for any.
        kind, state
            A word of `mavis_kernel.models.RestoreKind`, of `RestoreState`; None for any.
        sort
            A field, with a minus the largest first; None for the usual order. What there is:
            ``created_at``, ``state``.
        limit
            Yield at most so many; None for all.
        """
        params = {"point": point, "kind": kind, "state": state, "sort": sort}
        path = _path(project)
        return self._transport.list(Restore, path, params, limit=limit, fields=fields)

    def get(self, project: str, restore_id: str, *, fields: Sequence[str] | None = None) -> Restore:
        """Return the restore with the id `restore_id`."""
        path = f"{_path(project)}/{segment(restore_id)}"
        return self._transport.get(Restore, path, fields=fields)

    def start(
        self,
        project: str,
        point: str,
        kind: str,
        arguments: Arguments | None = None,
        *,
        idempotency_key: str | None = None,
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
        idempotency_key
            As in `Projects.create`.
        """
        body = {**(arguments or {}), "point": point, "kind": kind}
        return self._transport.post(Run, _path(project), body, idempotency_key=idempotency_key)

    def preview(
        self, project: str, point: str, kind: str, arguments: Arguments | None = None
    ) -> Preview:
        """Return what `start` would do. Nothing is made."""
        body = {**(arguments or {}), "point": point, "kind": kind, "dry_run": True}
        return self._transport.post(Preview, _path(project), body)


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/restores"
