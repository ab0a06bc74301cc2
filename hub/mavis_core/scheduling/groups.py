"""Previews that a person confirms together: shown on one page, each applied by itself."""

from __future__ import annotations

from mavis_core import records
from mavis_core.access import CallContext, Permission
from mavis_core.changes import previews
from mavis_core.changes.model import Preview, PreviewGroup
from mavis_core.db import Database
from mavis_core.errors import ConfirmationNeeded, MavisError, PlanChanged, Unavailable
from mavis_core.projects.service import Projects, hold
from mavis_core.scheduling.service import Runs

__all__ = ["PreviewGroups"]


class PreviewGroups:
    """The groups of previews of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    runs
        Where each preview is applied.
    """

    def __init__(self, database: Database, projects: Projects, runs: Runs) -> None:
        self._database = database
        self._projects = projects
        self._runs = runs

    def shown(self, ctx: CallContext, reference: str, group: str) -> PreviewGroup:
        """Return the previews that the caller was shown under the id of a group, in their order.

        Raises
        ------
        NotFound
            There is none.
        """
        project = self._projects.authorize(ctx, reference, Permission.RESOURCE_READ).project
        with self._database.read() as tx:
            return previews.load_group(tx, ctx, project.id, group)

    def apply(
        self, ctx: CallContext, reference: str, group: str, *, hash: str, confirm: str | None
    ) -> PreviewGroup:
        """Carry out every preview of a group that is not yet, each as `Runs.apply` does.

        What may not be applied, or would do something else by now, is left, and says why; the
        others are carried out all the same. All Runs have the correlation id of this call.

        Returns
        -------
        PreviewGroup
            As it is then.

        Raises
        ------
        PlanChanged
            The group has other previews than those that were read; nothing was begun.
        ConfirmationNeeded
            One of them interrupts or destroys, and the project's name was not typed; nothing was
            begun.
        """
        found = self.shown(ctx, reference, group)
        if hash != found.hash:
            raise PlanChanged(f"The plans of {group} are others than those that were shown")
        if found.confirm is not None and confirm != found.confirm:
            raise ConfirmationNeeded(
                f"{len(found.previews)} plans need the project's name",
                mend=f"Read them, then send confirm: {found.confirm!r}.",
            )
        for each in found.waiting:
            try:
                self._runs.apply(ctx, reference, each.id, hash=each.hash, confirm=confirm)
            except Unavailable:
                raise  # what is down could not take the reason, either; the rest waits
            except MavisError as exc:
                self._refuse(ctx, each, exc)
        return self.shown(ctx, reference, group)

    def _refuse(self, ctx: CallContext, preview: Preview, error: MavisError) -> None:
        """Write down why one of a group was not applied."""
        plan = preview.plan
        with self._database.write() as tx:
            hold(tx, plan.project_id)
            previews.mark_refused(tx, preview, error)
            records.write(
                tx,
                records.Record(
                    kind=records.Kind.AUDIT,
                    phase=records.Phase.EVENT,
                    action=plan.action,
                    project=plan.project_id,
                    person=ctx.principal.name,
                    object=plan.subject,
                    outcome=records.Outcome.REFUSED,
                    error_code=error.code,
                    summary=f"{plan.action} of {plan.subject} refused: {error.message}",
                    correlation_id=ctx.correlation_id,
                    request_id=ctx.request_id,
                    source=ctx.source,
                    data={"preview": preview.id, "group": preview.group},
                ),
            )
