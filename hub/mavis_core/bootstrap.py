"""The only place that joins the parts. A process asks for what it may have and closes it.

`api_app` is what the REST API serves: it seals keys and cannot open them, asks for Runs and
cannot carry them out. `worker_app` is what carries Runs out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points

from mavis_core.changes.budget import Budget, granted
from mavis_core.changes.ledger import Ledger
from mavis_core.changes.replies import Replies
from mavis_core.config import Config
from mavis_core.contract import Kit
from mavis_core.dashboards.service import Dashboards
from mavis_core.dashboards.shipped import shipped_dashboards
from mavis_core.dashboards.views import Views
from mavis_core.db import Database, open_database
from mavis_core.ids import new_id
from mavis_core.inventory.actions import TagJob, power_jobs
from mavis_core.inventory.connections import Clouds
from mavis_core.inventory.discovery import Discover
from mavis_core.inventory.service import Resources
from mavis_core.logins.service import DeviceLogins
from mavis_core.logs.asking import Questions
from mavis_core.logs.client import LogClient
from mavis_core.logs.exporting import Exports
from mavis_core.logs.holds import RecordHolds
from mavis_core.logs.looks import Looks
from mavis_core.logs.reporting import Reporting
from mavis_core.logs.sealing import private_key
from mavis_core.logs.searches import Searches
from mavis_core.objects import Lock, ObjectStore, Settings, open_store
from mavis_core.projects.environments import Environments
from mavis_core.projects.servers import Servers
from mavis_core.projects.service import Projects
from mavis_core.protection.catalogue import looks
from mavis_core.protection.catalogue.rebuild import RebuildJob
from mavis_core.protection.catalogue.reconciliation import ReconcileJob
from mavis_core.protection.copies import calls as copy_calls
from mavis_core.protection.copies import sharing
from mavis_core.protection.copies.jobs import copy_jobs
from mavis_core.protection.copies.progress import MOST_PENDING
from mavis_core.protection.copies.queue import queue
from mavis_core.protection.copies.sharing import Shares
from mavis_core.protection.copies.transfers import Transfers
from mavis_core.protection.deletion.jobs import DeleteJob, RetentionJob
from mavis_core.protection.deletion.outlook import Outlooks
from mavis_core.protection.deletion.plan_jobs import plan_jobs
from mavis_core.protection.plans.service import BackupPlans
from mavis_core.protection.points import locks, victims
from mavis_core.protection.points.expiry import Expiry
from mavis_core.protection.points.holds import Holds
from mavis_core.protection.points.lock_jobs import lock_jobs
from mavis_core.protection.points.locks import Locking
from mavis_core.protection.points.service import RecoveryPoints
from mavis_core.protection.prices import load_prices
from mavis_core.protection.reports import Reports
from mavis_core.protection.restore import removal as restore_removal
from mavis_core.protection.restore import starts
from mavis_core.protection.restore.jobs import restore_jobs
from mavis_core.protection.restore.service import Restores
from mavis_core.protection.restore.site import Means
from mavis_core.protection.restore.starts import Starts
from mavis_core.protection.taking import hooks
from mavis_core.protection.taking.after_backup import AfterBackup
from mavis_core.protection.taking.backup import BackupJob
from mavis_core.protection.taking.hooks import Freezer
from mavis_core.protection.taking.on_demand import RecoveryPointJob
from mavis_core.protection.taking.taking import Taking
from mavis_core.protection.timetable import Timetable
from mavis_core.remote.authority import Authority
from mavis_core.remote.desk import Desk
from mavis_core.remote.devices import Devices
from mavis_core.remote.front_door import FrontDoors
from mavis_core.remote.gateway_client import GatewayClient
from mavis_core.remote.model import KEY_FIELDS
from mavis_core.remote.person_authority import PersonAuthority
from mavis_core.remote.person_certificates import PersonCertificates
from mavis_core.remote.person_keys import PersonKeys
from mavis_core.remote.replays import Replays
from mavis_core.remote.rotating import Rotator
from mavis_core.remote.rotations import KeyRotations
from mavis_core.remote.sessions import Sessions
from mavis_core.scheduling.execution import Execution
from mavis_core.scheduling.groups import PreviewGroups
from mavis_core.scheduling.jobs import Job
from mavis_core.scheduling.service import Runs
from mavis_core.vault.sealing import Opener, Sealer
from mavis_core.vault.service import Vault

__all__ = [
    "ApiApp",
    "GatewayApp",
    "Parts",
    "Work",
    "WorkerApp",
    "api_app",
    "find_kits",
    "gateway_app",
    "make_work",
    "worker_app",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiApp:
    """What the REST API serves."""

    config: Config
    database: Database
    kits: Mapping[str, Kit]
    projects: Projects
    servers: Servers
    environments: Environments
    vault: Vault
    resources: Resources
    recovery_points: RecoveryPoints
    backup_plans: BackupPlans
    outlooks: Outlooks
    reports: Reports
    restores: Restores
    holds: Holds
    runs: Runs
    preview_groups: PreviewGroups
    replies: Replies
    logins: DeviceLogins
    dashboards: Dashboards
    views: Views
    logs: LogClient
    reporting: Reporting
    looks: Looks
    record_holds: RecordHolds
    questions: Questions
    exports: Exports
    searches: Searches
    devices: Devices
    sessions: Sessions
    person_keys: PersonKeys
    person_certificates: PersonCertificates
    front_doors: FrontDoors
    key_rotations: KeyRotations
    replays: Replays

    def close(self) -> None:
        """Close what was opened."""
        self.logs.close()
        self.database.close()


@dataclass(frozen=True, slots=True)
class WorkerApp:
    """What carries Runs out.

    Parameters
    ----------
    stop
        Set it to let steps end their waiting; their Runs go on in the next attempt.
    """

    config: Config
    database: Database
    jobs: Mapping[str, Job]
    execution: Execution
    timetable: Timetable
    clouds: Clouds
    stop: threading.Event

    def close(self) -> None:
        """Let steps end, and close what was opened."""
        self.stop.set()
        self.clouds.close()
        self.database.close()


def api_app(config: Config, *, kits: Mapping[str, Kit] | None = None) -> ApiApp:
    """Return the application of the api process.

    Parameters
    ----------
    kits
        Kits by name; None: those that are installed.
    """
    kits = find_kits() if kits is None else kits
    database = open_database(config.database_url, pool_size=config.database.pool_size)
    projects, logs = Projects(database), LogClient.of(config)
    gateway = GatewayClient.of(config)
    devices = Sealer(config.read_secret("api", "device-public-key"))
    vault = Vault(
        database,
        Sealer(config.read_secret("api", "vault-public-key")),
        sealers=dict.fromkeys(KEY_FIELDS, devices),
    )
    work = make_work(_parts(config, database, vault, kits, threading.Event()))
    shipped = shipped_dashboards()
    sessions = Sessions(database, projects, gateways=config.remote.processes)
    return ApiApp(
        config=config,
        database=database,
        kits=kits,
        projects=projects,
        servers=Servers(database, admin_group=config.hub.admin_group),
        environments=Environments(database, projects, kits),
        vault=vault,
        resources=Resources(database, projects),
        recovery_points=RecoveryPoints(database, projects),
        backup_plans=BackupPlans(database, projects),
        outlooks=Outlooks(database, projects),
        reports=Reports(database, projects),
        restores=Restores(database, projects),
        holds=Holds(database, projects),
        runs=work.runs,
        preview_groups=PreviewGroups(database, projects, work.runs),
        replies=Replies(database),
        logins=DeviceLogins(database),
        dashboards=Dashboards(database, projects, shipped),
        views=Views(database, projects, shipped, idle=timedelta(seconds=config.dashboards.idle_s)),
        logs=logs,
        reporting=Reporting(projects, logs, cells=config.logs.cells == "reported"),
        looks=Looks(database),
        record_holds=RecordHolds(database, projects),
        questions=Questions(database, projects, logs),
        exports=Exports(database, logs),
        searches=Searches(database),
        devices=Devices(database, projects),
        sessions=sessions,
        person_keys=PersonKeys(database),
        person_certificates=PersonCertificates(database, longest=_longest(config), signer=gateway),
        key_rotations=KeyRotations(database),
        front_doors=FrontDoors(
            config.remote.public_host or config.edge.public_host, config.remote.port, gateway
        ),
        replays=Replays(database, projects, sessions, gateway),
    )


def worker_app(config: Config, *, kits: Mapping[str, Kit] | None = None) -> WorkerApp:
    """Return the application of the platform worker.

    Parameters
    ----------
    kits
        Kits by name; None: those that are installed.
    """
    kits = find_kits() if kits is None else kits
    database = open_database(config.database_url, pool_size=config.worker.concurrency)
    vault = Vault(
        database,
        Sealer(config.read_secret("worker", "vault-public-key")),
        Opener(config.read_secret("worker", "vault-private-key")),
    )
    stop = threading.Event()
    work = make_work(_parts(config, database, vault, kits, stop))
    name = f"worker-{new_id('wrk')}"
    return WorkerApp(
        config=config,
        database=database,
        jobs=work.jobs,
        execution=Execution(database, Projects(database), work.jobs, worker=name),
        timetable=Timetable(database, work.runs, source=name),
        clouds=work.clouds,
        stop=stop,
    )


@dataclass(frozen=True, slots=True)
class GatewayApp:
    """What the gateway serves."""

    config: Config
    database: Database
    desk: Desk
    devices: Devices
    person_keys: PersonKeys
    person_certificates: PersonCertificates
    rotator: Rotator
    person_authority: PersonAuthority
    projects: Projects
    store: ObjectStore

    def close(self) -> None:
        """Close what was opened."""
        self.database.close()


def gateway_app(config: Config, shard: int = 0) -> GatewayApp:
    """Return the application of a process of the gateway: it opens keys of devices only.

    Parameters
    ----------
    shard
        Its number.
    """
    database = open_database(config.database_url, pool_size=config.database.pool_size)
    projects = Projects(database)
    sealer = Sealer(config.read_secret("gateway", "device-public-key"))
    opener = Opener(config.read_secret("gateway", "device-private-key"))
    vault = Vault(database, sealer, opener)
    authority = Authority(private_key(config.read_secret("gateway", "device-authority-key")))
    settings = Settings(
        folder=config.objects_folder,
        url=config.objects.url,
        endpoint_url=config.objects.endpoint_url,
        region=config.objects.region,
        account_file=config.secret_file("gateway", "objects-account"),
        lock=Lock(config.objects.lock),
    )
    return GatewayApp(
        config=config,
        database=database,
        desk=Desk(database, projects, vault, authority, shard=shard),
        devices=Devices(database, projects),
        person_keys=PersonKeys(database),
        person_certificates=PersonCertificates(database, longest=_longest(config)),
        rotator=Rotator(
            database,
            vault,
            sealer,
            opener,
            loopback=config.remote.loopback == "allowed",
            timeout_s=config.remote.connect_s,
        ),
        person_authority=PersonAuthority(
            private_key(config.read_secret("gateway", "person-authority-key")),
            longest=_longest(config),
        ),
        projects=projects,
        store=open_store(settings, "recordings"),
    )


def _longest(config: Config) -> timedelta:
    return timedelta(hours=config.remote.certificate_hours)


def find_kits() -> dict[str, Kit]:
    """Return the installed kits by name; one that fails to load is left out and logged."""
    kits: dict[str, Kit] = {}
    for entry in entry_points(group="mavis.kits"):
        if (kit := _load(entry)) is not None:
            kits[kit.name] = kit
    return kits


def _load(entry: EntryPoint) -> Kit | None:
    try:
        kit: Kit = entry.load()()
    except Exception:  # noqa: BLE001  # the outermost edge: a kit's fault must not end the platform
        _log.exception("kit %s from %s cannot be loaded and is left out", entry.name, entry.value)
        return None
    return kit


@dataclass(frozen=True, slots=True)
class Parts:
    """What jobs are made of.

    Parameters
    ----------
    isolated
        Whether people and services have Unix users of their own.
    settle_s
        Seconds after which an effect that a cloud does not show was not made.
    snapshot_timeout_s
        Seconds after which a recovery point that is not complete is told as partial.
    calls
        Calls to one environment at a time, of one Run.
    budget
        Lets calls begin.
    stop
        Set when the process ends.
    pending_copies
        Members of copies that are under way into one region of an account at a time.
    """

    database: Database
    vault: Vault
    kits: Mapping[str, Kit]
    isolated: bool
    settle_s: float
    snapshot_timeout_s: float
    calls: int
    budget: Budget
    stop: threading.Event
    pending_copies: int = MOST_PENDING


@dataclass(frozen=True, slots=True)
class Work:
    """What Mavis can do, by action, where it is asked for, and the connections that it uses."""

    jobs: Mapping[str, Job]
    runs: Runs
    clouds: Clouds


def _parts(
    config: Config,
    database: Database,
    vault: Vault,
    kits: Mapping[str, Kit],
    stop: threading.Event,
) -> Parts:
    return Parts(
        database,
        vault,
        kits,
        isolated=config.isolated,
        settle_s=config.worker.settle_s,
        snapshot_timeout_s=config.worker.snapshot_timeout_s,
        calls=config.worker.calls,
        budget=Budget(granted(config.worker.api_rate), stop=stop),
        stop=stop,
        pending_copies=config.worker.pending_copies,
    )


def make_work(parts: Parts) -> Work:
    """Return every job, over the same parts."""
    database, stop = parts.database, parts.stop
    jobs: dict[str, Job] = {}
    runs = Runs(database, Projects(database), jobs)
    ledger = Ledger(database, settle_s=parts.settle_s, stop=stop)
    clouds = Clouds(database, parts.vault, parts.kits, isolated=parts.isolated, budget=parts.budget)
    taking = Taking(
        database,
        clouds,
        ledger,
        timeout_s=parts.snapshot_timeout_s,
        threads=parts.calls,
        stop=stop,
    )
    expiry = Expiry(database, clouds, ledger, threads=parts.calls, stop=stop)
    locking = Locking(database, clouds, ledger, threads=parts.calls)
    freezer = Freezer(database, clouds, stop=stop)
    shares = Shares(database, clouds)
    transfers = Transfers(
        database,
        clouds,
        ledger,
        shares,
        timeout_s=parts.snapshot_timeout_s,
        threads=parts.calls,
        stop=stop,
        most=parts.pending_copies,
    )
    means = Means(database, clouds, ledger, load_prices(), stop, threads=parts.calls)
    all_jobs: tuple[Job, ...] = (
        Discover(database, clouds),
        *power_jobs(database, clouds, ledger, stop),
        TagJob(database, clouds, ledger),
        RecoveryPointJob(database, taking),
        BackupJob(
            database,
            clouds,
            taking=taking,
            hooks=freezer,
            expiry=expiry,
            after=AfterBackup(database, runs, queue=queue, locks=locking),
        ),
        RetentionJob(database, expiry),
        DeleteJob(database, expiry),
        *plan_jobs(BackupPlans(database, Projects(database))),
        *copy_jobs(database, transfers=transfers, shares=shares, locking=locking, expiry=expiry),
        *lock_jobs(database, locking),
        RebuildJob(database, clouds),
        ReconcileJob(
            database,
            clouds,
            ledger,
            taking,
            expiry,
            looks={
                copy_calls.ACTION: transfers.looking,
                victims.ACTION: expiry.looking,
                **locks.looks(),
                **looks.LOOKS,
                **restore_removal.LOOKS,
            },
            owed={
                sharing.ACTION: shares.end,
                hooks.ACTION: freezer.end,
                starts.ACTION: Starts(means).end,
            },
        ),
        *restore_jobs(means),
    )
    jobs.update({job.action: job for job in all_jobs})
    return Work(jobs, runs, clouds)
