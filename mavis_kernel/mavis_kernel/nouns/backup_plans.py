# Made from aio/nouns/backup_plans.py by `make client`: edit that.
"""Backup plans: what is backed up, how often, where to, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mavis_kernel.models import (
    BackupPlan,
    BackupPlanCalendar,
    BackupPlanCheck,
    BackupPlanDefinition,
    BackupPlanPreset,
    BackupPlanSlots,
    Preview,
    Run,
)
from mavis_kernel.transport import Transport, segment

__all__ = ["BackupPlans"]

Definition = BackupPlanDefinition | Mapping[str, object]


class BackupPlans:
    """The backup plans of a project. A plan is named by its name or its id."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        project: str,
        *,
        sort: str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[BackupPlan]:
        """Yield the plans of `project` that are in force or paused, the oldest first.

        Parameters
        ----------
        project
            Name or id.
        sort
            A field, with a minus the largest first; None for the usual order. What there is:
            ``name``, ``created_at``.
        limit
            Yield at most so many; None for all.
        """
        params, path = {"sort": sort}, _path(project)
        return self._transport.list(BackupPlan, path, params, limit=limit, fields=fields)

    def get(self, project: str, plan: str, *, fields: Sequence[str] | None = None) -> BackupPlan:
        """Return the plan `plan`."""
        return self._transport.get(BackupPlan, _path(project, plan), fields=fields)

    def presets(
        self, project: str, *, fields: Sequence[str] | None = None
    ) -> Iterator[BackupPlanPreset]:
        """Yield definitions to begin with."""
        path = f"{_path(project)}/presets"
        return self._transport.whole_list(BackupPlanPreset, path, fields=fields)

    def check(self, project: str, name: str, definition: Definition) -> BackupPlanCheck:
        """Return what a plan `name` with `definition` would protect now. Nothing is kept.

        Raises
        ------
        InvalidInput
            The definition cannot be understood; `field` says where.
        """
        body = {"name": name, "definition": _document(definition), "dry_run": True}
        return self._transport.post(BackupPlanCheck, _path(project), body)

    def create(
        self,
        project: str,
        name: str,
        definition: Definition,
        *,
        idempotency_key: str | None = None,
    ) -> BackupPlan:
        """Make a plan that begins with its first slot after now.

        Parameters
        ----------
        idempotency_key
            As in `Projects.create`.
        """
        body = {"name": name, "definition": _document(definition)}
        return self._transport.post(
            BackupPlan, _path(project), body, idempotency_key=idempotency_key
        )

    def replace(
        self,
        project: str,
        plan: str,
        definition: Definition,
        *,
        version: int | None = None,
        if_match: str | None = None,
    ) -> BackupPlan:
        """Let a plan say something else; from now on it runs with the asker's authority.

        Parameters
        ----------
        version
            `BackupPlan.version` as it was read; None: whatever it is.
        if_match
            `BackupPlan.etag` as it was read: only where that is still so; None: whatever it is.

        Raises
        ------
        PlanChanged, ChangedSince
            Somebody else has edited it since: it has another version, or another etag.
        """
        body: dict[str, object] = {"definition": _document(definition)}
        if version is not None:
            body["version"] = version
        path = _path(project, plan)
        return self._transport.put(BackupPlan, path, body, if_match=if_match)

    def remove(self, project: str, plan: str, *, if_match: str | None = None) -> None:
        """End a plan; `if_match` as in `replace`.

        Its recovery points stay until somebody deletes them.
        """
        self._transport.delete(_path(project, plan), if_match=if_match)

    def run(
        self,
        project: str,
        plan: str,
        *,
        rule: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Begin to back up now what the plan selects.

        Parameters
        ----------
        rule
            As which rule's its recovery points are kept; None: as those of no rule.
        idempotency_key
            As in `Projects.create`.
        """
        body = {} if rule is None else {"rule": rule}
        path = f"{_path(project, plan)}/runs"
        return self._transport.post(Run, path, body, idempotency_key=idempotency_key)

    def preview_run(self, project: str, plan: str, *, rule: str | None = None) -> Preview:
        """Return what `run` would take. Nothing is made."""
        body: dict[str, object] = {} if rule is None else {"rule": rule}
        path = f"{_path(project, plan)}/runs"
        return self._transport.post(Preview, path, {**body, "dry_run": True})

    def slots(
        self, project: str, plan: str, *, limit: int = 20, fields: Sequence[str] | None = None
    ) -> BackupPlanSlots:
        """Return the next and the last slots of a plan, at most `limit` (1 to 100) of each."""
        path = f"{_path(project, plan)}/slots"
        return self._transport.get(BackupPlanSlots, path, {"limit": limit}, fields=fields)

    def calendar(
        self,
        project: str,
        plan: str,
        *,
        days: int = 30,
        instance: str | None = None,
        fields: Sequence[str] | None = None,
    ) -> BackupPlanCalendar:
        """Return what a plan will make and lose in the next days.

        Parameters
        ----------
        days
            Up to five years.
        instance
            Name, cloud id or id of a machine, to begin with the recovery points that it has;
            None: of a new machine.
        """
        params = {"days": days, "instance": instance}
        path = f"{_path(project, plan)}/calendar"
        return self._transport.get(BackupPlanCalendar, path, params, fields=fields)


def _document(definition: Definition) -> Mapping[str, object]:
    if isinstance(definition, BackupPlanDefinition):
        return definition.to_json()
    return dict(definition)


def _path(project: str, plan: str | None = None) -> str:
    path = f"/projects/{segment(project)}/backup-plans"
    return path if plan is None else f"{path}/{segment(plan)}"
