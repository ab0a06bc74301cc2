"""Schemathesis sends what the description allows, and what it forbids, to the running API.

It derives cases from the description alone: examples, bounds and their neighbours, random data,
and sequences of calls in which one uses what another has made. Every answer must be one that the
description tells of, no bad request may be taken, and nobody may be let in without a token.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import mavis_ext
from contract import contract
from core_double import plan_document
from mavis_core.kits.aws import kit
from mavis_ext.app import API
from public_keys import public_key
from rest_service import RestService, serving

DESCRIPTION = Path(mavis_ext.__file__).with_name("openapi.json")
PEOPLE = ["ada", "olga"]
"""An administrator of the platform and of the project, and an operator of the project."""
NAMES = (
    *("project", "key", "subject", "environment", "resource"),
    *("preview", "plan", "point", "restore", "run", "hold"),
    *("device", "service", "session", "sshkey", "sshcertificate"),
)
DELETIONS = {
    "delete_key": "key",
    "delete_member": "subject",
    "delete_environment": "environment",
    "delete_backup_plan": "plan",
    "delete_device": "device",
    "delete_access_service": "service",
    "delete_person_key": "sshkey",
    "revoke_person_certificate": "sshcertificate",
}
MAY_BE_REFUSED = {
    "create_key": "which parts a key has says its kit",
    "rotate_key": "which keys are of devices says their kind, and the name is to be theirs",
    "create_device": "what an address is cannot be said by a schema",
    "create_access_service": "which old algorithms and which paths there are says the policy",
    "open_session": "a command goes with its kind, and with no other",
    "create_restore": "which volumes there are says the recovery point",
    "issue_person_certificate": "a public key is a language of its own",
    "add_person_key": "a public key is a language of its own",
    "create_environment": "which kits there are says the appliance, and what one takes its kit",
    "create_backup_plan": "expressions and schedules are languages of their own",
    "put_backup_plan": "expressions and schedules are languages of their own",
    "run_backup_plan": "which rules there are says the plan",
    "publish_dashboard": "either a notebook or the name of a shipped one, and no other notebook",
    "copy_recovery_point": "which regions there are says the environment",
    "create_preview": "what an action takes says the action",
    "lock_recovery_point": "a lock has an end or a length, and not both",
    "report_records": "a time is after 1970, which a schema cannot say",
    "report_cells": "a time is after 1970, which a schema cannot say",
    "hold_records": "its begin is before its end, and after 1970",
    "query_records": "SQL is a language of its own",
    "summarize_records": "a regular expression is a language of its own, zones have names",
    "summarize_all_records": "a regular expression is a language of its own, zones have names",
    "export_records": "a regular expression is a language of its own",
    "export_all_records": "a regular expression is a language of its own",
    "collect_device_login": "a login is waited for, and its errors are 400 by RFC 8628",
    **dict.fromkeys(
        [each.id for each in contract().operations if "cursor" in str(each.told["parameters"])],
        "a cursor is good only where it came from",
    ),
}
"""Operations to which a request that fits the description may still be a bad one, and why."""


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    home = tmp_path_factory.mktemp("schemathesis")
    with serving(home, logs=True, kits={"aws": kit()}) as service:
        yield service


@pytest.fixture
def doomed(rest: RestService) -> dict[str, str]:
    """Make what deletions may take away, so that what others work on stays."""
    value = {"access_key_id": "A", "secret_access_key": "B"}
    one = {"name": "doomed", "kit": "fake", "account": "3", "regions": ["here-1"]}
    plan = {"name": "doomed", "definition": plan_document()}
    for method, path, body in (
        ("POST", "/keys", {"name": "doomed", "kind": "fake", "value": value}),
        ("PUT", "/projects/shop/members/user:doomed", {"role": "viewer"}),
        ("POST", "/projects/shop/environments", one),
        ("POST", "/projects/shop/backup-plans", plan),
        ("POST", "/projects/shop/devices", {"name": "doomed", "address": "10.0.0.9"}),
        (
            "POST",
            "/projects/shop/devices/router-1/access-services",
            {"name": "doomed", "login": "al"},
        ),
        ("POST", "/me/ssh-keys", {"name": "doomed", "public": public_key()}),
    ):
        assert rest.ask(method, path, body=body).status in (200, 201, 409)
    issued = rest.ask("POST", "/me/ssh-certificates", body={"public": public_key()})
    names = ("key", "environment", "plan", "device", "service", "sshkey")
    return {
        **dict.fromkeys(names, "doomed"),
        "subject": "user:doomed",
        "sshcertificate": issued.json["certificate"]["id"],
    }


def settings(person: str, things: Mapping[str, str], doomed: Mapping[str, str]) -> str:
    """Return settings by which most cases work on things that are there.

    What fits the description must be taken where it is of letters that everybody sees; whether it
    is asked for in other letters, the answer must be as described.
    """

    def mostly(where: str, dictionary: str) -> str:
        return f'{json.dumps(where)} = {{ dictionary = "{dictionary}", probability = 0.9 }}'

    lines = ["request-timeout = 60", "[generation]", "deterministic = true"]
    plain = person == "olga"
    lines += [f'codec = "{"ascii" if plain else "utf-8"}"']
    # An entity tag that does not hold is a good one all the same.
    taken = ["2xx", "3xx", "401", "403", "404", "409", "412", "429"]
    lines += ["[checks.positive_data_acceptance]", f"enabled = {str(plain).lower()}"]
    lines += [f"expected-statuses = {json.dumps(taken)}"]
    # Of a request with two faults one is told.
    refused = ["400", "401", "403", "404", "405", "409", "412", "413"]
    lines += ["[checks.negative_data_rejection]", f"expected-statuses = {json.dumps(refused)}"]
    lines.append("[dictionaries]")
    for name, value in things.items():
        lines.append(f"{name} = {{ values = [{json.dumps(value)}] }}")
    for name, value in doomed.items():
        lines.append(f"doomed-{name} = {{ values = [{json.dumps(value)}] }}")
    lines.append("[parameters]")
    lines += [mostly(f"path.{name}", name) for name in NAMES]
    lines += [mostly(f"body.{name}", name) for name in ("resource", "point", "environment", "hash")]
    for operation, name in DELETIONS.items():
        lines += ["[[operations]]", f'include-operation-id = "{operation}"']
        lines += ["[operations.parameters]", mostly(f"path.{name}", f"doomed-{name}")]
    for operation in MAY_BE_REFUSED:
        lines += ["[[operations]]", f'include-operation-id = "{operation}"']
        lines += ["[operations.checks.positive_data_acceptance]", "enabled = false"]
    return "\n".join(lines) + "\n"


ENDLESS = {
    "follow_records": "tests/integration/api/test_record_events.py",
    "follow_all_records": "tests/integration/api/test_record_events.py",
}
"""Operations whose answer has no end, and where they are tested."""


def run(rest: RestService, person: str, folder: Path, settings: str, *options: str) -> None:
    """Let Schemathesis call the API as `person`; assert that it finds nothing."""
    (folder / "schemathesis.toml").write_text(settings)
    address = f"http://127.0.0.1:{rest.port}{API}"
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(DESCRIPTION), "--url", address]
    without = [word for each in ENDLESS for word in ("--exclude-operation-id", each)]
    done = subprocess.run(
        [*command, "--header", f"Authorization: Bearer {person}", *without, *options],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=1700,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("person", PEOPLE)
def test_what_the_description_says_is_so(
    rest: RestService,
    things: dict[str, str],
    doomed: dict[str, str],
    tmp_path: Path,
    person: str,
) -> None:
    phases = "examples,coverage,fuzzing" if person == "ada" else "examples,fuzzing"
    told = settings(person, things, doomed)
    run(rest, person, tmp_path, told, "--phases", phases, "--max-examples", "3")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("person", PEOPLE)
def test_what_the_description_says_is_so_whatever_comes(
    rest: RestService,
    things: dict[str, str],
    doomed: dict[str, str],
    tmp_path: Path,
    person: str,
) -> None:
    run(rest, person, tmp_path, settings(person, things, doomed), "--max-examples", "60")
