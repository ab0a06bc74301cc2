"""IAM as far as our policies use it: which statement allows a call, and what a call asks for.

An evaluation of our own, over the calls that the simulator has written down: each asks for an
action on every resource that it names or makes, with the tags that the request gives to what it
makes, and those that things carry. As AWS does it, tags of a request count only for what they are
put on.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

Tags = Mapping[str, str]
_KINDS = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "sg": "security-group",
    "subnet": "subnet",
    "vpc": "vpc",
}
_SHORT = {kind: short for short, kind in _KINDS.items()}
_OF_NOBODY = ("snapshot", "image")  # whose names have no account in them


@dataclass(frozen=True)
class Asked:
    """One thing that must be allowed.

    Parameters
    ----------
    context
        Values by condition key: those of ``aws:RequestTag/...`` where the call puts them on this
        resource, those of ``aws:ResourceTag/...`` where it carries them.
    """

    action: str
    resource: str
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """A statement that allows something."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def allows(self, asked: Asked) -> bool:
        return (
            any(fnmatchcase(asked.action, each) for each in self.actions)
            and any(_is_like(asked.resource, each) for each in self.resources)
            and all(
                _holds(operator, asked.context.get(key), values)
                for operator, keys in self.conditions.items()
                for key, values in keys.items()
            )
        )


def statements(*policies: str) -> list[Statement]:
    """Return the statements of policies in JSON."""
    return [
        Statement(
            each["Sid"],
            _many(each["Action"]),
            _many(each.get("Resource", "*")),
            {
                operator: {key: _many(values) for key, values in keys.items()}
                for operator, keys in each.get("Condition", {}).items()
            },
        )
        for policy in policies
        for each in json.loads(policy)["Statement"]
    ]


def _many(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _is_like(value: str, pattern: str) -> bool:
    """Compare as IAM does: ``${*}`` is a star, ``*`` and ``?`` are any letters and any one."""
    escaped = re.escape(pattern.replace("${*}", "\0")).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(escaped.replace("\0", r"\*"), value, flags=re.DOTALL) is not None


def _holds(operator: str, found: str | tuple[str, ...] | None, values: Sequence[str]) -> bool:
    if operator == "Null":
        return (found is None) == (values == ("true",))
    for_all = operator.startswith("ForAllValues:")
    if found is None:
        return for_all
    test = {
        "Bool": lambda one: one in values,
        "StringEquals": lambda one: one in values,
        "StringLike": lambda one: any(_is_like(one, each) for each in values),
        "StringNotLike": lambda one: not any(_is_like(one, each) for each in values),
    }[operator.removeprefix("ForAllValues:")]
    return all(test(one) for one in ((found,) if isinstance(found, str) else found))


class Account:
    """What calls have made and tagged, as far as one must know to tell what they ask for."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}

    def asked(self, call: Mapping[str, Any]) -> list[Asked]:
        """Return what a call asks for, and know from then on what it has made."""
        name, params = str(call["action"]), call["params"]
        place = (str(call["region"]), str(call["account"]))
        given = _given(params)
        found = list(self._of(str(call["service"]), name, params, place, given))
        for kind, tags in given.items():
            keys = {**_request(tags), "ec2:CreateAction": name}
            found.append(Asked("ec2:CreateTags", _arn(place, kind, "new"), keys))
        for made in call["made"]:
            self._tags[made] = dict(given.get(_kind(made), {}))
        if name == "CreateTags":
            for one in _listed(params, "ResourceId"):
                self._tags.setdefault(one, {}).update(_tags(params, "Tag"))
        return found

    def _of(
        self,
        service: str,
        name: str,
        params: Tags,
        place: tuple[str, str],
        given: Mapping[str, Tags],
    ) -> Iterator[Asked]:
        action = f"{service}:{name}"
        if service == "ssm":
            yield from _of_agents(action, name, params, place)
        elif name.startswith("Describe"):
            yield Asked(action, "*")
        elif name == "CreateTags":
            for one in _listed(params, "ResourceId"):
                keys = _request(_tags(params, "Tag"))
                yield Asked(action, self._arn(place, one), {**keys, **self._carried(one)})
        else:
            for one in sorted(_ids(params)):
                where = (params.get("SourceRegion", place[0]), place[1])
                yield Asked(action, self._arn(where, one), self._carried(one))
            for kind in _MAKES.get(name, ()):
                yield Asked(action, _arn(place, kind, "*"), _request(given.get(kind, {})))
            for kind in _TOUCHES.get(name, ()):
                yield Asked(action, _arn(place, kind, f"{_SHORT.get(kind, kind)}-any"))

    def _arn(self, place: tuple[str, str], one: str) -> str:
        return _arn(place, _kind(one), one)

    def _carried(self, one: str) -> dict[str, str]:
        tags = self._tags.get(one, {})
        return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


_MAKES = {
    "CreateSnapshots": ("snapshot",),
    "CopySnapshot": ("snapshot",),
    "CreateVolume": ("volume",),
    "RegisterImage": ("image",),
    "RunInstances": ("instance", "volume"),
    "CreateSecurityGroup": ("security-group",),
}
"""What a call makes: policies know it as the star, before it has an id."""

_TOUCHES = {
    "CreateSnapshots": ("volume",),
    "DetachVolume": ("instance",),
    "RunInstances": ("network-interface", "security-group", "snapshot", "subnet"),
}
"""What a call has to do with and need not name."""


def _of_agents(
    action: str, name: str, params: Mapping[str, Any], place: tuple[str, str]
) -> Iterator[Asked]:
    if name != "SendCommand":
        yield Asked(action, "*")
        return
    yield Asked(action, f"arn:aws:ssm:{place[0]}::document/{params['DocumentName']}")
    for one in _ID.findall(json.dumps(params["InstanceIds"])):
        yield Asked(action, _arn(place, _kind(one), one))


_ID = re.compile(rf"(?:{'|'.join(_KINDS)})-[0-9a-f]{{8,17}}")


def _ids(params: Mapping[str, str]) -> set[str]:
    """Return what a call names; what stands in a description or a tag does not count."""
    return {
        value
        for key, value in params.items()
        if not key.startswith("TagSpecification") and _ID.fullmatch(str(value))
    }


def _kind(one: str) -> str:
    return _KINDS[one.partition("-")[0]]


def _arn(place: tuple[str, str], kind: str, one: str) -> str:
    region, account = place
    return f"arn:aws:ec2:{region}:{'' if kind in _OF_NOBODY else account}:{kind}/{one}"


def _given(params: Tags) -> dict[str, Tags]:
    """Return the tags of a call's specifications, by the kind of what gets them."""
    found = {}
    for key, kind in params.items():
        head = re.fullmatch(r"TagSpecification\.(\d+)\.ResourceType", key)
        if head:
            found[kind] = _tags(params, f"TagSpecification.{head.group(1)}.Tag")
    return found


def _tags(params: Tags, prefix: str) -> dict[str, str]:
    return {
        value: params.get(f"{key.removesuffix('.Key')}.Value", "")
        for key, value in params.items()
        if key.startswith(f"{prefix}.") and key.endswith(".Key")
    }


def _listed(params: Tags, name: str) -> list[str]:
    return [value for key, value in params.items() if re.fullmatch(rf"{name}\.\d+", key)]


def _request(tags: Tags) -> dict[str, str | tuple[str, ...]]:
    named: dict[str, str | tuple[str, ...]] = {
        f"aws:RequestTag/{key}": value for key, value in tags.items()
    }
    return {**named, "aws:TagKeys": tuple(tags)} if tags else named


def refused(asked: Iterable[Asked], known: Sequence[Statement]) -> list[Asked]:
    """Return what no statement allows."""
    return [each for each in asked if not any(one.allows(each) for one in known)]
