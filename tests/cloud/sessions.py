"""Sessions of assumed roles, which outlive the server: moto would give their keys to nobody."""

from __future__ import annotations

import re

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from cloud.accounts import MAIN
from cloud.oracle import Call
from cloud.overlay import Overlay

_KEY = re.compile(r"<AccessKeyId>(\w+)</AccessKeyId>")
_PARTITION = "aws"
_DURATION_S = 3600  # moto lets no session end


def keep(cloud: Overlay, call: Call, body: str) -> None:
    """Write down the key that an AssumeRole has answered with."""
    found = _KEY.search(body)
    if found:
        values = (found.group(1), call.params["RoleArn"], call.params["RoleSessionName"])
        cloud.store.run("INSERT OR REPLACE INTO session VALUES (?, ?, ?)", *values)


def restore(cloud: Overlay) -> None:
    """Let moto know the keys that were written down."""
    for key_id, role_arn, name in cloud.store.rows("SELECT key, role, name FROM session"):
        role = sts_backends[MAIN][_PARTITION].assume_role(
            region_name="us-east-1",
            role_session_name=name,
            role_arn=role_arn,
            policy="",
            duration=_DURATION_S,
            external_id="",
        )
        known = iam_backends[role.account_id][_PARTITION].access_keys
        known[key_id] = known.pop(role.access_key_id)
        known[key_id].access_key_id = role.access_key_id = key_id
