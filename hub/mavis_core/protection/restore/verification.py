"""The job ``recovery_point.verify``: restore to a place without a way in or out, and prove it.

The snapshots' blocks are read against their checksums; the instance is launched where nothing
reaches it and it reaches nothing, and must live by the cloud's own checks; a script runs on it
where its agent answers, which from such a place it usually cannot. Then everything goes, and a
look shows that nothing is left. What was found stands on the recovery point as its *proof*, also
where it failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.changes.model import Plan, Severity
from mavis_core.contract import CommandResult, CommandState, Health, InstanceState
from mavis_core.errors import CloudError, CloudVanished, Conflict
from mavis_core.protection.points import rows as points
from mavis_core.protection.restore import machines
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.block_reading import read_blocks
from mavis_core.protection.restore.instance import Machine, launched_disks, machine_of, priced
from mavis_core.protection.restore.job import RestoreJob, Work, order_of, parts_of, warnings_of
from mavis_core.protection.restore.model import Restore, RestoreKind
from mavis_core.protection.restore.removal import isolate, left, remove_all
from mavis_core.protection.restore.request import Arguments, Source, source_of
from mavis_core.protection.restore.site import Means, Site
from mavis_core.scheduling.jobs import PlanRequest

__all__ = ["VerifyJob"]

_KNOWN = (
    *("environment", "region", "subnet", "instance_type"),
    *("check", "without_agent", "timeout", "blocks"),
)
_SAMPLE = 20_000  # blocks of a volume that are read without being asked for more: 10 GB at EBS's
_TIMEOUT_S, _LEAST_S, _MOST_S = 1800, 60, 24 * 3600
_MAX_SCRIPT, _MAX_OUTPUT = 16_000, 2_000
_CHECK_EVERY = 64  # blocks between looks whether somebody has cancelled
_TELL, _FAIL = "tell", "fail"


class VerifyJob(RestoreJob):
    """Prove that a recovery point restores.

    Parameters
    ----------
    means
        What it works with.
    agent_s
        Seconds for which the agent of a healthy instance may not answer yet.
    """

    action = "recovery_point.verify"
    permission = Permission.RESTORE_CREATE
    kind = RestoreKind.VERIFICATION

    def __init__(self, means: Means, *, agent_s: float = 60.0) -> None:
        super().__init__(means)
        self._agent_s = agent_s

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        arguments = Arguments(request, self.action, _KNOWN)
        source = source_of(tx, request, arguments)
        machine, _ = machine_of(source, arguments)
        bare = replace(machine, security_groups=(), key_name=None, profile=None)
        check = arguments.script("check", limit=_MAX_SCRIPT)
        limit = arguments.number("blocks", least=0, most=2**31)
        cost = self._means.prices.estimate(priced(source, bare)).sentence
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            source.point.label,
            Severity.CREATES,
            _effects(source, bare, check),
            order_of(
                source,
                source.parts,
                machine=bare.to_json(),
                check=check,
                without_agent=arguments.choice("without_agent", (_TELL, _FAIL)),
                timeout_s=arguments.number("timeout", least=_LEAST_S, most=_MOST_S) or _TIMEOUT_S,
                blocks=_SAMPLE if limit is None else limit,
            ),
            warnings_of(
                source,
                cost,
                "Its programs start, and reach nothing: what they would do to others, they cannot.",
            ),
        )

    def work(self) -> Sequence[tuple[str, Work]]:
        return [
            ("Read the blocks", self._read),
            ("Launch in isolation", self._launch),
            ("Wait until it lives", self._wait),
            ("Run the check", self._check),
            ("Remove everything", self._remove),
            ("Write the proof", self._prove),
        ]

    def _read(self, site: Site) -> None:
        _, parts = parts_of(site)
        arguments, found = site.restore.arguments, []
        with _timed(site, "blocks"):
            for part in parts:
                volume = part.disk.volume_id

                def say(done: int, of: int, volume: str = volume) -> None:
                    percent = done * 100 // max(of, 1)
                    if done % _CHECK_EVERY == 0:
                        site.progress.check()
                    site.progress.say(f"{volume}: {percent} % of {of} blocks", percent=percent)

                proof = read_blocks(
                    site.connection.blocks,
                    site.region,
                    volume_id=volume,
                    snapshot_id=part.snapshot_id,
                    limit=arguments["blocks"],
                    threads=site.means.threads,
                    stop=site.means.stop,
                    say=say,
                )
                found.append(proof.to_json())
        _note(site, volumes=found)

    def _launch(self, site: Site) -> None:
        _, parts = parts_of(site)
        machine = Machine.from_json(site.restore.arguments["machine"])
        with _timed(site, "launch"):
            place = isolate(site, machine.subnet_id)
            shut = replace(
                machine, subnet_id=place.subnet_id, security_groups=(place.security_group,)
            )
            everything = frozenset(part.disk.device for part in parts)
            launch = shut.launch(parts, ends_with_it=everything)
            machines.launch(site, launch, {}, f"mavis-{site.restore.id}")

    def _wait(self, site: Site) -> None:
        instance_id = site.restore.made.instance_id or ""
        with _timed(site, "alive"):
            self._until_alive(site, instance_id)
            _, parts = parts_of(site)
            launched_disks(site, machines.described(site, instance_id), parts)

    def _until_alive(self, site: Site, instance_id: str) -> None:
        begun, within_s = clock.now(), site.means.shows_within_s

        def look() -> bool | None:
            _check_time(site)
            instance = machines.shown(site, instance_id, since=begun, within_s=within_s)
            if instance is None or instance.state is InstanceState.PENDING:
                return None
            if instance.state is not InstanceState.RUNNING:
                raise CloudError(f"{instance_id} started and is {instance.state} again")
            if instance.health is Health.IMPAIRED:
                raise CloudError(
                    f"{instance_id} runs and the cloud's checks say that it is impaired",
                    mend="It does not boot from this recovery point: look at an older one.",
                )
            return True if instance.health is Health.OK else None

        site.until(
            look,
            f"{instance_id} is being checked by the cloud",
            timeout_s=site.restore.arguments["timeout_s"],
        )

    def _check(self, site: Site) -> None:
        script = site.restore.arguments.get("check")
        if not script:
            _note(site, checks=[])
            return
        instance_id = site.restore.made.instance_id or ""
        if not self._answers(site, instance_id):
            if site.restore.arguments["without_agent"] == _FAIL:
                raise CloudVanished(
                    f"No agent answers in {instance_id}, and the check was demanded",
                    mend="Give the isolated subnet a private way to the cloud's agent service.",
                )
            words = "no agent answers from a place without a way out"
            _note(site, checks=[{"state": "not run", "why": words}])
            site.progress.say(f"not run: {words}")
            return
        with _timed(site, "check"):
            result = self._run(site, instance_id, script)
        _note(site, checks=[_told(result)])
        if result.state is not CommandState.SUCCEEDED:
            raise Conflict(
                f"The check on {instance_id} {result.state.replace('_', ' ')}"
                f" (exit code {result.exit_code}): {result.output[:200]}",
                mend="The proof has its output; look at the machine's data.",
            )

    def _answers(self, site: Site, instance_id: str) -> bool:
        begun = clock.now()

        def look() -> bool | None:
            if instance_id in site.connection.commands.reachable(site.region, [instance_id]):
                return True
            late = clock.now() - begun >= timedelta(seconds=self._agent_s)
            return False if late else None

        return site.until(look, f"the agent of {instance_id} is waited for")

    def _run(self, site: Site, instance_id: str, script: str) -> CommandResult:
        timeout_s = max(int(_left_s(site)), 30)

        def make(target: str, _intent: str) -> Sequence[str]:
            comment = f"Mavis verifies {site.restore.point_id}"
            send = site.connection.commands.send
            return (send(site.region, target, script, timeout_s=timeout_s, comment=comment),)

        (sent,) = site.do("cloud.SendCommand", [instance_id], make)

        def look() -> CommandResult | None:
            _check_time(site)
            try:
                result = site.connection.commands.result(site.region, instance_id, sent.made[0])
            except CloudVanished:
                return None  # it was sent so recently that the cloud does not show it
            return None if result.state is CommandState.RUNNING else result

        allowed_s = site.restore.arguments["timeout_s"]
        return site.until(look, f"the check runs on {instance_id}", timeout_s=allowed_s)

    def _remove(self, site: Site) -> None:
        with _timed(site, "removal"):
            self._empty(site)

    def _empty(self, site: Site) -> None:
        remove_all(site, Machine.from_json(site.restore.arguments["machine"]).subnet_id)
        still = left(site)
        _note(site, left=len(still))
        if still:
            raise CloudError(
                f"{', '.join(still)} of the verification {site.restore.id} is still there",
                mend="Delete it in the cloud's console; it carries the tag mavis:restore.",
            )

    def _prove(self, site: Site) -> Mapping[str, Any]:
        proof = _proof(site.now(), None)
        with site.means.database.write() as tx:
            points.update(tx, site.restore.point_id, proof=proof)
        return {**self.complete(site), "ok": True, "seconds": proof["seconds"]}

    def take_back(self, site: Site) -> None:
        """Remove everything; where the verification has failed, say so on the recovery point."""
        try:
            self._empty(site)
        finally:
            if site.restore.error is not None:
                with site.means.database.write() as tx:
                    proof = _proof(site.now(), site.restore.error)
                    points.update(tx, site.restore.point_id, proof=proof)


def _effects(source: Source, machine: Machine, check: str | None) -> tuple[Any, ...]:
    read = [
        source.effect(
            "read", "volume_snapshot", f"its blocks, as {part.disk.volume_id}", id_=part.snapshot_id
        )
        for part in source.parts
    ]
    where = machine.subnet_id or "the default network"
    made = [
        source.effect("create", "network", f"a group in {where} that lets nothing pass"),
        source.effect("create", "instance", f"{machine.instance_type}, in {where}, isolated"),
        *[source.effect("create", "volume", part.words) for part in source.parts],
    ]
    checked = [source.effect("check", "instance", "runs a script on it")] if check else []
    gone = [source.effect("delete", "instance", "with its volumes and the group, at the end")]
    return (*read, *made, *checked, *gone)


@contextmanager
def _timed(site: Site, name: str) -> Iterator[None]:
    """Note how many seconds the block takes, also where it fails."""
    begun = clock.now()
    try:
        yield
    finally:
        seconds = round((clock.now() - begun).total_seconds(), 3)
        _note(site, seconds={name: seconds})


def _note(site: Site, **found: Any) -> None:
    """Keep what was found so far."""

    def change(tx: sa.Connection, restore: Restore) -> None:
        known = dict(restore.proof or {})
        seconds = {**known.get("seconds", {}), **found.pop("seconds", {})}
        restores.update(tx, restore.id, proof={**known, **found, "seconds": seconds})

    site.write(change)


def _proof(restore: Restore, error: Mapping[str, str] | None) -> dict[str, Any]:
    """Return what stands on the recovery point."""
    known = dict(restore.proof or {})
    seconds = known.get("seconds", {})
    restored = round(sum(seconds.get(name, 0.0) for name in ("launch", "alive")), 3)
    return {
        "ok": error is None,
        "at": clock.iso(clock.now()),
        "run": restore.run_id,
        "restore": restore.id,
        "copy": restore.copy_id,
        "region": restore.arguments["region"],
        "volumes": known.get("volumes", []),
        "seconds": {**seconds, "to_restore": restored},
        "checks": known.get("checks", []),
        "isolated": True,
        "left": known.get("left", len(_ids(restore))),
        **({"why": error["message"], "code": error["code"]} if error is not None else {}),
    }


def _ids(restore: Restore) -> list[str]:
    """Return what is left where nobody could look."""
    made = restore.made
    return [one for one in (*made.volumes.values(), made.instance_id, made.group_id) if one]


def _left_s(site: Site) -> float:
    begun = site.run.started_at or site.run.created_at
    limit = timedelta(seconds=site.restore.arguments["timeout_s"])
    return (begun + limit - clock.now()).total_seconds()


def _check_time(site: Site) -> None:
    if _left_s(site) <= 0:
        raise CloudError(
            f"Not alive within {site.restore.arguments['timeout_s']} s of the Run's begin",
            mend="Give it more time with `timeout`, or look at what it waits for.",
        )


def _told(result: CommandResult) -> dict[str, Any]:
    return {
        "state": result.state,
        "exit_code": result.exit_code,
        "output": result.output[:_MAX_OUTPUT],
    }
