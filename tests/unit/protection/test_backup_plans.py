"""Plan documents: everything in, the same out, and each fault told with its path."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.contract import LockMode
from mavis_core.errors import InvalidInput
from mavis_core.protection.plans.definition import (
    Copy,
    Hooks,
    Lock,
    OnFailure,
    PlanDefinition,
    Rule,
    Verification,
)
from mavis_core.protection.plans.document import definition_of
from mavis_core.protection.plans.presets import PRESETS
from mavis_core.protection.plans.selection import VOLUME_ATTRIBUTES, Selection, parse
from mavis_core.protection.retention.policy import Keep
from mavis_core.protection.slots.blackouts import Span, Weekday, Weekly
from mavis_core.protection.slots.due import CatchUp, Timing
from mavis_core.protection.slots.schedule import Schedule

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

SMALL: dict[str, Any] = {"selection": {}, "rules": [{"name": "daily", "cron": "30 2 * * *"}]}

# In canonical form: what `to_json` gives back.
FULL: dict[str, Any] = {
    "title": "Everything that a plan can say",
    "zone": "Europe/Berlin",
    "enabled": False,
    "selection": {
        "match": "tag:env = production",
        "resources": ["web-1", "i-0abc"],
        "environments": ["prod"],
        "exclude": "tag:role in (cache, build)",
        "exclude_volumes": "name ~ *-scratch",
    },
    "rules": [
        {"name": "daily", "cron": "30 2 * * *"},
        {
            "name": "hourly",
            "cron": "0 * * * MON-FRI",
            "keep": {
                "last": 48, "hourly": 0, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0,
            },
        },
    ],
    "keep": {
        "last": 0, "hourly": 24, "daily": 7, "weekly": 5, "monthly": 12, "yearly": 3,
        "within": "2d",
    },
    "blackouts": [
        {"days": ["sat", "sun"], "from": "08:00", "to": "18:00"},
        {"from": "2026-12-24T00:00", "to": "2026-12-27T00:00"},
    ],
    "jitter": "10m",
    "catch_up": False,
    "grace": "20m",
    "rpo": "26h",
    "hooks": {"pre": "sync\nfsfreeze -f /data", "post": "fsfreeze -u /data", "timeout": "90s",
              "on_failure": "skip"},
    "copies": [
        {"environment": "dr", "region": "us-east-1", "kms_key": "alias/dr",
         "keep": {"last": 0, "hourly": 0, "daily": 7, "weekly": 0, "monthly": 0, "yearly": 0},
         "rules": ["daily"]},
        {"region": "eu-west-1"},
    ],
    "copy_tags": False,
    "lock": {"mode": "compliance", "for": "1w"},
    "verification": {
        "cron": "0 5 * * 0", "environment": "dr", "region": "us-east-1", "subnet": "subnet-1",
        "check": "systemctl is-system-running --wait", "timeout": "45m",
    },
    "max_delete_share": 0.5,
}  # fmt: skip

BERLIN = "Europe/Berlin"
FULL_DEFINITION = PlanDefinition(
    title="Everything that a plan can say",
    zone=BERLIN,
    enabled=False,
    selection=Selection(
        match=parse("tag:env = production", field="f"),
        resources=("web-1", "i-0abc"),
        environments=("prod",),
        exclude=parse("tag:role in (cache, build)", field="f"),
        exclude_volumes=parse("name ~ *-scratch", field="f", attributes=VOLUME_ATTRIBUTES),
    ),
    rules=(
        Rule("daily", Schedule("30 2 * * *", BERLIN)),
        Rule("hourly", Schedule("0 * * * MON-FRI", BERLIN), Keep(last=48)),
    ),
    keep=Keep(hourly=24, daily=7, weekly=5, monthly=12, yearly=3, within=2 * DAY),
    blackouts=(
        Weekly((Weekday.SATURDAY, Weekday.SUNDAY), time(8), time(18)),
        Span(datetime.fromisoformat("2026-12-24"), datetime.fromisoformat("2026-12-27")),
    ),
    jitter=timedelta(minutes=10),
    catch_up=CatchUp.NEVER,
    grace=timedelta(minutes=20),
    rpo=26 * HOUR,
    hooks=Hooks(
        "sync\nfsfreeze -f /data", "fsfreeze -u /data", timedelta(seconds=90), OnFailure.SKIP
    ),
    copies=(
        Copy("dr", "us-east-1", "alias/dr", Keep(daily=7), ("daily",)),
        Copy(None, "eu-west-1"),
    ),
    copy_tags=False,
    lock=Lock(LockMode.COMPLIANCE, 7 * DAY),
    verification=Verification(
        Schedule("0 5 * * 0", BERLIN),
        "dr",
        "us-east-1",
        "subnet-1",
        "systemctl is-system-running --wait",
        timedelta(minutes=45),
    ),
    max_delete_share=0.5,
)


def changed(**changes: object) -> dict[str, Any]:
    return {**copy.deepcopy(FULL), **changes}


def test_a_full_document_says_what_it_says() -> None:
    assert definition_of(FULL) == FULL_DEFINITION


def test_a_definition_gives_its_document_back() -> None:
    assert FULL_DEFINITION.to_json() == FULL
    assert json.loads(json.dumps(FULL_DEFINITION.to_json())) == FULL


def test_a_small_document_has_sensible_defaults() -> None:
    plan = definition_of(SMALL)
    assert plan == PlanDefinition(Selection(), (Rule("daily", Schedule("30 2 * * *", "UTC")),))
    assert (plan.enabled, plan.catch_up, plan.grace) == (True, CatchUp.ONCE, 15 * HOUR / 60)
    assert (plan.jitter, plan.rpo, plan.lock) == (timedelta(0), None, None)
    assert plan.keep_of(plan.rules[0]).everything
    assert definition_of(plan.to_json()) == plan


def test_null_is_like_a_key_that_is_not_there() -> None:
    every = dict.fromkeys(set(FULL) - set(SMALL))
    assert definition_of({**SMALL, **every}) == definition_of(SMALL)


def test_what_is_written_otherwise_becomes_canonical() -> None:
    plan = definition_of(
        changed(
            title="  x ",
            selection={"match": '  (name="a")OR name = b'},
            rules=[{"name": "daily", "cron": " 30  2 * * * "}],
            copies=[{"environment": "", "region": "eu-west-1", "kms_key": "", "rules": None}],
            keep={"within": "48h"},
            max_delete_share=1,
        )
    ).to_json()
    assert plan["title"] == "x"
    assert plan["selection"] == {
        "match": "name = a or name = b", "resources": [], "environments": [], "exclude": "",
        "exclude_volumes": "",
    }  # fmt: skip
    assert plan["rules"] == [{"name": "daily", "cron": "30 2 * * *"}]
    assert plan["copies"] == [{"region": "eu-west-1"}]
    assert plan["keep"] == {**dict.fromkeys(FULL["keep"], 0), "within": "2d"}
    assert plan["max_delete_share"] == 1.0


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_good_plan(name: str) -> None:
    plan = definition_of(PRESETS[name])
    assert str(plan.selection.match) == f"tag:backup = {name}"
    assert not any(plan.keep_of(rule).everything for rule in plan.rules)
    assert definition_of(plan.to_json()) == plan


# What a plan is asked


def test_a_rule_keeps_its_own_and_otherwise_the_plans() -> None:
    daily, hourly = FULL_DEFINITION.rules
    assert FULL_DEFINITION.keep_of(daily) == FULL_DEFINITION.keep
    assert FULL_DEFINITION.keep_of(hourly) == Keep(last=48)


def test_a_rule_whose_own_keep_is_empty_keeps_everything() -> None:
    plan = definition_of(changed(rules=[{"name": "daily", "cron": "30 2 * * *", "keep": {}}],
                                 copies=[]))  # fmt: skip
    assert plan.keep_of(plan.rules[0]).everything
    assert definition_of(plan.to_json()) == plan


def test_a_copy_is_of_the_rules_that_it_names_and_otherwise_of_all() -> None:
    daily, hourly = FULL_DEFINITION.rules
    assert [copy.region for copy in FULL_DEFINITION.copies_of(daily)] == ["us-east-1", "eu-west-1"]
    assert [copy.region for copy in FULL_DEFINITION.copies_of(hourly)] == ["eu-west-1"]


def test_a_rule_has_a_timing() -> None:
    hourly = FULL_DEFINITION.rules[1]
    assert FULL_DEFINITION.timing_of(hourly, plan_id="plan_1") == Timing(
        "plan_1",
        "hourly",
        Schedule("0 * * * MON-FRI", BERLIN),
        CatchUp.NEVER,
        timedelta(minutes=20),
        FULL_DEFINITION.blackouts,
        600,
    )


# What a bad one is told

DAILY = {"name": "daily", "cron": "30 2 * * *"}


@pytest.mark.parametrize(
    ("document", "field", "told"),
    [
        pytest.param({"rules": [DAILY]}, "selection", "missing", id="no selection"),
        pytest.param({"selection": {}}, "rules", "never run", id="no rules"),
        pytest.param(changed(rules=[]), "rules", "never run", id="empty rules"),
        pytest.param(changed(rules={}), "rules", "says an object", id="rules are no list"),
        pytest.param(changed(rules=[DAILY] * 11), "rules", "at most 10", id="11 rules"),
        pytest.param(changed(rules=["daily"]), "rules[0]", "'daily'", id="a rule is a text"),
        pytest.param(changed(rules=[{"cron": "* * * * *"}]), "rules[0].name", "is missing",
                     id="a rule without a name"),
        pytest.param(changed(rules=[DAILY, {"name": "b2"}]), "rules[1].cron", "is missing",
                     id="a rule without a cron"),
        pytest.param(changed(rules=[DAILY, {"name": "b2", "cron": "61 * * * *"}]), "rules[1].cron",
                     "'61' is no minute", id="a bad cron"),
        pytest.param(changed(rules=[DAILY, DAILY]), "rules[1].name", "two rules 'daily'",
                     id="two rules of one name"),
        pytest.param(changed(rules=[{**DAILY, "name": "Dai ly"}]), "rules[0].name", "not a name",
                     id="a bad name"),
        pytest.param(changed(zone="Europe/Berln"), "zone", "no time zone", id="a bad zone"),
        pytest.param(changed(zone=3), "zone", "says 3", id="a zone is a text"),
        pytest.param(changed(title="x" * 201), "title", "201", id="a long title"),
        pytest.param(changed(title="a\x07"), "title", "control", id="a title that beeps"),
        pytest.param(changed(enabled="yes"), "enabled", "says 'yes'", id="yes is not true"),
        pytest.param(changed(enabled=1), "enabled", "says 1", id="1 is not true"),
        pytest.param(changed(selection={"match": "tag:env is x"}), "selection.match",
                     "at character 9", id="a bad expression"),
        pytest.param(changed(selection={"match": 3}), "selection.match", "says 3", id="no text"),
        pytest.param(changed(selection={"exclude_volumes": "state = x"}),
                     "selection.exclude_volumes", "expected one of name, id", id="of volumes"),
        pytest.param(changed(selection={"resources": [""]}), "selection.resources[0]", "says ''",
                     id="an empty name"),
        pytest.param(changed(selection={"resources": ["a", "a"]}), "selection.resources[1]",
                     "twice", id="a name twice"),
        pytest.param(changed(selection={"environments": ["prod", "Lab"]}),
                     "selection.environments[1]", "not a name", id="a bad environment"),
        pytest.param(changed(selection={"excludes": ""}), "selection.excludes", "no key 'excludes'",
                     id="a misspelt key"),
        pytest.param(changed(keep={"daily": -1}), "keep.daily", "says -1", id="fewer than none"),
        pytest.param(changed(keep={"daily": True}), "keep.daily", "says True", id="true of days"),
        pytest.param(changed(keep={"daily": 1.5}), "keep.daily", "says 1.5", id="half a day"),
        pytest.param(changed(keep={"daily": 10_001}), "keep.daily", "10001", id="too many"),
        pytest.param(changed(keep={"within": "0s"}), "keep.within", "from 1s", id="within nothing"),
        pytest.param(changed(keep=[]), "keep", "says a list", id="keep is no object"),
        pytest.param(changed(blackouts=[{"from": "08:00", "to": "09:00"}]), "blackouts[0].from",
                     "no local time", id="neither days nor dates"),
        pytest.param(changed(blackouts=[{"days": ["sat"], "from": "8:00", "to": "09:00"}]),
                     "blackouts[0].from", "no time of a day", id="one digit"),
        pytest.param(changed(blackouts=[{"days": ["sat"], "from": "08:00", "to": "24:00"}]),
                     "blackouts[0].to", "no time of a day", id="24:00"),
        pytest.param(changed(blackouts=[{"days": ["sat", "Sunday"], "from": "08:00"}]),
                     "blackouts[0].days[1]", "says 'Sunday'", id="a bad day"),
        pytest.param(changed(blackouts=[{"days": [], "from": "08:00", "to": "09:00"}]),
                     "blackouts[0].days", "names no day", id="no days"),
        pytest.param(changed(blackouts=[{"from": "2026-02-30T00:00", "to": "2026-03-01T00:00"}]),
                     "blackouts[0].from", "no local time", id="no such date"),
        pytest.param(changed(blackouts=[{"from": "2026-03-01T00:00Z", "to": "2026-03-01T00:00"}]),
                     "blackouts[0].from", "no local time", id="a zone in a local time"),
        pytest.param(changed(blackouts=[{"from": "2026-03-01T00:00", "to": "2026-03-01T00:00"}]),
                     "blackouts[0].to", "ends before it begins", id="an empty one"),
        pytest.param(changed(blackouts=FULL["blackouts"] * 11), "blackouts", "at most 20",
                     id="22 blackouts"),
        pytest.param(changed(jitter="7h"), "jitter", "from 0s to 6h", id="jitter"),
        pytest.param(changed(jitter=600), "jitter", "says 600", id="jitter is a text"),
        pytest.param(changed(grace="0s"), "grace", "from 1m to 1d", id="grace"),
        pytest.param(changed(rpo="1 day"), "rpo", "no length of time", id="rpo"),
        pytest.param(changed(catch_up="once"), "catch_up", "says 'once'", id="catch up"),
        pytest.param(changed(hooks={}), "hooks", "neither pre nor post", id="no hook"),
        pytest.param(changed(hooks={"pre": " ", "post": ""}), "hooks", "neither", id="empty hooks"),
        pytest.param(changed(hooks={"pre": "x" * 4001}), "hooks.pre", "4001", id="a long hook"),
        pytest.param(changed(hooks={"pre": "a\0b"}), "hooks.pre", "control", id="a NUL in a hook"),
        pytest.param(changed(hooks={"pre": "a", "timeout": "2h"}), "hooks.timeout", "from 1s to 1h",
                     id="a slow hook"),
        pytest.param(changed(hooks={"pre": "a", "on_failure": "abort"}), "hooks.on_failure",
                     "says 'abort'", id="what on failure"),
        pytest.param(changed(copies=[{"environment": "dr"}]), "copies[0].region", "missing",
                     id="a copy to nowhere"),
        pytest.param(changed(copies=[{"region": "EU West"}]), "copies[0].region", "no region",
                     id="a bad region"),
        pytest.param(changed(copies=[{"region": "eu-west-1", "rules": ["weekly"]}]),
                     "copies[0].rules[0]", "no rule 'weekly'", id="a copy of no rule"),
        pytest.param(changed(copies=[{"region": "eu-west-1", "rules": []}]), "copies[0].rules",
                     "names no rule", id="a copy of nothing"),
        pytest.param(changed(copies=[{"region": "eu-west-1"}] * 2), "copies[1]", "already",
                     id="the same place twice"),
        pytest.param(changed(copies=[{"region": f"r-{n}"} for n in range(6)]), "copies",
                     "at most 5", id="six copies"),
        pytest.param(changed(lock={"mode": "compliance", "for": "23h"}), "lock.for",
                     "from 1d", id="a short compliance lock"),
        pytest.param(changed(lock={"mode": "governance"}), "lock.for", "missing", id="how long"),
        pytest.param(changed(lock={"for": "7d"}), "lock.mode", "missing", id="no mode"),
        pytest.param(changed(verification={}), "verification.cron", "missing", id="when to prove"),
        pytest.param(changed(verification={"cron": "0 0 31 2 *"}), "verification.cron",
                     "never comes", id="never to prove"),
        pytest.param(changed(max_delete_share=1.5), "max_delete_share", "1.5", id="more than all"),
        pytest.param(changed(max_delete_share=True), "max_delete_share", "True", id="no number"),
        pytest.param(changed(max_delete_share=float("nan")), "max_delete_share", "nan", id="nan"),
        pytest.param(changed(rule=[]), "rule", "no key 'rule'", id="an unknown key"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_path(document: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        definition_of(document)
    assert refused.value.field == field
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("document", "mend"),
    [
        pytest.param(changed(rule=[]), "Did you mean rules?", id="a key that is close"),
        pytest.param(changed(xyz=1), "It knows title, zone", id="a key that is not"),
        pytest.param({}, "Add 'selection'", id="nothing"),
        pytest.param(changed(hooks={"pre": "x", "on_failure": 3}), "Give a text", id="a number"),
        pytest.param(changed(lock={"mode": "strict", "for": "7d"}), "governance or compliance",
                     id="a word"),
    ],
)  # fmt: skip
def test_a_fault_is_told_its_mend(document: dict[str, Any], mend: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        definition_of(document)
    assert mend in refused.value.mend


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document, the whole included."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(found for key, each in inside for found in paths(each, (*path, key)))]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@settings(max_examples=300)
@given(path=st.sampled_from(paths(FULL)[1:]), value=json_values)
def test_any_value_anywhere_is_refused_as_bad_input_or_round_trips(
    path: tuple[Any, ...], value: object
) -> None:
    document = copy.deepcopy(FULL)
    inside: Any = document
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    with suppress(InvalidInput):
        plan = definition_of(document)
        assert definition_of(plan.to_json()) == plan
