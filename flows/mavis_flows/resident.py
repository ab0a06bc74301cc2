"""A Prefect worker that stays resident and runs flows in threads of its own process.

A process for each flow run costs several seconds of CPU before the first line; here the flows are
imported once and begin at once, and Prefect still shows each run, task and log line. Only our own
flows run here: the pool's deployments are made below, and a flow run of any other deployment is
refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import anyio
import anyio.abc
from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow_sync
from prefect.states import Cancelled, Crashed, Scheduled
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from mavis_core.protection.plans.service import BACKUP
from mavis_core.scheduling.execution import Due
from mavis_flows.plan_deployments import PlanDeployments, names_of

__all__ = ["POOL", "ResidentWorker"]

POOL = "platform"


class ResidentWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """Runs flows of this process's own.

    Parameters
    ----------
    flows
        By action.
    name
        The worker's name in Prefect.
    limit
        Flow runs at a time.
    slots
        Turns a plan's slot into the Run that this flow run carries out, or None: called with
        plan, rule and the flow run's id, in a thread.
    """

    type = "mavis-resident"
    job_configuration = BaseJobConfiguration
    _description = "Runs Mavis's own flows in a resident process."

    def __init__(
        self,
        flows: Mapping[str, Flow[[str], State[None] | None]],
        *,
        name: str,
        limit: int,
        slots: Callable[[str, str, str], str | None] = lambda _plan, _rule, _flow_run: None,
    ) -> None:
        super().__init__(
            POOL, name=name, limit=limit, heartbeat_interval_seconds=10, prefetch_seconds=0
        )
        self._slots = slots
        self.plans: PlanDeployments | None = None
        self._flows = dict(flows)
        self._by_deployment: dict[UUID, Flow[[str], State[None] | None]] = {}
        self._deployments: dict[str, UUID] = {}
        self._threads = anyio.CapacityLimiter(limit)

    async def register(self) -> None:
        """Make the deployments, or bring them up to date; needs a set-up worker."""
        for action, flow in self._flows.items():
            flow_id = await self.client.create_flow(flow)
            deployment = await self.client.create_deployment(
                flow_id,
                "platform",
                work_pool_name=POOL,
                entrypoint=f"mavis_flows.flows:{action}",
                parameter_openapi_schema=flow.parameters.model_dump(),
                enforce_parameter_schema=True,
                description=flow.description,
                tags=["mavis"],
            )
            self._deployments[action] = deployment
            self._by_deployment[deployment] = flow
        if BACKUP in self._flows:
            self.plans = PlanDeployments(self.client, self._flows[BACKUP], pool=POOL)

    async def schedule(self, due: Due) -> str:
        """Make the Prefect flow run of an attempt and return its id; the same one if repeated."""
        flow_run = await self.client.create_flow_run_from_deployment(
            self._deployments[due.kind],
            parameters={"run_id": due.run_id},
            state=Scheduled(),
            idempotency_key=f"{due.run_id}:{due.attempt}",
            name=f"{due.subject[:80]} #{due.attempt}",
            tags=["mavis"],
        )
        return str(flow_run.id)

    async def bury(self, flow_run: str) -> None:
        """Tell Prefect that the flow run of an abandoned attempt has ended."""
        state: Any = Crashed(message="The worker ended; the next attempt goes on.")
        await self.client.set_flow_run_state(UUID(flow_run), state, force=True)

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,  # noqa: ARG002  # BaseWorker's signature
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> BaseWorkerResult:
        """Carry out one flow run in a thread and wait for its end."""
        flow = self._flow_of(flow_run)
        if flow is None:
            raise PermissionError("this worker runs the platform's own deployments only")
        if task_status is not None:
            task_status.started(1)
        parameters = dict(flow_run.parameters)
        if slot := names_of(parameters):
            run_id = await anyio.to_thread.run_sync(self._slots, *slot, str(flow_run.id))
            if run_id is None:
                await self._has_begun(flow_run)
                return BaseWorkerResult(identifier=str(flow_run.id), status_code=0)
            parameters = {"run_id": run_id}
        call = functools.partial(
            run_flow_sync, flow, flow_run=flow_run, parameters=parameters, return_type="state"
        )
        await anyio.to_thread.run_sync(call, limiter=self._threads)
        return BaseWorkerResult(identifier=str(flow_run.id), status_code=0)

    def _flow_of(self, flow_run: FlowRun) -> Flow[[str], State[None] | None] | None:
        deployment = flow_run.deployment_id
        if deployment is None:
            return None
        if self.plans is not None and deployment in self.plans.ids:
            return self._flows[BACKUP]
        return self._by_deployment.get(deployment)

    async def _has_begun(self, flow_run: FlowRun) -> None:
        """Tell Prefect that there is nothing to do for this flow run."""
        words = "Nothing to do: the slot has begun already, or begins later by its jitter."
        state: Any = Cancelled(message=words)
        await self.client.set_flow_run_state(flow_run.id, state, force=True)
