# Made from aio/nouns/previews.py by `make client`: edit that.
"""Previews: plan a change, read it, apply exactly that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mavis_kernel.models import Preview, Run
from mavis_kernel.transport import Transport, segment

__all__ = ["Previews"]


class Previews:
    """Plans of changes to a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, project: str, preview_id: str, *, fields: Sequence[str] | None = None) -> Preview:
        """Return the preview with the id `preview_id`, until it expires."""
        return self._transport.get(Preview, _path(project, preview_id), fields=fields)

    def create(
        self,
        project: str,
        action: str,
        resource: str,
        arguments: Mapping[str, object] | None = None,
        *,
        group: str | None = None,
        idempotency_key: str | None = None,
    ) -> Preview:
        """Return what `action` would do. Nothing is changed.

        Parameters
        ----------
        project
            Name or id.
        action
            Such as ``resource.stop``, ``resource.tag``, ``recovery_point.delete``,
            ``recovery_point.lock``, ``restore.in_place``, ``restore.undo`` or
            ``retention.apply``; the appliance names all where it does not know one.
        resource
            Id, cloud id or name of a resource; id of a recovery point or a restore; name or id
            of a backup plan.
        arguments
            For ``resource.tag`` ``{"tags": {...}}``, for ``recovery_point.lock``
            ``{"mode": ..., "until": ...}``, for ``restore.in_place`` ``{"volumes": [...]}``, for
            ``backup_plan.create`` and ``backup_plan.change`` ``{"definition": {...}}``.
        group
            An id of your own, ``pgr_`` and a ULID in lower case: previews of one group are
            confirmed together, on one page of the appliance. None: by itself.
        idempotency_key
            As in `Projects.create`.
        """
        body: dict[str, object] = {
            "action": action,
            "resource": resource,
            "arguments": dict(arguments or {}),
        }
        if group is not None:
            body["group"] = group
        return self._transport.post(Preview, _path(project), body, idempotency_key=idempotency_key)

    def apply(
        self,
        project: str,
        preview: Preview,
        *,
        confirm: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Begin what `preview` says.

        Parameters
        ----------
        project
            Name or id.
        preview
            What was read and is wanted.
        confirm
            What ``preview.confirm`` says, where it says something: that somebody has read
            the preview and typed it.
        idempotency_key
            As in `Projects.create`.

        Raises
        ------
        PlanChanged
            Something else would happen now, or the preview has expired.
        ConfirmationNeeded
            `confirm` is missing or another name.
        """
        body: dict[str, object] = {"hash": preview.hash}
        if confirm is not None:
            body["confirm"] = confirm
        path = f"{_path(project, preview.id)}/apply"
        return self._transport.post(Run, path, body, idempotency_key=idempotency_key)


def _path(project: str, preview_id: str | None = None) -> str:
    path = f"/projects/{segment(project)}/previews"
    return path if preview_id is None else f"{path}/{segment(preview_id)}"
