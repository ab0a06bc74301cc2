"""Mavis: one Run of a backup plan, carried out as the platform worker does it, over HTTP.

Everything but Prefect: a database on disk, a sealed key that is opened for the Run, the AWS kit,
an intent with its record before each call and an outcome with its record after it, a recovery
point with copies and members. What Prefect adds to a Run is measured in ``run_start.py``.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from cloud.accounts import KEY
from contenders import fleet
from contenders.measuring import stretch
from core_double import PLATFORM, call, finish, sqlite_url
from mavis_core.bootstrap import Parts, Work, make_work
from mavis_core.changes.budget import Budget, granted
from mavis_core.config import WorkerConfig
from mavis_core.db import Database, migrate, open_database
from mavis_core.heap import settle_heap
from mavis_core.kits.aws import AwsKit
from mavis_core.projects.environments import Environments
from mavis_core.projects.service import Projects
from mavis_core.protection.plans.service import BACKUP, BackupPlans
from mavis_core.scheduling.execution import Attempt, Execution
from mavis_core.vault.sealing import Opener, Sealer, generate
from mavis_core.vault.service import Vault

_PROJECT, _PLAN = "shop", "nightly"
_DOCUMENT = {
    "selection": {"match": f"tag:{fleet.TAG[0]} = {fleet.TAG[1]}"},
    "rules": [{"name": "daily", "cron": "30 2 * * *"}],
    "keep": {"daily": 7},
}
_API_RATE = 1000.0  # neither contender asks for anything like a budget


def main() -> None:
    """Discover, then have every selected machine backed up; tell what each step took."""
    settle_heap()
    settings = WorkerConfig(api_rate=_API_RATE)
    url = sqlite_url(Path(sys.argv[1]))
    migrate(url)
    database = open_database(url, pool_size=settings.concurrency)
    work, projects = _work(database, settings), Projects(database)
    execution = Execution(database, projects, work.jobs, worker="worker")
    _ask(work, "inventory.discover", None)
    if error := finish(_claim(execution)):
        raise error
    with stretch("ask"):
        _ask(work, BACKUP, _PLAN)
    with stretch("claim"):
        attempt = _claim(execution)
    for position in attempt.pending():
        with stretch(attempt.steps[position].name):
            attempt.perform(position)
    with stretch("end"):
        attempt.succeed()
    work.clouds.close()
    database.close()


def _work(database: Database, settings: WorkerConfig) -> Work:
    """Make a project with one environment, its key and its plan; return what a worker can do."""
    private, public = generate()
    admin, kits, stop = call("ada", PLATFORM), {"aws": AwsKit()}, threading.Event()
    vault = Vault(database, Sealer(public), Opener(private))
    projects = Projects(database)
    projects.create(admin, name=_PROJECT, title="Web shop")
    fields = {"aws": AwsKit().key_fields}
    vault.store(admin, name="main", kind="aws", value=KEY, known=fields)
    Environments(database, projects, kits).create(
        admin,
        _PROJECT,
        name="main",
        kit="aws",
        account=fleet.ACCOUNT,
        regions=[fleet.REGION],
        key="main",
        options={},
    )
    BackupPlans(database, projects).create(admin, _PROJECT, _PLAN, _DOCUMENT)
    return make_work(
        Parts(
            database,
            vault,
            kits,
            isolated=True,
            settle_s=settings.settle_s,
            snapshot_timeout_s=settings.snapshot_timeout_s,
            calls=settings.calls,
            budget=Budget(granted(settings.api_rate), stop=stop),
            stop=stop,
        )
    )


def _ask(work: Work, action: str, resource: str | None) -> None:
    """Ask for a Run; that is the API's work, not the worker's."""
    work.runs.start(
        call("ada", PLATFORM),
        _PROJECT,
        action=action,
        resource=resource,
        arguments={},
    )


def _claim(execution: Execution) -> Attempt:
    """Begin the Run that is due, as the worker does."""
    (due,) = execution.due(1)
    execution.dispatch(due, f"flow-{due.run_id}")
    return execution.claim(due.run_id, f"flow-{due.run_id}")


if __name__ == "__main__":
    main()
