"""The main job, through the public REST API with people's tokens."""

from __future__ import annotations

import contextlib
import getpass
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.seed import World
from cloud.witness import Witness
from mavis_core.config import Config
from mavis_kernel import Mavis
from mavis_kernel.cli.progress import watch_to_end
from mavis_kernel.errors import Conflict
from mavis_kernel.hub import log_in
from mavis_kernel.masking import Secret
from mavis_kernel.models import Record, RecoveryPoint, Run
from mavis_kernel.outcomes import demand_success
from mavis_kernel.settings import Trust

PROJECT = "shop"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Account:
    """An account to connect: an environment and the key in the vault that opens it."""

    environment: str
    number: str
    regions: tuple[str, ...]
    key: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """A Run, the recovery point that it made, and the seconds from asking to the end."""

    run: Run
    point: RecoveryPoint
    seconds: float


@dataclass(frozen=True)
class Job:
    """What the demo does.

    Parameters
    ----------
    key
        The credential to store in the vault.
    accounts
        To connect.
    machines
        To take recovery points of, by name or id.
    witness
        Counts what was made with a client that is none of ours; None: not asked.
    plan
        The definition of a backup plan to be run, before volumes are restored; None: neither.
    """

    key: Mapping[str, str] = field(repr=False)
    accounts: tuple[Account, ...]
    machines: tuple[str, ...]
    witness: Witness | None
    plan: Mapping[str, object] | None = None

    def run(self, settings: Config, people: Mapping[str, str], say: Say) -> bool:
        """Do it; return whether everything is as it should be."""
        with _client(settings, "demo-admin", people) as admin:
            say(f"\n1. demo-admin connects {len(self.accounts)} accounts to the project {PROJECT}")
            self._connect(admin)
        with _client(settings, "demo-operator", people) as operator:
            say("\n2. demo-operator discovers what is there")
            found = demand_success(
                watch_to_end(operator, PROJECT, operator.environments.discover(PROJECT).id)
            )
            _show_instances(operator, say)
            say("\n3. ... sees what a recovery point would do, and takes it")
            made = [self._take(operator, name, say) for name in self.machines]
            say("\n4. The records tell the story")
            told = [_story(operator, run) for run in (found, *(each.run for each in made))]
            good = self._result(made, told, say)
        if self.plan is None:
            return good
        with _client(settings, "demo-admin", people) as admin:
            return self._protect(admin, made[0], say) and good

    def _protect(self, admin: Mavis, taken: Taken, say: Say) -> bool:
        """Let a plan protect the project, and bring a machine's volumes back."""
        say("\n5. demo-admin writes the backup plan nightly and runs it now")
        _once(lambda: admin.backup_plans.create(PROJECT, "nightly", self.plan or {}))
        run = admin.backup_plans.run(PROJECT, "nightly")
        run = demand_success(watch_to_end(admin, PROJECT, run.id))
        report = admin.reports.protection(PROJECT)
        say(f"   {report.protected} of {report.machines} machines are protected")
        for row in report.rows:
            say(f"   {row.finding}: {row.machine or row.plan}: {row.why}")
        say(f"\n6. ... and brings the volumes of {taken.point.instance_name} back, as new ones")
        begun = admin.restores.start(PROJECT, taken.point.id, "volumes")
        demand_success(watch_to_end(admin, PROJECT, begun.id))
        (restore,) = [
            each
            for each in admin.restores.list(PROJECT, point=taken.point.id)
            if each.run_id == begun.id
        ]
        made = restore.made.volumes if restore.made else {}
        for old, new in made.items():
            say(f"   {old} is back as {new}")
        return len(made) == taken.point.volumes

    def _connect(self, admin: Mavis) -> None:
        _once(lambda: admin.projects.create(PROJECT, title="Web shop"))
        _once(lambda: admin.keys.add("demo", self.key))
        known = {environment.name for environment in admin.environments.list(PROJECT)}
        for account in self.accounts:
            if account.environment not in known:
                admin.environments.add(
                    PROJECT,
                    account.environment,
                    account=account.number,
                    regions=account.regions,
                    key=account.key,
                    options=account.options,
                )
        admin.members.grant(PROJECT, "user:demo-operator", "operator")
        admin.members.grant(PROJECT, "user:demo-enduser", "enduser")

    def _take(self, operator: Mavis, name: str, say: Say) -> Taken:
        shown = operator.recovery_points.preview(PROJECT, name)
        for effect in shown.effects:
            say(f"   {name}: {effect.verb} {effect.kind} {effect.detail or ''}")
        begin = time.monotonic()
        run = operator.previews.apply(PROJECT, shown)
        run = demand_success(watch_to_end(operator, PROJECT, run.id))
        seconds = time.monotonic() - begin
        made = (run.result or {})["recovery_point"]
        return Taken(run, operator.recovery_points.get(PROJECT, str(made)), seconds)

    def _result(self, made: Sequence[Taken], told: Sequence[list[Record]], say: Say) -> bool:
        good = all(_complete(story) for story in told)
        rows = [("MACHINE", "RECOVERY POINT", "VOLUMES", "SECONDS", "RECORDS", "SEEN BY BOTO3")]
        for each, story in zip(made, told[1:], strict=True):
            point_id, volumes = each.point.id, each.point.volumes
            seen = self._seen(point_id)
            good = good and seen in (None, volumes)
            witness = "not asked" if seen is None else f"{seen} of {volumes}"
            machine, seconds = each.run.subject or "", f"{each.seconds:.1f}"
            rows.append((machine, point_id, str(volumes), seconds, str(len(story)), witness))
        say("")
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        return good

    def _seen(self, point_id: str) -> int | None:
        """Return how many volume snapshots of a recovery point a plain boto3 client sees."""
        if self.witness is None:
            return None
        places = [(each.number, region) for each in self.accounts for region in each.regions]
        return sum(
            len(self.witness.tagged(account, region, "mavis:recovery-point", point_id))
            for account, region in places
        )


NIGHTLY: Mapping[str, object] = {
    "title": "What earns the money",
    "zone": "Europe/Berlin",
    "selection": {"match": "tag:role in (web, database, payments)"},
    "rules": [{"name": "daily", "cron": "30 2 * * *"}],
    "keep": {"daily": 7, "weekly": 5, "monthly": 12},
    "rpo": "26h",
}


def simulated_accounts(world: World) -> Job:
    """Return the job for the simulator's two accounts and two regions."""
    main, partner = world.accounts
    role = {"role_arn": world.role_arn, "external_id": world.external_id}
    return Job(
        key={"access_key_id": "AKIADEMO000000000000", "secret_access_key": "demo-secret"},
        accounts=(
            Account("main", main, world.regions, "demo"),
            Account("partner", partner, world.regions, "demo", role),
        ),
        machines=("web-1", "db-1", "web-2", "payments-1"),
        witness=Witness(world.url),
        plan=NIGHTLY,
    )


def real_account() -> Job:
    """Ask for an account of the reader's own, its number typed twice, and return the job."""
    if not sys.stdin.isatty():
        raise SystemExit("CLOUD=aws asks questions: run it in a terminal.")
    print("This takes one real recovery point in an AWS account of yours; AWS charges for it.")
    number = input("Account number (12 digits): ").strip()
    if len(number) != 12 or not number.isdecimal():
        raise SystemExit("An account number has 12 digits.")
    region = input("Region: ").strip()
    machine = input("Instance (id or name): ").strip()
    key = {
        "access_key_id": input("Access key id: ").strip(),
        "secret_access_key": getpass.getpass("Secret access key: ").strip(),
    }
    if input(f"Type {number} to go on: ").strip() != number:
        raise SystemExit("Nothing was done.")
    account = Account(f"aws-{number}", number, (region,), "demo")
    return Job(key=key, accounts=(account,), machines=(machine,), witness=None)


def _client(settings: Config, name: str, people: Mapping[str, str]) -> Mavis:
    """Log in as a person does, by name and password at the Hub, and return the client."""
    url = f"{settings.public_url}/services/mavis"
    ca_file = str(settings.ca_file) if settings.edge.tls == "self-signed" else None
    login = log_in(url, Trust(ca_file=ca_file), name, Secret(people[name]))
    return Mavis(url, login.token.reveal(), ca_file)


def _once(make: Callable[[], object]) -> None:
    """Make something that may be there from an earlier demo."""
    with contextlib.suppress(Conflict):
        make()


def _show_instances(operator: Mavis, say: Say) -> None:
    for each in operator.resources.list(PROJECT, kind="instance"):
        say(
            f"   {each.name or '':12} {each.cloud_id:20} {each.state:9}"
            f" {each.environment} {each.region}"
        )


def _story(operator: Mavis, run: Run) -> list[Record]:
    """Return all records of a Run, waiting until the log process has them."""
    for _ in range(100):
        found = list(operator.records.list(PROJECT, correlation_id=run.correlation_id))
        if _complete(found):
            return found
        time.sleep(0.1)
    return found


def _complete(story: list[Record]) -> bool:
    """Return whether the story has its beginning and its end."""
    phases = [(record.kind, record.phase) for record in story]
    return ("audit", "intent") in phases and ("audit", "outcome") in phases
