"""A recovery point at the command line, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from mavis_kernel.cli.output import show_one
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import fields_text
from mavis_kernel.cli.times import both
from mavis_kernel.models import (
    PointCopy,
    PointExplanation,
    PointHold,
    PointLock,
    PointMember,
    PointProof,
    RecoveryPoint,
)

__all__ = ["explanation_lines", "show_point"]


def show_point(state: State, item: RecoveryPoint) -> None:
    """Write a recovery point as data."""
    fields = [
        ("Recovery point", item.id),
        ("State", item.state),
        ("Instance", f"{item.instance_name or ''} ({item.instance_id})".strip()),
        ("Project", item.project),
        ("Environment", item.environment),
        ("Account", item.account or ""),
        ("Region", item.region),
        ("Volumes", f"{item.volumes}, {item.size_gib} GiB"),
        ("Plan", " ".join(part for part in (item.plan, item.rule, item.slot) if part)),
        ("Description", item.description or ""),
        *(field for copy in item.copies for field in _copy_fields(copy)),
        ("Hold", _hold_text(item.hold)),
        ("Lock", _lock_text(item.lock)),
        ("Proof", _proof_text(item.proof)),
        ("Taken", both(item.taken_at) if item.taken_at else ""),
        ("Completed", both(item.completed_at) if item.completed_at else ""),
        ("By", item.created_by or ""),
        ("Run", item.run_id or ""),
        ("Error", item.error.message if item.error else ""),
        ("Mend", (item.error.mend or "") if item.error else ""),
    ]
    show_one(state, item, fields, id_text=item.id)


def explanation_lines(item: PointExplanation) -> list[str]:
    """Return why a copy is kept or goes, as lines."""
    fate = {"keep": "stays", "expire": "goes"}.get(item.fate, item.fate)
    label = "Primary" if item.role == "primary" else "Copy"
    return fields_text(
        [
            (label, f"{item.environment} / {item.region}, {item.state}"),
            ("  Now", fate),
            *(("  Because", reason.sentence) for reason in item.reasons),
            ("  Then", item.sentence),
            ("  Goes at", both(item.goes_at) if item.goes_at else ""),
        ]
    )


def _copy_fields(copy: PointCopy) -> Iterator[tuple[str, str]]:
    """Yield a line for the copy and one for each of its volumes."""
    account = f", account {copy.account}" if copy.account else ""
    key = f", encrypted with {copy.kms_key}" if copy.kms_key else ""
    error = f": {copy.error.message}" if copy.error else ""
    label = "Primary" if copy.role == "primary" else "Copy"
    yield label, f"{copy.environment} / {copy.region}{account}: {copy.state}{error}{key}"
    for member in copy.members:
        device = f" ({member.device})" if member.device else ""
        yield f"  {member.volume_id}{device}", _member_text(member)


def _member_text(member: PointMember) -> str:
    size = "" if member.size_gib is None else f", {member.size_gib} GiB"
    progress = "" if member.progress_percent is None else f", {member.progress_percent:.0f} %"
    return f"{member.cloud_id or 'not made'}: {member.state}{progress}{size}"


def _hold_text(hold: PointHold | None) -> str:
    if hold is None:
        return ""
    why = f": {hold.reason}" if hold.reason else ""
    return f"held by {hold.by} since {both(hold.at)}{why}"


def _lock_text(lock: PointLock | None) -> str:
    if lock is None:
        return ""
    ended = lock.until <= datetime.now(UTC)
    return f"{lock.mode}, {'ended' if ended else 'until'} {both(lock.until)}"


def _proof_text(proof: PointProof | None) -> str:
    if proof is None:
        return ""
    verdict = "restored and proven" if proof.ok else "NOT proven"
    why = f": {proof.why}" if proof.why else ""
    return f"{verdict} at {both(proof.at)}{why}"
