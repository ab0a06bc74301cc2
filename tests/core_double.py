"""The core without processes: a real database, the shipped fake cloud, and Runs done in place."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from mavis_core.access import CallContext, Principal, Role, Scope
from mavis_core.bootstrap import Parts, make_work
from mavis_core.changes.budget import Budget
from mavis_core.changes.replies import Replies
from mavis_core.contract import Kit
from mavis_core.dashboards.service import Dashboards
from mavis_core.dashboards.shipped import shipped_dashboards
from mavis_core.dashboards.views import Views
from mavis_core.db import migrate, open_database, tables
from mavis_core.db.paging import PageRequest
from mavis_core.errors import Cancelled, Interrupted, MavisError, Unavailable
from mavis_core.inventory.service import Resources
from mavis_core.logins.service import DeviceLogins
from mavis_core.projects.environments import Environments
from mavis_core.projects.service import Projects
from mavis_core.protection.deletion.outlook import Outlooks
from mavis_core.protection.plans.service import BackupPlan, BackupPlans
from mavis_core.protection.points.model import RecoveryPoint
from mavis_core.protection.points.service import RecoveryPoints
from mavis_core.protection.reports import Reports
from mavis_core.protection.restore.service import Restores
from mavis_core.protection.timetable import Timetable
from mavis_core.records import Outbox, Record
from mavis_core.scheduling.execution import Attempt, Execution
from mavis_core.scheduling.groups import PreviewGroups
from mavis_core.scheduling.model import Run
from mavis_core.testing.cloud import FakeCloud, FakeKit
from mavis_core.vault.sealing import Opener, Sealer, generate
from mavis_core.vault.service import Vault

T = TypeVar("T")
SQLITE = "sqlite:///"
ACCOUNT = "111111111111"
REGION = "here-1"
PERSON = frozenset({Scope.READ, Scope.OPERATE, Scope.DESTROY})
KERNEL = frozenset({Scope.READ, Scope.OPERATE})
PLATFORM = frozenset(Scope)


def call(name: str, scopes: frozenset[Scope] = PERSON, *groups: str) -> CallContext:
    """Return a call by `name` with a token of `scopes`."""
    return CallContext(Principal(name, frozenset(groups)), scopes, source="test")


class Core:
    """All services over one database; close it at the end."""

    def __init__(
        self,
        url: str,
        cloud: FakeCloud,
        *,
        settle_s: float = 0.0,
        kits: Mapping[str, Kit] | None = None,
    ) -> None:
        make_tables(url)
        self.database = open_database(url)
        self.cloud = cloud
        self.stop = threading.Event()
        private, public = generate()
        kits = kits or {"fake": FakeKit(cloud)}
        self.projects = Projects(self.database)
        self.vault = Vault(self.database, Sealer(public), Opener(private))
        self.environments = Environments(self.database, self.projects, kits)
        self.resources = Resources(self.database, self.projects)
        self.recovery_points = RecoveryPoints(self.database, self.projects)
        self.backup_plans = BackupPlans(self.database, self.projects)
        self.outlooks = Outlooks(self.database, self.projects)
        self.reports = Reports(self.database, self.projects)
        self.restores = Restores(self.database, self.projects)
        work = make_work(
            Parts(
                self.database,
                self.vault,
                kits,
                isolated=True,
                settle_s=settle_s,
                snapshot_timeout_s=60,
                calls=4,
                budget=Budget(stop=self.stop),
                stop=self.stop,
            )
        )
        self.jobs, self.runs = work.jobs, work.runs
        self.preview_groups = PreviewGroups(self.database, self.projects, self.runs)
        self.replies = Replies(self.database)
        self.logins = DeviceLogins(self.database)
        self.dashboards = Dashboards(self.database, self.projects, shipped_dashboards())
        self.views = Views(
            self.database, self.projects, shipped_dashboards(), idle=timedelta(seconds=30)
        )
        self.timetable = Timetable(self.database, self.runs, source="test")
        self.outbox = Outbox(self.database)
        self._workers = 0

    def new_timetable(self) -> Timetable:
        """Return the timetable of another process."""
        return Timetable(self.database, self.runs, source="another")

    def worker(self) -> Execution:
        """Return a new worker."""
        self._workers += 1
        name = f"worker-{self._workers}"
        return Execution(self.database, self.projects, self.jobs, worker=name)

    def begin(self, execution: Execution, flow_run: str | None = None) -> Attempt:
        """Take up the oldest due Run."""
        due = execution.due(1)[0]
        flow_run = flow_run or f"flow-{due.run_id}-{due.attempt}"
        assert execution.dispatch(due, flow_run)
        return execution.claim(due.run_id, flow_run)

    def carry_out(self, execution: Execution | None = None) -> MavisError | None:
        """Do every due Run to its end, as the flow does; return the last error."""
        execution = execution or self.worker()
        last: MavisError | None = None
        while execution.due(1):
            try:
                attempt = self.begin(execution)
            except MavisError as exc:
                last = exc
                continue
            last = finish(attempt) or last
        return last

    def carry_out_only(self, kind: str) -> None:
        """Do the due Runs of one kind to their end; others stay where they are."""
        jobs = {action: job for action, job in self.jobs.items() if action == kind}
        self.carry_out(Execution(self.database, self.projects, jobs, worker=f"only {kind}"))

    def drop_queued(self) -> None:
        """Forget Runs that nobody has taken up."""
        runs = tables.runs
        with self.database.write() as tx:
            tx.execute(sa.update(runs).where(runs.c.state == "queued").values(state="cancelled"))

    def shop(self) -> Project:
        """Return a project ``shop`` with one environment, an operator and a viewer."""
        admin = call("ada", PLATFORM)
        self.projects.create(admin, name="shop", title="Web shop")
        self.projects.put_member(admin, "shop", "user:olga", Role.OPERATOR)
        self.projects.put_member(admin, "shop", "group:lookers", Role.VIEWER)
        self.environments.create(
            admin,
            "shop",
            name="main",
            kit="fake",
            account=ACCOUNT,
            regions=[REGION],
            key=None,
            options={},
        )
        return Project(self)

    def records(self) -> list[Record]:
        """Return every record that waits for the log process, oldest first."""
        return [record for _, record in self.outbox.pending(10_000)]

    def records_ever(self) -> list[dict[str, Any]]:
        """Return every record, also those that the log process has taken, oldest first."""
        table = tables.records
        with self.database.read() as tx:
            return [
                dict(row) for row in tx.execute(sa.select(table).order_by(table.c.seq)).mappings()
            ]

    def close(self) -> None:
        self.stop.set()
        self.database.close()


class Project:
    """Short words for the project ``shop``."""

    def __init__(self, core: Core) -> None:
        self.core = core

    @property
    def olga(self) -> CallContext:
        """A new call by the operator."""
        return call("olga")

    def start(self, action: str, resource: str | None = None, **arguments: Any) -> Run:
        """Ask for a Run as the operator."""
        return self.core.runs.start(
            self.olga,
            "shop",
            action=action,
            resource=resource,
            arguments=arguments,
        )

    def discover(self) -> None:
        """Look at the cloud."""
        self.start("inventory.discover")
        error = self.core.carry_out()
        assert error is None, error

    @property
    def ada(self) -> CallContext:
        """A new call by the administrator."""
        return call("ada", PLATFORM)

    def plan(self, name: str = "nightly", **document: Any) -> BackupPlan:
        """Make a backup plan as the administrator: the whole project, daily, where not said."""
        return self.core.backup_plans.create(self.ada, "shop", name, plan_document(**document))

    def back_up(self, name: str = "nightly", **arguments: Any) -> Run:
        """Run a plan now, to its end."""
        run = self.start("backup.run", name, **arguments)
        self.core.carry_out()
        return self.run(run)

    def run(self, run: Run) -> Run:
        """Return the Run as it is now."""
        return self.core.runs.get(self.olga, "shop", run.id)

    def run_of(self, run_id: str) -> Run:
        """Return a Run by its id."""
        return self.core.runs.get(self.olga, "shop", run_id)

    @staticmethod
    def page() -> PageRequest:
        """Ask for a large page."""
        return PageRequest(200)

    def points(self) -> list[RecoveryPoint]:
        """Return the recovery points, newest first."""
        return list(self.core.recovery_points.list(self.olga, "shop", PageRequest()).items)


def plan_document(**given: Any) -> dict[str, Any]:
    """Return a plan's document; what is not given takes the whole project once a day."""
    rules = [{"name": "daily", "cron": "30 2 * * *"}]
    return {"selection": {}, "rules": rules, "zone": "Europe/Berlin", **given}


def finish(attempt: Attempt) -> MavisError | None:
    """Do the pending steps of an attempt as the flow does."""
    try:
        for position in attempt.pending():
            attempt.perform(position)
    except Interrupted as exc:
        attempt.release()
        return exc
    except Unavailable as exc:
        return exc
    except Cancelled as exc:
        attempt.release()
        return exc
    except MavisError as exc:
        attempt.fail(exc)
        return exc
    attempt.succeed()
    return None


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    """Wait until `condition` holds.

    Raises
    ------
    AssertionError
        It does not in time.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def at_once(*calls: Callable[[], T]) -> list[T | Exception]:
    """Let `calls` begin at the same moment; return what each returned or raised."""
    gate = threading.Barrier(len(calls))

    def one(call: Callable[[], T]) -> T | Exception:
        gate.wait()
        try:
            return call()
        except Exception as exc:  # noqa: BLE001  # what was raised is the answer
            return exc

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def make_tables(url: str) -> None:
    """Migrate the database at `url`; a new SQLite file is a copy of one that was migrated."""
    path = Path(url.removeprefix(SQLITE))
    if not url.startswith(SQLITE) or path.exists():
        migrate(url)
    else:
        path.write_bytes(_migrated())


@cache
def _migrated() -> bytes:
    """Return the bytes of an SQLite file with all tables and nothing in them."""
    with tempfile.TemporaryDirectory() as folder:
        url = sqlite_url(Path(folder))
        migrate(url)
        assert sorted(path.name for path in Path(folder).iterdir()) == ["mavis.sqlite"]
        return (Path(folder) / "mavis.sqlite").read_bytes()


def sqlite_url(folder: Path) -> str:
    """Return the address of a new SQLite database in `folder`."""
    return f"{SQLITE}{folder}/mavis.sqlite"
