"""Backup plans: what is backed up, how often, where to, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mavis_kernel.models import (
    BackupPlan,
    BackupPlanCalendar,
    BackupPlanCheck,
    BackupPlanPreset,
    BackupPlanSlots,
    Preview,
    Run,
)
from mavis_kernel.transport import Transport, segment

__all__ = ["BackupPlans"]

Definition = Mapping[str, object]


class BackupPlans:
    """The backup plans of a project. A plan is named by its name or its id."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str, *, limit: int | None = None) -> Iterator[BackupPlan]:
        """Yield the plans of `project` that are in force or paused, the oldest first.

        Parameters
        ----------
        project
            Name or id.
        limit
            Yield at most so many; None for all.
        """
        for item in self._transport.pages(_path(project), {}, limit=limit):
            yield BackupPlan.from_json(item)

    def get(self, project: str, plan: str) -> BackupPlan:
        """Return the plan `plan`."""
        return BackupPlan.from_json(self._transport.get(_path(project, plan)))

    def presets(self, project: str) -> Iterator[BackupPlanPreset]:
        """Yield definitions to begin with."""
        for item in self._transport.pages(f"{_path(project)}/presets", {}, limit=None):
            yield BackupPlanPreset.from_json(item)

    def check(self, project: str, name: str, definition: Definition) -> BackupPlanCheck:
        """Return what a plan `name` with `definition` would protect now. Nothing is kept.

        Raises
        ------
        InvalidInput
            The definition cannot be understood; `field` says where.
        """
        body = {"name": name, "definition": dict(definition), "dry_run": True}
        return BackupPlanCheck.from_json(self._transport.post(_path(project), body).body)

    def create(self, project: str, name: str, definition: Definition) -> BackupPlan:
        """Make a plan that begins with its first slot after now."""
        body = {"name": name, "definition": dict(definition)}
        return BackupPlan.from_json(self._transport.post(_path(project), body).body)

    def replace(
        self, project: str, plan: str, definition: Definition, *, version: int | None = None
    ) -> BackupPlan:
        """Let a plan say something else; from now on it runs with the asker's authority.

        Parameters
        ----------
        version
            `BackupPlan.version` as it was read; None: whatever it is.

        Raises
        ------
        PlanChanged
            Somebody else has edited it since.
        """
        body: dict[str, object] = {"definition": dict(definition)}
        if version is not None:
            body["version"] = version
        return BackupPlan.from_json(self._transport.put(_path(project, plan), body))

    def remove(self, project: str, plan: str) -> None:
        """End a plan. Its recovery points stay until somebody deletes them."""
        self._transport.delete(_path(project, plan))

    def run(self, project: str, plan: str, *, rule: str | None = None) -> Run:
        """Begin to back up now what the plan selects.

        Parameters
        ----------
        rule
            As which rule's its recovery points are kept; None: as those of no rule.
        """
        return Run.from_json(self._run(project, plan, rule, {}))

    def preview_run(self, project: str, plan: str, *, rule: str | None = None) -> Preview:
        """Return what `run` would take. Nothing is made."""
        return Preview.from_json(self._run(project, plan, rule, {"dry_run": True}))

    def slots(self, project: str, plan: str, *, limit: int = 20) -> BackupPlanSlots:
        """Return the next and the last slots of a plan, at most `limit` (1 to 100) of each."""
        params = {"limit": str(limit)}
        return BackupPlanSlots.from_json(
            self._transport.get(f"{_path(project, plan)}/slots", params)
        )

    def calendar(
        self, project: str, plan: str, *, days: int = 30, instance: str | None = None
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
        params = {"days": str(days), "instance": instance}
        return BackupPlanCalendar.from_json(
            self._transport.get(f"{_path(project, plan)}/calendar", params)
        )

    def _run(self, project: str, plan: str, rule: str | None, more: Mapping[str, object]) -> object:
        body = dict(more) if rule is None else {"rule": rule, **more}
        return self._transport.post(f"{_path(project, plan)}/runs", body).body


def _path(project: str, plan: str | None = None) -> str:
    path = f"/projects/{segment(project)}/backup-plans"
    return path if plan is None else f"{path}/{segment(plan)}"
