"""The document of a backup plan, as people write and send it, into its definition.

Everything but ``selection`` and ``rules`` may be left out. A key that is unknown, a rule that a
copy names and the plan does not have, a length of time that is none: each is refused with its path,
``rules[1].cron``, so that nothing that was meant is silently not done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta

from mavis_core.contract import LockMode
from mavis_core.errors import InvalidInput
from mavis_core.projects.model import check_name
from mavis_core.protection.documents import Document, document, one_of
from mavis_core.protection.plans.definition import (
    Copy,
    Hooks,
    Lock,
    OnFailure,
    PlanDefinition,
    Rule,
    Verification,
)
from mavis_core.protection.plans.selection import (
    MACHINE_ATTRIBUTES,
    VOLUME_ATTRIBUTES,
    Expression,
    Selection,
    parse,
)
from mavis_core.protection.retention.policy import Keep
from mavis_core.protection.slots.blackouts import Blackout, Span, Weekday, Weekly
from mavis_core.protection.slots.due import CatchUp
from mavis_core.protection.slots.schedule import schedule
from mavis_core.protection.slots.zones import zone_named

__all__ = ["definition_of"]

_RULES, _COPIES, _BLACKOUTS, _NAMED = 10, 5, 20, 500
_POINTS = 10_000
_SCRIPT = 4_000
_SECOND, _MINUTE, _HOUR, _DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
_CENTURY = 36_525 * _DAY
_PLAN = (
    "title", "zone", "enabled", "selection", "rules", "keep", "blackouts", "jitter", "catch_up",
    "grace", "rpo", "hooks", "copies", "copy_tags", "lock", "verification", "max_delete_share",
)  # fmt: skip
_SELECTION = ("match", "resources", "environments", "exclude", "exclude_volumes")
_COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")


def definition_of(value: Mapping[str, object]) -> PlanDefinition:
    """Return what the document `value`, of JSON values, says.

    Raises
    ------
    InvalidInput
        Something is missing, unknown or out of bounds; `field` is its path.
    """
    plan = document(value, "", _PLAN)
    zone = plan.text("zone", default="UTC", limit=100)
    zone_named(zone, field="zone")
    selection, rules = _selection(plan), _rules(plan, zone)
    return PlanDefinition(
        title=plan.text("title", default=""),
        zone=zone,
        enabled=plan.flag("enabled", default=True),
        selection=selection,
        rules=rules,
        keep=_keep(plan),
        blackouts=tuple(_blackout(*item) for item in plan.items("blackouts", most=_BLACKOUTS)),
        jitter=_length(plan, "jitter", timedelta(0), timedelta(0), 6 * _HOUR),
        catch_up=CatchUp.ONCE if plan.flag("catch_up", default=True) else CatchUp.NEVER,
        grace=_length(plan, "grace", 15 * _MINUTE, _MINUTE, _DAY),
        rpo=plan.length("rpo", least=_MINUTE, most=_CENTURY),
        hooks=_hooks(plan),
        copies=_copies(plan, tuple(rule.name for rule in rules)),
        copy_tags=plan.flag("copy_tags", default=True),
        lock=_lock(plan),
        verification=_verification(plan, zone),
        max_delete_share=plan.share("max_delete_share", default=0.25),
    )


def _selection(plan: Document) -> Selection:
    part = _needed(plan, "selection", _SELECTION)
    environments = part.texts("environments", most=_NAMED)
    for index, name in enumerate(environments):
        check_name(name, field=f"{part.at('environments')}[{index}]")
    return Selection(
        match=_expression(part, "match", MACHINE_ATTRIBUTES),
        resources=part.texts("resources", most=_NAMED),
        environments=environments,
        exclude=_expression(part, "exclude", MACHINE_ATTRIBUTES),
        exclude_volumes=_expression(part, "exclude_volumes", VOLUME_ATTRIBUTES),
    )


def _expression(part: Document, key: str, attributes: tuple[str, ...]) -> Expression | None:
    text = part.raw_text(key)
    return parse(text, field=part.at(key), attributes=attributes) if text.strip() else None


def _rules(plan: Document, zone: str) -> tuple[Rule, ...]:
    rules = [_rule(*item, zone) for item in plan.items("rules", most=_RULES)]
    if not rules:
        raise InvalidInput(
            "the plan has no rule, so it would never run",
            mend='Add one: "rules": [{"name": "daily", "cron": "30 2 * * *"}].',
            field="rules",
        )
    names = [rule.name for rule in rules]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidInput(
                f"rules[{index}].name: there are two rules {name!r}",
                mend="Give each rule a name of its own.",
                field=f"rules[{index}].name",
            )
    return tuple(rules)


def _rule(path: str, value: object, zone: str) -> Rule:
    part = document(value, path, ("name", "cron", "keep"))
    return Rule(
        check_name(part.text("name"), field=part.at("name")),
        schedule(part.text("cron"), zone, field=part.at("cron")),
        _keep(part),
    )


def _keep(owner: Document) -> Keep | None:
    part = owner.part("keep", (*_COUNTS, "within"))
    if part is None:
        return None
    counts = {name: part.whole(name, default=0, most=_POINTS) for name in _COUNTS}
    return Keep(**counts, within=part.length("within", least=_SECOND, most=_CENTURY))


def _blackout(path: str, value: object) -> Blackout:
    part = document(value, path, ("days", "from", "to"))
    if not part.has("days"):
        begins, ends = _local(part, "from"), _local(part, "to")
        if begins >= ends:
            raise InvalidInput(
                f"{part.at('to')}: the blackout ends before it begins",
                mend="Let `to` be later than `from`, or name days for a weekly one.",
                field=part.at("to"),
            )
        return Span(begins, ends)
    days = part.texts("days", most=7)
    if not days:
        raise InvalidInput(f"{path} names no day", field=part.at("days"))
    named = (one_of(day, Weekday, f"{part.at('days')}[{at}]") for at, day in enumerate(days))
    return Weekly(tuple(named), _clock(part, "from"), _clock(part, "to"))


def _clock(part: Document, key: str) -> time:
    text = part.text(key)
    try:
        if _CLOCK.fullmatch(text):
            return time.fromisoformat(text)
    except ValueError:
        pass  # below, like a text of another form
    raise InvalidInput(
        f"{part.at(key)}: {text!r} is no time of a day",
        mend="Write hours and minutes, 08:00 or 22:30; 00:00 is midnight, at the end, too.",
        field=part.at(key),
    )


def _local(part: Document, key: str) -> datetime:
    text = part.text(key)
    try:
        if _LOCAL.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # below, like a text of another form
    raise InvalidInput(
        f"{part.at(key)}: {text!r} is no local time",
        mend="Write it like 2026-12-24T00:00, in the plan's zone; or name days for a weekly one.",
        field=part.at(key),
    )


def _hooks(plan: Document) -> Hooks | None:
    part = plan.part("hooks", ("pre", "post", "timeout", "on_failure"))
    if part is None:
        return None
    pre, post = part.script("pre", limit=_SCRIPT), part.script("post", limit=_SCRIPT)
    if pre is None and post is None:
        raise InvalidInput(
            "hooks has neither pre nor post", mend="Add one, or leave hooks out.", field="hooks"
        )
    timeout = _length(part, "timeout", _MINUTE, _SECOND, _HOUR)
    return Hooks(pre, post, timeout, part.word("on_failure", OnFailure, default=OnFailure.CONTINUE))


def _copies(plan: Document, rules: tuple[str, ...]) -> tuple[Copy, ...]:
    copies: list[Copy] = []
    for path, value in plan.items("copies", most=_COPIES):
        copy = _copy(document(value, path, ("environment", "region", "kms_key", "keep", "rules")))
        for index, name in enumerate(copy.rules or ()):
            if name not in rules:
                raise InvalidInput(
                    f"{path}.rules[{index}]: the plan has no rule {name!r}",
                    mend=f"Name rules of this plan: {', '.join(rules)}.",
                    field=f"{path}.rules[{index}]",
                )
        if any((copy.environment, copy.region) == (c.environment, c.region) for c in copies):
            raise InvalidInput(
                f"{path}: there is a copy to that place already",
                mend="Make one of the two.",
                field=path,
            )
        copies.append(copy)
    return tuple(copies)


def _copy(part: Document) -> Copy:
    rules = part.texts("rules", most=_RULES) if part.has("rules") else None
    if rules == ():
        raise InvalidInput(
            f"{part.at('rules')} names no rule",
            mend="Name one, or leave `rules` out to copy all.",
            field=part.at("rules"),
        )
    return Copy(
        environment=_environment(part),
        region=_region(part.text("region"), part.at("region")),
        kms_key=part.optional_text("kms_key", limit=2_048),
        keep=_keep(part),
        rules=rules,
    )


def _lock(plan: Document) -> Lock | None:
    part = plan.part("lock", ("mode", "for"))
    if part is None:
        return None
    mode = part.word("mode", LockMode)
    least = _DAY if mode is LockMode.COMPLIANCE else _HOUR
    length = part.length("for", least=least, most=_CENTURY)
    if length is None:
        raise InvalidInput(
            "lock.for is missing", mend='Say for how long: "for": "7d".', field="lock.for"
        )
    return Lock(mode, length)


def _verification(plan: Document, zone: str) -> Verification | None:
    part = plan.part(
        "verification", ("cron", "environment", "region", "subnet", "check", "timeout")
    )
    if part is None:
        return None
    region = part.optional_text("region")
    return Verification(
        schedule=schedule(part.text("cron"), zone, field=part.at("cron")),
        environment=_environment(part),
        region=_region(region, part.at("region")) if region else None,
        subnet=part.optional_text("subnet"),
        check=part.script("check", limit=_SCRIPT),
        timeout=_length(part, "timeout", 30 * _MINUTE, _MINUTE, _DAY),
    )


def _environment(part: Document) -> str | None:
    name = part.optional_text("environment")
    return check_name(name, field=part.at("environment")) if name else None


def _region(text: str, field: str) -> str:
    if not _REGION.fullmatch(text):
        raise InvalidInput(
            f"{field}: {text[:40]!r} is no region",
            mend="Name it as the cloud does: eu-central-1.",
            field=field,
        )
    return text


def _length(
    part: Document, key: str, default: timedelta, least: timedelta, most: timedelta
) -> timedelta:
    found = part.length(key, least=least, most=most)
    return default if found is None else found


def _needed(owner: Document, key: str, known: tuple[str, ...]) -> Document:
    part = owner.part(key, known)
    if part is None:
        raise InvalidInput(
            f"{owner.at(key)} is missing", mend=f"Add {key!r}; {{}} is all.", field=owner.at(key)
        )
    return part
