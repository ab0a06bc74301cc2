"""The policies for AWS allow what the kit calls, and nothing that it never calls."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session
from click.testing import CliRunner

import mavis_core.kits.aws
from iam import Asked, refused, statements
from mavis_core.errors import NotFound
from mavis_core.kits.aws import policies
from mavis_core.kits.aws.clients import SERVICES
from mavis_core.kits.aws.operations import OPERATIONS
from mavis_hub.commands import cli

ROLE = [part for part in policies.PARTS if part not in ("trust", "base")]
NEED_NO_PERMISSION = {"sts:GetCallerIdentity"}
BESIDES = {
    "iam:PassRole": {"RunInstances"},  # with an instance profile
    "kms:CreateGrant": {"AttachVolume", "CopySnapshot", "CreateVolume", "StartInstances"},
    "kms:Decrypt": {"CopySnapshot", "CreateVolume", "GetSnapshotBlock", "RunInstances"},
    "kms:DescribeKey": {"CopySnapshot", "CreateVolume", "RunInstances"},
    "kms:GenerateDataKeyWithoutPlaintext": {"CopySnapshot", "CreateVolume", "RunInstances"},
    "kms:ReEncryptFrom": {"CopySnapshot", "CreateVolume"},
    "kms:ReEncryptTo": {"CopySnapshot", "CreateVolume"},
    "sts:SetSourceIdentity": {"AssumeRole"},
}
"""What AWS asks for besides, by the calls for which it does."""
MANAGED_POLICY = 6144  # letters that AWS takes, blanks not counted
ALL_INLINE = 10_240  # of all policies inside a role


def of(*parts: str) -> list[dict[str, object]]:
    return [each for part in parts for each in json.loads(policies.text(part))["Statement"]]


def actions(*parts: str) -> set[str]:
    return {
        action
        for each in of(*parts)
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }


def called() -> set[str]:
    """Return every operation that the code of the kit calls, by the names of botocore's methods."""
    methods: dict[str, str] = {}
    session = Session()
    for service in (*SERVICES, "sts"):
        for name in session.get_service_model(service).operation_names:
            methods[xform_name(name)] = name
    found = set()
    for path in Path(mavis_core.kits.aws.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            name = node.func.attr
            if name == "get_paginator":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), ast.unparse(node)
                name = str(argument.value)
            if name in methods:
                found.add(methods[name])
    return found


def test_the_table_of_operations_has_what_the_code_calls_and_nothing_else() -> None:
    assert called() == set(OPERATIONS)


def test_the_policies_allow_every_call_of_the_kit() -> None:
    wanted = {f"{each.service}:{name}" for name, each in OPERATIONS.items()} - NEED_NO_PERMISSION
    assert wanted - actions("base", *ROLE) == set()


def test_the_policies_allow_nothing_that_the_kit_does_not_call() -> None:
    known = {f"{each.service}:{name}" for name, each in OPERATIONS.items()}
    assert actions(*policies.PARTS) - known - set(BESIDES) == set()
    for needed_for in BESIDES.values():
        assert needed_for <= set(OPERATIONS)


def test_every_policy_and_every_statement_is_explained_and_fits_into_aws() -> None:
    folder = Path(policies.__file__).parent
    assert {path.stem for path in folder.glob("*.json")} == set(policies.PARTS)
    sids = [each["Sid"] for each in of(*policies.PARTS)]
    assert sorted(sids) == sorted(policies.STATEMENTS)
    sizes = [len("".join(json.dumps(json.loads(policies.text(part))).split())) for part in ROLE]
    assert max(sizes) < MANAGED_POLICY
    assert sum(sizes) < ALL_INLINE


SNAPSHOT = "arn:aws:ec2:eu-central-1::snapshot/snap-0123456789abcdef0"
VOLUME = "arn:aws:ec2:eu-central-1:444455556666:volume/vol-0123456789abcdef0"
MACHINE = "arn:aws:ec2:eu-central-1:444455556666:instance/i-0123456789abcdef0"
OURS = {"aws:ResourceTag/mavis:intent": "int_01"}


def tagging(*keys: str) -> dict[str, str | tuple[str, ...]]:
    return {"aws:TagKeys": keys, **{f"aws:RequestTag/{key}": "x" for key in keys}}


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (Asked("ec2:DeleteSnapshot", SNAPSHOT, OURS), True),
        (Asked("ec2:DeleteSnapshot", SNAPSHOT), False),
        (Asked("ec2:ModifySnapshotAttribute", SNAPSHOT), False),
        (Asked("ec2:LockSnapshot", SNAPSHOT), False),
        (Asked("ebs:GetSnapshotBlock", SNAPSHOT), False),
        (Asked("ec2:TerminateInstances", MACHINE, OURS), True),
        (Asked("ec2:TerminateInstances", MACHINE), False),
        (Asked("ec2:DeleteVolume", VOLUME), False),
        (Asked("ec2:DeleteVolume", VOLUME, {"aws:ResourceTag/mavis:replaced-by": "rst_01"}), True),
        (Asked("ec2:DeleteVolume", VOLUME, {"aws:ResourceTag/mavis:replaced-by": ""}), False),
        (Asked("ec2:CreateTags", SNAPSHOT, tagging("team")), True),
        (Asked("ec2:CreateTags", SNAPSHOT, tagging("mavis:intent")), False),
        (Asked("ec2:CreateTags", VOLUME, tagging("team", "mavis:intent")), False),
        (Asked("ec2:CreateTags", VOLUME, tagging("mavis:replaced-by", "mavis:undo-until")), True),
        (Asked("ec2:CreateTags", MACHINE, tagging("mavis:replaced-by")), False),
        (
            Asked(
                "ec2:CreateTags",
                SNAPSHOT,
                {**tagging("mavis:intent"), "ec2:CreateAction": "CreateSnapshots"},
            ),
            True,
        ),
        (Asked("ec2:CopySnapshot", "arn:aws:ec2:us-east-1::snapshot/*", {}), False),
        (
            Asked("ec2:CopySnapshot", "arn:aws:ec2:us-east-1::snapshot/*", tagging("mavis:intent")),
            True,
        ),
        (Asked("ec2:CopySnapshot", SNAPSHOT), True),
        (Asked("ec2:CreateImage", MACHINE), False),
        (Asked("ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"), True),
        (Asked("ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunPowerShell"), False),
    ],
    ids=str,
)
def test_what_is_not_of_mavis_s_making_is_out_of_reach(asked: Asked, allowed: bool) -> None:
    known = statements(*map(policies.text, ROLE))
    assert refused([asked], known) == ([] if allowed else [asked])


def test_the_role_is_assumed_by_one_user_with_the_external_id_for_somebody() -> None:
    assume, name = of("trust")
    assert (
        assume["Principal"] == name["Principal"] == {"AWS": "arn:aws:iam::111122223333:user/mavis"}
    )
    (known, _) = statements(policies.text("trust"))
    who = {"sts:SourceIdentity": "ada", "sts:ExternalId": "EXTERNAL-ID"}
    assert known.allows(Asked("sts:AssumeRole", "*", who))
    for left_out in who:
        rest = {key: value for key, value in who.items() if key != left_out}
        assert not known.allows(Asked("sts:AssumeRole", "*", rest))


def test_the_command_writes_one_policy_of_several() -> None:
    done = CliRunner().invoke(cli, ["policy", "show", "read", "take"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["Statement"] == of("read", "take")
    listed = CliRunner().invoke(cli, ["policy", "list"])
    assert all(part in listed.stdout for part in policies.PARTS)
    for words in (["nothing"], ["read", "--kit", "nowhere"]):
        failed = CliRunner().invoke(cli, ["policy", "show", *words])
        assert isinstance(failed.exception, NotFound)
