"""Tags. They belong to the account that set them: a shared snapshot comes without its tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from cloud.overlay import sharing, things
from cloud.overlay.context import Action, Ask, Call, Reply
from cloud.overlay.refusals import KINDS, Kind, Refusal, invalid
from cloud.overlay.selecting import Selection, fits, new_token, page_limit, read_token
from cloud.overlay.things import Thing

_MOST = 50
_KINDS: dict[str, type[Thing]] = {
    "i-": things.Instance,
    "vol-": things.Volume,
    "snap-": things.Snapshot,
    "ami-": things.Image,
    "vpc-": things.Vpc,
    "subnet-": things.Subnet,
    "sg-": things.Group,
}
_TYPES = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "vpc": "vpc",
    "subnet": "subnet",
    "sg": "security-group",
}
_FILTERS = {
    "resource-id": "id",
    "key": "key",
    "value": "value",
    "resource-type": "CASE substr(id, 1, instr(id, '-') - 1) "
    + " ".join(f"WHEN '{prefix}' THEN '{name}'" for prefix, name in _TYPES.items())
    + " END",
}
Tags = dict[str, str]


def create_tags(call: Call, ask: Ask) -> Reply:
    ids = _there(call, ask["Resources"])
    wanted = as_map(ask.get("Tags", ()))
    for one in ids:
        put(call, one, wanted)
    return {}


def delete_tags(call: Call, ask: Ask) -> Reply:
    """Without tags all go; a tag without a value goes whatever its value is."""
    for one in _there(call, ask["Resources"]):
        if not ask.get("Tags"):
            call.store.run("DELETE FROM tag WHERE id = ? AND account = ?", one, call.account)
        for tag in ask.get("Tags", ()):
            call.store.run(
                "DELETE FROM tag WHERE id = ? AND account = ? AND key = ?"
                " AND value = ifnull(?, value)",
                *(one, call.account, tag["Key"], tag.get("Value")),
            )
    return {}


def describe_tags(call: Call, ask: Ask) -> Reply:
    where, values = ["account = ?", "region = ?"], [call.account, call.region]
    for each in ask.get("Filters", ()):
        if each["Name"] not in _FILTERS:
            raise invalid(f"The filter '{each['Name']}' is invalid")
        part, fitting = fits(_FILTERS[each["Name"]], each["Values"])
        where, values = [*where, part], values + fitting
    limit, token = page_limit(ask), ask.get("NextToken")
    if token:
        where, values = [*where, "(id, key) > (?, ?)"], values + json.loads(read_token(token, ask))
    parts = " AND ".join(f"({part})" for part in where)
    rows = call.store.rows(
        f"SELECT id, key, value FROM tag WHERE {parts} ORDER BY id, key LIMIT ?",
        (*values, -1 if limit is None else limit + 1),
    )
    page = rows[:limit]
    last = json.dumps(page[-1][:2]) if len(rows) > len(page) else None
    return {
        "Tags": [
            {"ResourceId": one, "ResourceType": _TYPES[one.split("-")[0]], "Key": k, "Value": v}
            for one, k, v in page
        ],
        "NextToken": new_token(last, ask) if last else None,
    }


def of(call: Call, ids: Iterable[str]) -> dict[str, list[Reply]]:
    """Return the caller's tags of each id, as AWS lists them."""
    wanted = list(ids)
    found: dict[str, list[Reply]] = {one: [] for one in wanted}
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        marks = ", ".join("?" * len(some))
        for one, key, value in call.store.rows(
            f"SELECT id, key, value FROM tag WHERE id IN ({marks}) AND account = ?",
            (*some, call.account),
        ):
            found[one].append({"Key": key, "Value": value})
    return found


def put(call: Call, one: str, wanted: Mapping[str, str]) -> None:
    """Set tags of one thing; the others stay."""
    for key, value in wanted.items():
        _check(key, value)
    call.store.run_many(
        "INSERT INTO tag VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        [(one, key, value, call.account, call.region) for key, value in wanted.items()],
    )
    row = call.store.row("SELECT count(*) FROM tag WHERE id = ?", one)
    if row and row[0] > _MOST:
        raise Refusal(
            "TagLimitExceeded", "You have reached the maximum number of tags on the resource."
        )


def wanted(ask: Ask, *types: str) -> tuple[Tags, ...]:
    """Return the tags that a call gives to what it makes, one mapping for each of `types`."""
    found: dict[str, Tags] = {kind: {} for kind in types}
    for each in ask.get("TagSpecifications", ()):
        kind = each.get("ResourceType", "")
        if kind not in found:
            raise invalid(f"'{kind}' is not a valid taggable resource type for this operation.")
        found[kind] |= as_map(each.get("Tags", ()))
    return tuple(found.values())


def as_map(tags: Sequence[Ask]) -> Tags:
    found: Tags = {}
    for tag in tags:
        if tag["Key"] in found:
            raise invalid(f"Duplicate tag key '{tag['Key']}' specified.")
        found[tag["Key"]] = tag.get("Value", "")
    return found


def as_list(tags: Mapping[str, str]) -> list[Reply]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _check(key: str, value: str) -> None:
    if key.lower().startswith("aws:"):
        raise invalid("Tag keys starting with 'aws:' are reserved for internal use")
    if not 1 <= len(key) <= 128:
        raise invalid(f"Tag key exceeds the maximum length of 128 characters: {key[:20]}...")
    if len(value) > 256:
        raise invalid(f"Tag value of {key} exceeds the maximum length of 256 characters")


def _there(call: Call, ids: Sequence[str]) -> list[str]:
    """Return `ids`; refuse where one does not exist here."""
    for one in ids:
        kind = next((kind for kind in KINDS if one.startswith(kind.prefix)), None)
        if kind is None:
            raise Refusal("InvalidID", f"The ID '{one}' is not valid")
        _exists(call, kind, one)
    return list(ids)


def _exists(call: Call, kind: Kind, one: str) -> None:
    selection = Selection(call, call.store.table(_KINDS[kind.prefix]))
    if kind.prefix in ("snap-", "ami-"):  # who sees a shared one may tag it, for himself alone
        sharing.visible(selection)
    else:
        selection.here()
    selection.ids([one], kind)


ACTIONS: dict[str, Action] = {
    "CreateTags": create_tags,
    "DeleteTags": delete_tags,
    "DescribeTags": describe_tags,
}
