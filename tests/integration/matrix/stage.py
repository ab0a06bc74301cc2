"""The core over the AWS kit and a database in a file, as the platform worker has it."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cloud import accounts
from cloud.client import attached
from core_double import PLATFORM, call, finish
from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.bootstrap import Parts, make_work
from mavis_core.changes.budget import Budget, granted
from mavis_core.db import migrate, open_database
from mavis_core.errors import Internal, MavisError, Unavailable
from mavis_core.kits.aws.kit import AwsKit
from mavis_core.kits.aws.retries import RetryPolicy
from mavis_core.projects.environments import Environments
from mavis_core.projects.service import Projects
from mavis_core.protection.plans.service import BackupPlans
from mavis_core.protection.timetable import Timetable
from mavis_core.scheduling.execution import Execution
from mavis_core.scheduling.model import Run
from mavis_core.vault.sealing import Opener, Sealer, generate
from mavis_core.vault.service import Vault

KIT = AwsKit(RetryPolicy(first_wait_s=0.05, longest_wait_s=0.2))
PROFILE = "ops"
SHOP = "shop"
_THREADS = 3


class Stage:
    """All of the core that Runs need.

    Parameters
    ----------
    home
        The folder of the database.
    endpoint
        The simulator.
    settle_s
        Seconds after which what the cloud does not show was not made.
    """

    def __init__(self, home: Path, endpoint: str, settle_s: float) -> None:
        self.endpoint = endpoint
        self._url = f"sqlite:///{home}/mavis.sqlite"
        self.database = open_database(self._url)
        self._stop = threading.Event()
        private, public = generate()  # environments here have a profile, so the vault is empty
        kits = {"aws": KIT}
        self.projects = Projects(self.database)
        self.environments = Environments(self.database, self.projects, kits)
        self.plans = BackupPlans(self.database, self.projects)
        work = make_work(
            Parts(
                self.database,
                Vault(self.database, Sealer(public), Opener(private)),
                kits,
                isolated=True,
                settle_s=settle_s,
                snapshot_timeout_s=3600,
                calls=_THREADS,
                budget=Budget(granted(100), stop=self._stop),
                stop=self._stop,
            )
        )
        self.runs, self._jobs, self._clouds = work.runs, work.jobs, work.clouds
        self.timetable = Timetable(self.database, self.runs, source="matrix")

    @property
    def ada(self) -> CallContext:
        """A new call by the platform's administrator."""
        return call("ada", PLATFORM)

    def shop(self, *environments: tuple[str, str, Sequence[str]]) -> None:
        """Make the database and the project, with environments of name, account and regions."""
        migrate(self._url)
        self.projects.create(self.ada, name=SHOP, title="Web shop")
        for name, account, regions in environments:
            options = {"profile": PROFILE}
            if account != accounts.MAIN:
                options |= {
                    "role_arn": accounts.role_arn(account),
                    "external_id": accounts.EXTERNAL_ID,
                }
            self.environments.create(
                self.ada,
                SHOP,
                name=name,
                kit="aws",
                account=account,
                regions=list(regions),
                key=None,
                options=options,
            )

    def plan(self, name: str, **document: Any) -> None:
        """Make a backup plan that begins nothing by itself within a month."""
        self.plans.create(self.ada, SHOP, name, _document(document))

    def change_plan(self, name: str, **document: Any) -> None:
        """Give a plan another definition."""
        self.plans.replace(self.ada, SHOP, name, _document(document))

    def ask(self, action: str, resource: str | None = None, **arguments: Any) -> Run:
        """Ask for a Run as a person does: look at the preview, and apply it as it was shown."""
        ask: Mapping[str, Any] = {"action": action, "resource": resource, "arguments": arguments}
        shown = self.runs.preview(self.ada, SHOP, **ask)
        return self.runs.apply(self.ada, SHOP, shown.id, hash=shown.hash, confirm=shown.confirm)

    def done(
        self, action: str, resource: str | None = None, *, alone: bool = False, **arguments: Any
    ) -> Run:
        """Have a Run carried out that must succeed; `alone`: what follows it waits."""
        run = self.ask(action, resource, **arguments)
        bugs: list[str] = []
        jobs = {action: self._jobs[action]} if alone else self._jobs
        self._carry_out(Execution(self.database, self.projects, jobs, worker="ours"), bugs.append)
        run = self.runs.get(self.ada, SHOP, run.id)
        assert not bugs, bugs
        assert run.state == "succeeded", run.error
        return run

    def failed(self, action: str, resource: str | None = None, **arguments: Any) -> Run:
        """Have a Run carried out that must fail."""
        run = self.ask(action, resource, **arguments)
        bugs: list[str] = []
        self.carry_out(bugs.append)
        run = self.runs.get(self.ada, SHOP, run.id)
        assert not bugs, bugs
        assert run.state == "failed", run.state
        return run

    def cancel(self, run_id: str) -> None:
        """Cancel a Run as a person does."""
        self.runs.cancel(self.ada, SHOP, run_id)

    def carry_out(self, bug: Callable[[str], None]) -> None:
        """Do what is due until nothing is; `bug` is told what no code of ours expected."""
        execution = Execution(self.database, self.projects, self._jobs, worker="matrix")
        self._carry_out(execution, bug)

    def _carry_out(self, execution: Execution, bug: Callable[[str], None]) -> None:
        while due := execution.due(1):
            flow_run = f"flow-{due[0].run_id}-{due[0].attempt}"
            if execution.give_up(due[0]) or not execution.dispatch(due[0], flow_run):
                continue
            try:
                attempt = execution.claim(due[0].run_id, flow_run)
            except MavisError:
                continue
            try:
                finish(attempt)
            except Unavailable:  # how it ended could not be written: the next attempt goes on
                continue
            except Exception as exc:  # noqa: BLE001  # as the worker does
                bug(traceback.format_exc())
                attempt.fail(Internal(f"met a bug: {type(exc).__name__}"))

    def write(self, volume_id: str, blocks: Mapping[int, bytes]) -> str:
        """Write into a volume as its machine would; return the digest of its bytes."""
        with attached(self.endpoint) as simulator:
            simulator.write(volume_id, blocks)
            return simulator.digest(volume_id)

    def close(self) -> None:
        self._stop.set()
        self._clouds.close()
        self.database.close()


@contextmanager
def ago(span: timedelta) -> Iterator[None]:
    """Let the block happen so long ago, whatever the process's clock says."""
    with clock.set_clock(lambda: datetime.now(UTC) - span):
        yield


def _document(given: Mapping[str, Any]) -> dict[str, Any]:
    later = clock.now() + timedelta(days=60)
    rules = [{"name": "rule", "cron": f"0 0 1 {later.month} *"}]
    return {"selection": {}, "rules": rules, "zone": "UTC", **given}
