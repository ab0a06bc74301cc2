"""The judge: whether what Mavis says is true, and whether it left anything behind.

Each rule is a function that says in sentences what is wrong. Nothing here believes Mavis's rows
by themselves: they are compared with what plain boto3 sees and with the simulator's log.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from integration.matrix.cases import reads
from integration.matrix.evidence import CopyRow, Evidence, twice
from integration.matrix.goals import GOALS, LATER
from integration.matrix.scenarios import SCENARIOS

Rule = Callable[[Evidence], Iterator[str]]

_DELETES = {
    "DeleteSnapshot": "SnapshotId",
    "DeleteVolume": "VolumeId",
    "TerminateInstances": "InstanceId.1",
    "DeregisterImage": "ImageId",
    "DeleteSecurityGroup": "GroupId",
}
_MAKES = (
    *("CreateSnapshots", "CopySnapshot", "CreateVolume", "RunInstances", "RegisterImage"),
    "CreateSecurityGroup",
)
_RECORDED_AS = {  # where a call is a part of what the record names, or has one of several names
    "ModifySnapshotAttribute": ("cloud.ShareSnapshots",),
    "RegisterImage": ("cloud.RunInstances",),
    "RevokeSecurityGroupEgress": ("cloud.CreateSecurityGroup",),
    "SendCommand": ("cloud.SendCommand", "cloud.FreezeInstance"),
}
_THAWS_WITHIN_S = 20.0  # twice the time that a machine waits before it thaws by itself
_LOOK_EVERY_S = 0.2
_OWED = "cloud.StartInstances (owed)"
_ENDED = ("succeeded", "failed", "refused", "cancelled")


def wrong_now(scenario: str, evidence: Evidence) -> list[str]:
    """Return what is wrong when nothing is due any more."""
    return [*_told_by(evidence, *_ALWAYS), *_run_is_true(scenario, evidence)]


def wrong_later(scenario: str, evidence: Evidence) -> list[str]:
    """Return what is wrong after a day, reconciliation and retention."""
    found = _told_by(evidence, *_ALWAYS, *_LATER)
    if scenario in LATER or evidence.run.state == SCENARIOS[scenario].ends:
        found += GOALS[scenario](evidence)
    return [f"a day later: {each}" for each in found]


def _told_by(evidence: Evidence, *rules: Rule) -> list[str]:
    return [each for rule in rules for each in rule(evidence)]


def _run_is_true(scenario: str, evidence: Evidence) -> Iterator[str]:
    """A Run has ended as it should where its goal is reached, and only there; else it says why.

    One that the cloud did not let look may have failed for that alone.
    """
    run, ends = evidence.run, SCENARIOS[scenario].ends
    lacks = list(GOALS[scenario](evidence))
    if run.state in ("succeeded", ends) and lacks:
        how = "has succeeded" if run.state == "succeeded" else f"is {run.state}"
        yield f"the Run {how}, and {'; '.join(lacks)}"
    failed = run.state in ("failed", "refused") and run.state != ends
    if failed and not lacks and not evidence.blind:
        yield f"the Run is {run.state} ({run.code}), and everything is there"
    if run.state in ("failed", "refused") and not run.code:
        yield f"the Run is {run.state} and does not say why"


def _runs_have_ended(evidence: Evidence) -> Iterator[str]:
    for run in evidence.runs:
        if run.state not in _ENDED:
            yield f"{run.kind} is {run.state} after {run.attempt} attempts"
        if run.code == "internal":
            yield f"{run.kind} failed with a bug"


def _nothing_is_lost(evidence: Evidence) -> Iterator[str]:
    """What was there and is not to go is there, with its bytes."""
    for one in sorted(evidence.before - evidence.may_go - evidence.there):
        yield f"{one} is lost"
    for volume, digest in evidence.facts.bytes_now.items():
        if volume in evidence.there and evidence.digest(volume) != digest:
            yield f"{volume} has other bytes"


def _deleted_once(evidence: Evidence) -> Iterator[str]:
    """Nothing is deleted twice, and nothing that was there before and is not to go."""
    gone = [
        call.params[_DELETES[call.action]]
        for call in evidence.calls
        if call.action in _DELETES and call.took_effect
    ]
    for one, times in Counter(gone).items():
        if times > 1 and not one.startswith("i-"):  # terminating again is no error in AWS
            yield f"{one} was deleted {times} times"
        if one in evidence.before - evidence.may_go:
            yield f"{one} was deleted, and nobody allowed it"


def _made_in_its_places(evidence: Evidence) -> Iterator[str]:
    for call in evidence.calls:
        if call.made and (call.account, call.region) not in evidence.facts.places:
            yield f"{call.action} made {call.made} in {call.account} / {call.region}"


def _no_doubles(evidence: Evidence) -> Iterator[str]:
    """A volume has one snapshot in one place for one point."""
    keys = [
        (
            seen.tags["mavis:recovery-point"],
            seen.account,
            seen.region,
            seen.tags.get("mavis:volume", seen.volume_id),
        )
        for seen in evidence.snapshots.values()
        if "mavis:recovery-point" in seen.tags
    ]
    for point, account, region, volume in twice(keys):
        yield f"{volume} has two snapshots of {point} in {account} / {region}"


def _states_are_true(evidence: Evidence) -> Iterator[str]:
    for copy in evidence.copies:
        if copy.state == "complete":
            yield from _complete_is_true(copy, evidence)
        elif copy.state == "gone":
            for member in copy.members:
                if member.cloud_id in evidence.there:
                    yield f"{copy.id} is gone, and {member.cloud_id} is there"


def _complete_is_true(copy: CopyRow, evidence: Evidence) -> Iterator[str]:
    """Every volume has its snapshot, complete and with the bytes of that moment."""
    for volume in copy.disks:
        member = next((one for one in copy.members if one.volume_id == volume), None)
        seen = evidence.snapshots.get(member.cloud_id or "") if member else None
        if (
            member is None
            or seen is None
            or (seen.account, seen.region)
            != (
                copy.account,
                copy.region,
            )
        ):
            yield f"{copy.id} is complete, and the cloud has no snapshot of {volume}"
        elif (member.state, seen.state) != ("completed", "completed"):
            yield f"{copy.id} is complete, and {seen.snapshot_id} is {seen.state}"
        elif evidence.digest(seen.snapshot_id) != evidence.facts.content[volume]:
            yield f"{seen.snapshot_id} has other bytes than {volume} had"


def _restores_are_true(evidence: Evidence) -> Iterator[str]:
    """What a complete restore has made is there, with its tag and the bytes of that time."""
    for restore in evidence.restores:
        if restore.state not in ("complete", "final"):
            continue
        for one in sorted(restore.made):
            seen = evidence.things.get(one)
            if seen is None:
                yield f"{restore.id} is {restore.state}, and {one} is not there"
            elif seen.tags.get("mavis:restore") != restore.id:
                yield f"{one} does not say that it is of {restore.id}"
        for origin, new in restore.volumes.items():
            if evidence.digest(new) not in ("", evidence.facts.content[origin]):
                yield f"{new} has other bytes than {origin} had"


def _machines_are_whole(evidence: Evidence) -> Iterator[str]:
    """A machine has all its old volumes or all its new ones, never some of each."""
    for machine, disks in evidence.facts.disks.items():
        hanging = evidence.bytes_of(machine)
        mine = {device: hanging.get(device, "") for device in disks}
        taken = {device: evidence.facts.content[volume] for device, volume in disks.items()}
        now = {device: evidence.facts.bytes_now[volume] for device, volume in disks.items()}
        if mine not in (taken, now):
            yield f"{machine} has neither its old volumes nor the new ones: {hanging}"


def _stopped_ones_are_owed(evidence: Evidence) -> Iterator[str]:
    """A machine runs, or stands in the ledger as one that is to be started again."""
    for machine in evidence.facts.disks:
        state = evidence.things[machine].state
        if state != "running" and f"{_OWED} of {machine}" not in evidence.open_intents:
            yield f"{machine} is {state}, and nobody owes its start"


def _machines_run(evidence: Evidence) -> Iterator[str]:
    for machine in evidence.facts.disks:
        if (state := evidence.things[machine].state) != "running":
            yield f"{machine} is {state}"


def _machines_are_thawed(evidence: Evidence) -> Iterator[str]:
    """Each machine is frozen and thawed in turns, and thawed at last, by itself if need be."""
    for machine in evidence.facts.disks:
        end = time.monotonic() + _THAWS_WITHIN_S
        lines, frozen = evidence.written_on(machine)
        while frozen and time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)
            lines, frozen = evidence.written_on(machine)
        if frozen:
            yield f"{machine} is frozen"
        if lines != ["pre", "post"] * (len(lines) // 2):
            yield f"{machine} was frozen and thawed out of turn: {lines}"


def _locks_are_true(evidence: Evidence) -> Iterator[str]:
    for copy in evidence.copies:
        for member in copy.members if copy.point_id in evidence.locks else ():
            if copy.state == "complete" and member.cloud_id not in evidence.locked:
                yield f"{copy.point_id} is locked, and {member.cloud_id} is not"


def _proofs_are_true(evidence: Evidence) -> Iterator[str]:
    """Where the verification has failed no good proof stands on the point."""
    about = evidence.restore
    failed = about is not None and (about.kind, about.state) == ("verification", "failed")
    if failed and True in evidence.proofs:
        yield "the verification has failed, and the proof is a good one"


def _nothing_is_shared(evidence: Evidence) -> Iterator[str]:
    yield from (f"{one} is shared" for one in sorted(evidence.shared))


def _nothing_hangs(evidence: Evidence) -> Iterator[str]:
    """Everything has come to an end, and nobody has to ask any more."""
    yield from (f"the ledger is open: {each}" for each in evidence.open_intents)
    for copy in evidence.copies:
        if copy.state in ("planned", "running", "expiring"):
            yield f"{copy.id} is {copy.state}"
    for restore in evidence.restores:
        if restore.state not in ("complete", "final", "failed", "undone"):
            yield f"{restore.id} is {restore.state}"


def _incomplete_is_true(evidence: Evidence) -> Iterator[str]:
    """What is partial or failed lacks something."""
    for copy in evidence.copies:
        if copy.state not in ("partial", "failed"):
            continue
        there = {
            seen.tags.get("mavis:volume", seen.volume_id)
            for seen in evidence.snapshots.values()
            if seen.tags.get("mavis:recovery-point") == copy.point_id
            and (seen.account, seen.region, seen.state) == (copy.account, copy.region, "completed")
        }
        if there.issuperset(copy.disks):
            yield f"{copy.id} is {copy.state}, and every volume's snapshot is there"


def _nobodys(evidence: Evidence) -> Iterator[str]:
    """Everything that was made is in the catalogue or with a restore as what it is, or gone."""
    ours = {
        member.cloud_id
        for copy in evidence.copies
        for member in copy.members
        if member.cloud_id and member.state != "gone"
    }
    for restore in evidence.restores:
        if restore.state in ("complete", "final"):
            ours |= restore.made
    for one in sorted(evidence.there - evidence.before - ours):
        yield f"{one} is nobody's"


def _every_effect_is_recorded(evidence: Evidence) -> Iterator[str]:
    """What changed something in the cloud was recorded before: what makes things each time.

    A call that is sent again under its client token makes nothing.
    """
    effects = Counter(
        call.action
        for call in evidence.calls
        if call.took_effect and not reads(call.action) and (call.made or call.action not in _MAKES)
    )
    for action, times in sorted(effects.items()):
        names = _RECORDED_AS.get(action, (f"cloud.{action}",))
        recorded = sum(evidence.intents[name] for name in names)
        if recorded < (times if action in _MAKES else 1):
            yield f"{action} took effect {times} times and was recorded {recorded} times"


_ALWAYS: tuple[Rule, ...] = (
    _runs_have_ended,
    _every_effect_is_recorded,
    _nothing_is_lost,
    _deleted_once,
    _made_in_its_places,
    _no_doubles,
    _states_are_true,
    _restores_are_true,
    _machines_are_whole,
    _stopped_ones_are_owed,
    _machines_are_thawed,
    _locks_are_true,
    _proofs_are_true,
)
_LATER: tuple[Rule, ...] = (
    _nothing_hangs,
    _nothing_is_shared,
    _machines_run,
    _incomplete_is_true,
    _nobodys,
)
