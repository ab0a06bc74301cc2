"""Backup plans as Prefect deployments: each plan is one, with a schedule for each rule.

A schedule's flow runs carry ``slot:PLAN:RULE`` where others carry the id of a Run. The worker
turns that into the Run of the slot; one that has begun already, as when clocks are set back and
Prefect shows an hour twice, ends the flow run as cancelled and does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx
from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import State
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound

from mavis_core.protection.plans.service import BACKUP, BackupPlan

__all__ = ["PlanDeployments", "slot_of"]

_TAG = "backup-plan"
_PREFIX = "slot:"


def slot_of(parameter: str) -> tuple[str, str] | None:
    """Return plan and rule where a flow run's parameter names a slot, else None."""
    if not parameter.startswith(_PREFIX):
        return None
    plan_id, _, rule = parameter.removeprefix(_PREFIX).partition(":")
    return plan_id, rule


@dataclass(frozen=True, slots=True)
class _Known:
    version: int
    deployment: UUID


class PlanDeployments:
    """Keeps Prefect's deployments of plans as the plans are.

    Parameters
    ----------
    client
        Of a worker that has been set up.
    flow
        The flow of ``backup.run``.
    pool
        The work pool that carries it out.
    """

    def __init__(
        self, client: PrefectClient, flow: Flow[[str], State[None] | None], *, pool: str
    ) -> None:
        self._client = client
        self._flow = flow
        self._pool = pool
        self._known: dict[str, _Known] = {}
        self._cleaned = False

    @property
    def ids(self) -> frozenset[UUID]:
        """The deployments whose flow runs are ours."""
        return frozenset(known.deployment for known in self._known.values())

    async def sync(self, plans: Sequence[BackupPlan]) -> None:
        """Make, change and remove deployments, so that there is one for each of `plans`."""
        flow_id: UUID | None = None
        for plan in plans:
            known = self._known.get(plan.id)
            if known is not None and known.version == plan.version:
                continue
            flow_id = flow_id or await self._client.create_flow(self._flow)
            deployment = await self._put(flow_id, plan)
            self._known[plan.id] = _Known(plan.version, deployment)
        wanted = {plan.id for plan in plans}
        for plan_id in [each for each in self._known if each not in wanted]:
            await self._remove(self._known.pop(plan_id).deployment)
        if not self._cleaned:
            await self._remove_strangers()
            self._cleaned = True

    async def _put(self, flow_id: UUID, plan: BackupPlan) -> UUID:
        zone = plan.definition.zone
        first = next(iter(plan.timings))
        return await self._client.create_deployment(
            flow_id,
            f"{plan.project}.{plan.name}",
            work_pool_name=self._pool,
            entrypoint=f"mavis_flows.flows:{BACKUP}",
            parameters={"run_id": _parameter(plan, first)},
            parameter_openapi_schema=self._flow.parameters.model_dump(),
            enforce_parameter_schema=True,
            description=plan.definition.title or f"Backup plan {plan.name} of {plan.project}",
            tags=["mavis", _TAG],
            schedules=[
                DeploymentScheduleCreate(
                    schedule=CronSchedule(cron=timing.schedule.cron, timezone=zone),
                    parameters={"run_id": _parameter(plan, rule)},
                    slug=rule,
                    active=True,
                )
                for rule, timing in plan.timings.items()
            ],
        )

    async def _remove(self, deployment: UUID) -> None:
        try:
            await self._client.delete_deployment(deployment)
        except ObjectNotFound:
            return
        except httpx.HTTPStatusError as exc:
            if exc.response.status_code != httpx.codes.NOT_FOUND:
                raise

    async def _remove_strangers(self) -> None:
        """Remove deployments of plans that went while no worker was there."""
        found = await self._client.read_deployments(
            deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[_TAG]))
        )
        for deployment in found:
            if deployment.id not in self.ids:
                await self._remove(deployment.id)


def _parameter(plan: BackupPlan, rule: str) -> str:
    return f"{_PREFIX}{plan.id}:{rule}"


def names_of(parameters: Mapping[str, object]) -> tuple[str, str] | None:
    """Return plan and rule of a flow run's parameters, or None where they name a Run."""
    run_id = parameters.get("run_id")
    return slot_of(run_id) if isinstance(run_id, str) else None
