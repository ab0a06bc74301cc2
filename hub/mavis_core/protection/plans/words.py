"""What a backup plan says, in words, and in what two definitions of it differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mavis_core.protection.plans.definition import Json, PlanDefinition

__all__ = ["differences"]

_COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
_NAMES = {"rules": "schedule", "keep": "retention", "rpo": "objective (RPO)"}
_IN_THE_SCHEDULE = ("zone",)
_LONGEST = 300


def differences(
    before: PlanDefinition | None, after: PlanDefinition
) -> Iterator[tuple[str, str, str]]:
    """Yield what a plan says differently: its name, what it says, and what it said before.

    Parameters
    ----------
    before
        None: there is no plan yet, and what every plan says that nobody asks otherwise is left out.
    """
    new = _told(after)
    old = _told(before or PlanDefinition(after.selection, after.rules))
    for name, value in new.items():
        if before is None and name in ("selection", "schedule", "retention"):
            yield name, value, ""
        elif old.get(name) != value:
            yield name, value, old.get(name, "") if before is not None else ""
    for name, value in old.items():
        if name not in new:
            yield name, "none", value


def _told(definition: PlanDefinition) -> dict[str, str]:
    """Return all that a plan says, by name."""
    told: dict[str, str] = {}
    for name, value in definition.to_json().items():
        if name not in _IN_THE_SCHEDULE:
            told[_NAMES.get(name, name.replace("_", " "))] = _cut(_words(name, value, definition))
    told.setdefault("retention", _kept(None))
    return told


def _words(name: str, value: object, definition: PlanDefinition) -> str:
    if name == "selection" and isinstance(value, Mapping):
        return _selected(value)
    if name == "rules":
        return ", ".join(_rule(rule.to_json()) for rule in definition.rules) + (
            f", in {definition.zone}"
        )
    if name == "keep" and isinstance(value, Mapping):
        return _kept(value)
    return _plainly(value)


def _rule(rule: Json) -> str:
    own = rule.get("keep")
    kept = f" (keeps {_kept(own)})" if isinstance(own, Mapping) else ""
    return f"{rule['name']} {rule['cron']}{kept}"


def _selected(value: Mapping[str, object]) -> str:
    match, resources = value["match"], _plainly(value["resources"])
    parts = [f"instances that match {match}" if match else "", resources]
    chosen = " and ".join(part for part in parts if part) or "every instance"
    places, exclude = _plainly(value["environments"]), value["exclude"]
    volumes = value["exclude_volumes"]
    return (
        chosen
        + (f", in {places} only" if places else "")
        + (f", but not what matches {exclude}" if exclude else "")
        + (f", without volumes that match {volumes}" if volumes else "")
    )


def _kept(value: Mapping[str, object] | None) -> str:
    counts = [f"{value[name]} {name}" for name in _COUNTS if value and value.get(name)]
    if value and value.get("within"):
        counts.append(f"all younger than {value['within']}")
    return ", ".join(counts) or "every recovery point"


def _plainly(value: object) -> str:
    """Return any part of a document as words: no braces, no quotes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{_spaced(name)} {_plainly(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_plainly, value)) if any(map(_nested, value)) else ", ".join(value)
    return str(value)


def _nested(value: object) -> bool:
    return not isinstance(value, str)


def _spaced(name: object) -> str:
    return str(name).replace("_", " ")


def _cut(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _LONGEST else f"{one_line[: _LONGEST - 2]} …"
