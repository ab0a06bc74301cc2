"""A backup plan at the command line, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mavis_kernel.cli.output import put, say, show_json, show_one
from mavis_kernel.cli.plans import effect_lines
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import printable
from mavis_kernel.cli.times import both
from mavis_kernel.models import BackupPlan, PlanCheck

__all__ = ["keep_text", "plan_state", "rules_text", "show_check", "show_plan_of"]

Document = Mapping[str, Any]
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
    if state.output == "json":
        show_json(item.definition)
        return
    definition: Document = item.definition
    fields = [
        ("Backup plan", item.name),
        ("Title", _text(definition, "title")),
        ("Project", item.project),
        ("State", plan_state(item)),
        ("Selects", "; ".join(_selection(_part(definition, "selection")))),
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


def show_check(state: State, check: PlanCheck) -> None:
    """Write what a definition would protect now: what ``--dry-run`` is asked for."""
    if state.output == "json":
        show_json(check.raw)
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
    definition: Document = item.definition
    rules = definition.get("rules") or ()
    return "; ".join(f"{rule.get('name')} {rule.get('cron')}" for rule in rules)


def keep_text(keep: Document | None) -> str:
    """Return what stays, in words: ``all within 2d, daily 14, weekly 8``."""
    said = keep or {}
    parts = [f"all within {said['within']}"] if said.get("within") else []
    parts += [f"{word} {said[name]}" for name, word in _PERIODS.items() if said.get(name)]
    return ", ".join(parts) or "everything"


def _rules(definition: Document) -> Iterator[tuple[str, str]]:
    zone = _text(definition, "zone") or "UTC"
    for rule in definition.get("rules") or ():
        own = f"; keeps {keep_text(rule['keep'])}" if rule.get("keep") else ""
        yield f"Rule {rule.get('name')}", f"{rule.get('cron')} ({zone}){own}"
    yield "Keeps", keep_text(definition.get("keep"))


def _selection(said: Document) -> Iterator[str]:
    words = {
        "match": "machines with {}",
        "resources": "machines {}",
        "environments": "only in {}",
        "exclude": "but not those with {}",
        "exclude_volumes": "without volumes with {}",
    }
    for name, form in words.items():
        value = said.get(name)
        if value:
            yield form.format(value if isinstance(value, str) else ", ".join(value))
    if not said.get("match") and not said.get("resources"):
        yield "every machine of the project"


def _extent(definition: Document) -> Iterator[tuple[str, str]]:
    for blackout in definition.get("blackouts") or ():
        days = f"{' '.join(blackout['days'])} " if blackout.get("days") else ""
        yield "Not in", f"{days}{blackout.get('from')} to {blackout.get('to')}"
    jitter = _text(definition, "jitter")
    yield "Begins", f"up to {jitter} later, spread" if jitter not in ("", "0s") else ""
    missed = "caught up once" if definition.get("catch_up", True) else "left out"
    yield "Missed slots", f"{missed}; on time is within {_text(definition, 'grace') or '15m'}"
    yield "Promise", _promise(_text(definition, "rpo"))


def _promise(rpo: str) -> str:
    return f"the newest recovery point is never older than {rpo}" if rpo else ""


def _copies(definition: Document) -> Iterator[tuple[str, str]]:
    for copy in definition.get("copies") or ():
        place = " / ".join(part for part in (copy.get("environment"), copy.get("region")) if part)
        rules = f"rules {', '.join(copy['rules'])}; " if copy.get("rules") else ""
        keeps = f"keeps {keep_text(copy['keep'])}" if copy.get("keep") else "keeps the same"
        key = f"; encrypted with {copy['kms_key']}" if copy.get("kms_key") else ""
        yield place, f"{rules}{keeps}{key}"


def _safety(definition: Document) -> Iterator[tuple[str, str]]:
    lock, hooks = _part(definition, "lock"), _part(definition, "hooks")
    yield "Lock", f"{lock.get('mode')}, for {lock.get('for')}" if lock else ""
    scripts = " and ".join(name for name in ("pre", "post") if hooks.get(name))
    yield "Hooks", f"{scripts}; on failure {hooks.get('on_failure')}" if scripts else ""
    proof = _part(definition, "verification")
    yield "Proven", f"by a restore, {proof.get('cron')}" if proof else ""
    share = definition.get("max_delete_share")
    yield "One run deletes", f"at most {share:.0%}" if isinstance(share, int | float) else ""


def _part(owner: Document, name: str) -> Document:
    found = owner.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(owner: Document, name: str) -> str:
    found = owner.get(name)
    return found if isinstance(found, str) else ""
