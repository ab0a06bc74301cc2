"""KMS: keys, aliases, grants and policies, as far as encrypted volumes need them."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from typing import Any

from cloud.overlay.context import FOREVER, Action, Ask, Call, Fate, Reply
from cloud.overlay.refusals import Refusal
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Alias, Grant, Key

EBS_ALIAS = "alias/aws/ebs"
_DAY_S = 86400
_ALIAS_LENGTH = 256


def arn(key: Key) -> str:
    return f"arn:aws:kms:{key.region}:{key.account}:key/{key.id}"


def ensure_default(call: Call) -> Key:
    """Return the account's own key for EBS, which AWS manages; the same id after every reset."""
    text = hashlib.sha256(f"ebs{call.account}{call.region}".encode()).hexdigest()
    one = str(uuid.UUID(text[:32]))
    found = call.store.table(Key).get(call, one)
    if found is None:
        call = replace(call, fate=Fate(), made=[])  # it was there all the time
        found = _insert(call, one, "Default key that protects my EBS volumes", "AWS", "")
        _alias(call, EBS_ALIAS, found)
    return found


def find(call: Call, reference: str) -> Key | None:
    """Return the key of an id, an alias or an ARN of either, in the region of the call."""
    account, name = call.account, reference
    if reference.startswith("arn:"):
        *_, region, account, name = reference.split(":", 5)
        if region != call.region:
            return None
    if name.startswith("alias/"):
        if name == EBS_ALIAS and account == call.account:
            return ensure_default(call)
        alias = call.store.table(Alias).get(call, _alias_id(account, call.region, name))
        name = alias.key if alias else ""
    key = call.store.table(Key).get(call, name.removeprefix("key/"))
    return key if key and (key.account, key.region) == (account, call.region) else None


def state(key: Key) -> str:
    if key.delete_at < FOREVER:
        return "PendingDeletion"
    return "Enabled" if key.enabled else "Disabled"


def create_key(call: Call, ask: Ask) -> Reply:
    policy = ask.get("Policy") or _own_policy(call.account)
    _checked(policy)
    key = _insert(call, str(uuid.uuid4()), ask.get("Description", ""), "CUSTOMER", policy)
    return {"KeyMetadata": _shown(key)}


def describe_key(call: Call, ask: Ask) -> Reply:
    return {"KeyMetadata": _shown(_key(call, ask))}


def list_keys(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Key))
    selection.here()
    return {
        "Keys": [{"KeyId": key.id, "KeyArn": arn(key)} for key in selection.all()],
        "Truncated": False,
    }


def disable_key(call: Call, ask: Ask) -> Reply:
    call.store.table(Key).change(_mine(call, ask), enabled=False)
    return {}


def enable_key(call: Call, ask: Ask) -> Reply:
    call.store.table(Key).change(_mine(call, ask), enabled=True)
    return {}


def schedule_deletion(call: Call, ask: Ask) -> Reply:
    days = ask.get("PendingWindowInDays", 30)
    if not 7 <= days <= 30:
        raise Refusal("ValidationException", "PendingWindowInDays must be between 7 and 30")
    key = call.store.table(Key).change(_mine(call, ask), delete_at=call.now + days * _DAY_S)
    return {
        "KeyId": arn(key),
        "DeletionDate": key.delete_at,
        "KeyState": state(key),
        "PendingWindowInDays": days,
    }


def cancel_deletion(call: Call, ask: Ask) -> Reply:
    key = _mine(call, ask)
    if key.delete_at == FOREVER:
        raise Refusal("KMSInvalidStateException", f"{arn(key)} is not pending deletion.")
    key = call.store.table(Key).change(key, delete_at=FOREVER, enabled=False)
    return {"KeyId": arn(key)}


def create_alias(call: Call, ask: Ask) -> Reply:
    name = ask["AliasName"]
    if not name.startswith("alias/") or len(name) > _ALIAS_LENGTH:
        raise Refusal("ValidationException", f"{name} is no name of an alias")
    if name.startswith("alias/aws/"):
        raise Refusal("NotAuthorizedException", f"{name} is reserved")
    key = _key(call, {"KeyId": ask["TargetKeyId"]})
    if call.store.table(Alias).get(call, _alias_id(call.account, call.region, name)):
        raise Refusal("AlreadyExistsException", f"An alias with the name {name} already exists")
    _alias(call, name, key)
    return {}


def list_aliases(call: Call, ask: Ask) -> Reply:
    ensure_default(call)
    selection = Selection(call, call.store.table(Alias))
    selection.here()
    wanted = _key(call, ask).id if ask.get("KeyId") else None
    return {
        "Aliases": [
            {
                "AliasName": each.name,
                "AliasArn": f"arn:aws:kms:{each.region}:{each.account}:{each.name}",
                "TargetKeyId": each.key,
                "CreationDate": each.born,
            }
            for each in selection.all()
            if wanted in (None, each.key)
        ],
        "Truncated": False,
    }


def create_grant(call: Call, ask: Ask) -> Reply:
    key = _key(call, ask)
    made = Grant(
        id=hashlib.sha256(uuid.uuid4().bytes).hexdigest(),
        account=key.account,
        region=key.region,
        born=call.now,
        key=key.id,
        grantee=ask["GranteePrincipal"],
        retiring=ask.get("RetiringPrincipal", ""),
        name=ask.get("Name", ""),
        operations=tuple(ask["Operations"]),
    )
    call.store.table(Grant).insert(call, made)
    return {"GrantId": made.id, "GrantToken": made.id}


def list_grants(call: Call, ask: Ask) -> Reply:
    key = _mine(call, ask)
    return {
        "Grants": [
            {
                "KeyId": arn(key),
                "GrantId": each.id,
                "Name": each.name or None,
                "GranteePrincipal": each.grantee,
                "RetiringPrincipal": each.retiring or None,
                "Operations": list(each.operations),
                "CreationDate": each.born,
            }
            for each in call.store.table(Grant).find(call.now, "key = ?", key.id)
        ],
        "Truncated": False,
    }


def revoke_grant(call: Call, ask: Ask) -> Reply:
    key = _mine(call, ask)
    for each in call.store.table(Grant).find(
        call.now, "key = ? AND id = ?", key.id, ask["GrantId"]
    ):
        call.store.table(Grant).change(each, gone=call.now)
        return {}
    raise Refusal("NotFoundException", f"Grant {ask['GrantId']} does not exist")


def put_policy(call: Call, ask: Ask) -> Reply:
    _checked(ask["Policy"])
    call.store.table(Key).change(_mine(call, ask), policy=ask["Policy"])
    return {}


def get_policy(call: Call, ask: Ask) -> Reply:
    return {"Policy": _mine(call, ask).policy, "PolicyName": "default"}


def _insert(call: Call, one: str, description: str, manager: str, policy: str) -> Key:
    key = Key(
        id=one,
        **call.origin,
        description=description,
        manager=manager,
        policy=policy or _own_policy(call.account),
    )
    return call.store.table(Key).insert(call, key)


def _alias(call: Call, name: str, key: Key) -> None:
    one = _alias_id(call.account, call.region, name)
    call.store.table(Alias).insert(call, Alias(id=one, name=name, key=key.id, **call.origin))


def _alias_id(account: str, region: str, name: str) -> str:
    return f"{account}:{region}:{name}"


def _key(call: Call, ask: Ask) -> Key:
    key = find(call, ask["KeyId"])
    if key is None:
        raise Refusal("NotFoundException", f"Key '{ask['KeyId']}' does not exist")
    return key


def _mine(call: Call, ask: Ask) -> Key:
    key = _key(call, ask)
    if key.account != call.account:
        raise Refusal("AccessDeniedException", f"{arn(key)} belongs to another account")
    return key


def _own_policy(account: str) -> str:
    root = f"arn:aws:iam::{account}:root"
    statement = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _checked(policy: str) -> None:
    try:
        document: Any = json.loads(policy)
        document["Statement"]
    except (ValueError, TypeError, KeyError) as exc:
        raise Refusal("MalformedPolicyDocumentException", "The policy is no policy") from exc


def _shown(key: Key) -> Reply:
    return {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": arn(key),
        "CreationDate": key.born,
        "Enabled": state(key) == "Enabled",
        "Description": key.description,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": state(key),
        "DeletionDate": key.delete_at if key.delete_at < FOREVER else None,
        "Origin": "AWS_KMS",
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }


ACTIONS: dict[str, Action] = {
    "CreateKey": create_key,
    "DescribeKey": describe_key,
    "ListKeys": list_keys,
    "DisableKey": disable_key,
    "EnableKey": enable_key,
    "ScheduleKeyDeletion": schedule_deletion,
    "CancelKeyDeletion": cancel_deletion,
    "CreateAlias": create_alias,
    "ListAliases": list_aliases,
    "CreateGrant": create_grant,
    "ListGrants": list_grants,
    "RevokeGrant": revoke_grant,
    "PutKeyPolicy": put_policy,
    "GetKeyPolicy": get_policy,
}
