"""With which key a new volume or snapshot is encrypted, and whether its maker may use the keys.

https://docs.aws.amazon.com/ebs/latest/userguide/encryption-outcomes.html: what comes from an
encrypted source is encrypted; without a key of one's own it takes the source's where that belongs
to the caller and lies in the same region, and the account's default key otherwise. EBS tells only
later that it cannot use a key: the call succeeds, and what it makes fails.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from cloud.overlay import kms
from cloud.overlay.context import Ask, Call
from cloud.overlay.refusals import Refusal
from cloud.overlay.things import Grant, Key, Snapshot, Volume

NOT_ACCESSIBLE = "Given key ID is not accessible"
# What a copy, or a volume from somebody's snapshot, does with the key of its source
_NEEDED = ("DescribeKey", "CreateGrant", "Decrypt")


@dataclass(frozen=True, slots=True)
class Sealing:
    """How something new is encrypted.

    Parameters
    ----------
    key
        The key's ARN; empty where nothing is encrypted. Where the key was not found it is what the
        caller gave.
    accessible
        Whether the caller may use the source's key and the new one.
    """

    encrypted: bool = False
    key: str = ""
    accessible: bool = True


def sealing(call: Call, ask: Ask, source: Snapshot | Volume | None = None) -> Sealing:
    """Return what a call's ``Encrypted`` and ``KmsKeyId`` mean for something made of `source`."""
    encrypted = bool(ask.get("Encrypted")) or bool(source and source.encrypted)
    wanted = ask.get("KmsKeyId")
    if wanted and not encrypted:
        raise Refusal(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        )
    if not encrypted:
        return Sealing()
    readable = source is None or not source.encrypted or accessible(call, source.key)
    if wanted:
        key = kms.find(call, wanted)
        if key is None:
            return Sealing(True, wanted, False)
        return Sealing(True, kms.arn(key), readable and usable(call, key))
    if source and source.encrypted and _same_place(call, source):
        return Sealing(True, source.key, readable)
    return Sealing(True, kms.arn(kms.ensure_default(call)), readable)


def accessible(call: Call, key_arn: str) -> bool:
    """Tell whether the caller may read what the key of an ARN encrypts, wherever that is."""
    if not key_arn.startswith("arn:"):
        return False
    there = replace(call, region=key_arn.split(":")[3])
    key = kms.find(there, key_arn)
    return key is not None and usable(call, key)


def usable(call: Call, key: Key) -> bool:
    """Tell whether a key is enabled, and its policy or a grant lets the caller's account use it."""
    if kms.state(key) != "Enabled":
        return False
    if key.manager == "AWS":
        return key.account == call.account
    statements = json.loads(key.policy)["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    granted = _granted(call, key)
    return all(
        not _says(statements, "Deny", call.account, action)
        and (_says(statements, "Allow", call.account, action) or action in granted)
        for action in _NEEDED
    )


def default_key(call: Call, key_arn: str) -> bool:
    """Tell whether an ARN is that of an account's own key for EBS."""
    key = call.store.table(Key).get(call, key_arn.rpartition("/")[2])
    return key is not None and key.manager == "AWS"


def _same_place(call: Call, source: Snapshot | Volume) -> bool:
    return (source.account, source.region) == (call.account, call.region)


def _granted(call: Call, key: Key) -> set[str]:
    return {
        operation
        for grant in call.store.table(Grant).find(call.now, "key = ?", key.id)
        if _is(grant.grantee, call.account)
        for operation in grant.operations
    }


def _says(statements: list[Any], effect: str, account: str, action: str) -> bool:
    return any(
        each.get("Effect") == effect
        and any(_is(who, account) for who in _principals(each.get("Principal")))
        and any(fnmatchcase(f"kms:{action}", one) for one in _many(each.get("Action")))
        for each in statements
    )


def _principals(principal: Any) -> list[str]:
    return _many(principal.get("AWS") if isinstance(principal, dict) else principal)


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def _is(principal: str, account: str) -> bool:
    """Tell whether a principal is an account, or somebody in it."""
    return principal in ("*", account) or principal.split(":")[4:5] == [account]
