"""A backup plan at the command line, in words."""

from __future__ import annotations

from collections.abc import Iterator

from mavis_kernel.cli.output import put, say, show_document, show_one
from mavis_kernel.cli.plans import effect_lines
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import printable
from mavis_kernel.cli.times import both
from mavis_kernel.models import (
    BackupPlan,
    BackupPlanCheck,
    BackupPlanDefinition,
    PlanKeep,
    PlanSelection,
)

__all__ = ["keep_text", "plan_state", "rules_text", "show_check", "show_plan_of"]

_PERIODS = {
    "last": "the last",
    "hourly": "hourly",
    "daily": "daily",
    "weekly": "weekly",
    "monthly": "monthly",
    "yearly": "yearly",
}


def show_plan_of(state: State, item: BackupPlan) -> None:
    """Write a plan as data; as JSON the definition alone, as ``create -f`` takes it."""
    if state.is_document:
        show_document(state, item.definition.raw)
        return
    definition = item.definition
    fields = [
        ("Backup plan", item.name),
        ("Title", definition.title),
        ("Project", item.project),
        ("State", plan_state(item)),
        ("Selects", "; ".join(_selection(definition.selection))),
        *_rules(definition),
        *_extent(definition),
        *((f"Copy to {place}", text) for place, text in _copies(definition)),
        *_safety(definition),
        ("Version", f"{item.version}, {both(item.updated_at)} by {item.updated_by or '-'}"),
        ("Runs as", item.owner),
        ("Created", f"{both(item.created_at)} by {item.created_by or '-'}"),
        ("Id", item.id),
    ]
    show_one(state, item, fields, id_text=item.name)


def show_check(state: State, check: BackupPlanCheck) -> None:
    """Write what a definition would protect now: what ``--dry-run`` is asked for."""
    if state.is_document:
        show_document(state, check.raw)
        return
    if state.output == "id":
        for effect in check.effects:
            put(effect.name or effect.cloud_id or "")
        return
    for line in effect_lines(check.effects) if check.effects else ["It selects no machine now."]:
        put(line)
    total = len(check.effects) + len(check.left_out)
    say(f"It selects {len(check.effects)} of {total} machines as they are now.")
    if check.left_out:
        say(f"Left out: {printable(', '.join(check.left_out))}")
    say("Nothing was kept: this was a dry run.")


def plan_state(item: BackupPlan) -> str:
    """Return whether a plan runs, in a word."""
    if item.removed_at is not None:
        return "removed"
    return "enabled" if item.enabled else "paused"


def rules_text(item: BackupPlan) -> str:
    """Return the rules of a plan with their times."""
    return "; ".join(f"{rule.name} {rule.cron}" for rule in item.definition.rules)


def keep_text(keep: PlanKeep | None) -> str:
    """Return what stays, in words: ``all within 2d, daily 14, weekly 8``."""
    if keep is None:
        return "everything"
    parts = [f"all within {keep.within}"] if keep.within else []
    counts = ((word, getattr(keep, name)) for name, word in _PERIODS.items())
    parts += [f"{word} {count}" for word, count in counts if count]
    return ", ".join(parts) or "everything"


def _rules(definition: BackupPlanDefinition) -> Iterator[tuple[str, str]]:
    for rule in definition.rules:
        own = f"; keeps {keep_text(rule.keep)}" if rule.keep else ""
        yield f"Rule {rule.name}", f"{rule.cron} ({definition.zone}){own}"
    yield "Keeps", keep_text(definition.keep)


def _selection(said: PlanSelection) -> Iterator[str]:
    words = (
        ("machines with {}", said.match),
        ("machines {}", ", ".join(said.resources)),
        ("only in {}", ", ".join(said.environments)),
        ("but not those with {}", said.exclude),
        ("without volumes with {}", said.exclude_volumes),
    )
    yield from (form.format(value) for form, value in words if value)
    if not said.match and not said.resources:
        yield "every machine of the project"


def _extent(definition: BackupPlanDefinition) -> Iterator[tuple[str, str]]:
    for blackout in definition.blackouts:
        days = f"{' '.join(blackout.days)} " if blackout.days else ""
        yield "Not in", f"{days}{blackout.from_} to {blackout.to}"
    jitter = definition.jitter
    yield "Begins", f"up to {jitter} later, spread" if jitter not in ("", "0s") else ""
    missed = "caught up once" if definition.catch_up else "left out"
    yield "Missed slots", f"{missed}; on time is within {definition.grace}"
    yield "Promise", _promise(definition.rpo)


def _promise(rpo: str | None) -> str:
    return f"the newest recovery point is never older than {rpo}" if rpo else ""


def _copies(definition: BackupPlanDefinition) -> Iterator[tuple[str, str]]:
    for copy in definition.copies:
        place = " / ".join(part for part in (copy.environment, copy.region) if part)
        rules = f"rules {', '.join(copy.rules)}; " if copy.rules else ""
        keeps = f"keeps {keep_text(copy.keep)}" if copy.keep else "keeps the same"
        key = f"; encrypted with {copy.kms_key}" if copy.kms_key else ""
        yield place, f"{rules}{keeps}{key}"


def _safety(definition: BackupPlanDefinition) -> Iterator[tuple[str, str]]:
    lock, hooks, proof = definition.lock, definition.hooks, definition.verification
    yield "Lock", f"{lock.mode}, for {lock.for_}" if lock else ""
    scripts = " and ".join(name for name in ("pre", "post") if hooks and getattr(hooks, name))
    yield "Hooks", f"{scripts}; on failure {hooks.on_failure}" if hooks and scripts else ""
    yield "Proven", f"by a restore, {proof.cron}" if proof else ""
    yield "One run deletes", f"at most {definition.max_delete_share:.0%}"
