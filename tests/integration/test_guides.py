"""The commands of the how-to guides run, in their order, and say what stands below them.

They are those of the command line against the API and its log process, over the shipped cloud.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

import iam
from cloud import accounts
from cloud.client import Simulator
from cloud_benches import KIT, AwsBench
from copy_scene import add_environment
from core_double import ACCOUNT, REGION, Project, wait_until
from examples import DOCS, Example, at_work, examples, outputs
from mavis_core.kits.aws import policies
from rest_service import RestService

GUIDES = (
    "ask-the-log-in-sql",
    "copy-elsewhere",
    "let-people-in",
    "prove-a-restore",
    "publish-a-dashboard",
    "read-the-records",
    "restore",
    "write-a-backup-plan",
)


def environ(service: RestService) -> Mapping[str, str]:
    """Return what the command line needs to ask a service as its administrator."""
    return {
        "MAVIS_URL": f"http://127.0.0.1:{service.port}/services/mavis",
        "MAVIS_TOKEN": "ada",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
    }


@pytest.fixture
def person(tmp_path: Path) -> Path:
    """A folder of somebody's own."""
    folder = tmp_path / "person"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_of_a_guide_do_what_it_says(guide: str, tmp_path: Path, person: Path) -> None:
    found = examples(DOCS / "how-to" / f"{guide}.md")
    with at_work(tmp_path / "home", logs=True) as service:
        service.cloud.regions.append("us-east-1")
        add_environment(Project(service.core), "dr", "222222222222", "us-east-1")
        told = outputs(found, person, environ(service))
    for example, output in zip(found, told, strict=True):
        if example.kind:
            assert example.differences(output) == [], example.shell


@pytest.mark.parametrize(
    "page",
    [
        "tutorials/first-recovery-point",
        "how-to/ask-the-log-in-sql",
        "how-to/read-the-records",
        "reference/python",
    ],
)
def test_the_cells_of_a_page_run_with_the_token_of_a_notebook(
    page: str, tmp_path: Path, person: Path
) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    cells = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    script = person / "cells.py"
    script.write_text("\n".join(cells), encoding="utf-8")
    with at_work(tmp_path / "home", logs=True) as service:
        service.cloud.launch(ACCOUNT, REGION, "db-1", sizes=(8, 100, 50))
        shop = "/projects/shop"
        assert service.ask("POST", f"{shop}/discoveries", "olga", {}).status == 202
        taken = {"resource": "web-1"}
        assert service.ask("POST", f"{shop}/recovery-points", "olga", taken).status == 202
        told_of = f"{shop}/records?action=recovery_point.create"
        wait_until(lambda: bool(service.ask("GET", told_of, "olga").json["items"]))
        given = {**environ(service), "MAVIS_TOKEN": "kernel"}
        (told,) = outputs([Example(f"{sys.executable} cells.py", "", "")], person, given)
    assert told
    if page.startswith("tutorials"):
        assert "olga ['shop']" in told
        assert "succeeded" in told
        assert told.count(" -> snap-") == 3
        assert "olga asked for recovery_point.create of db-1" in told


def test_an_account_is_connected_and_proven_as_the_guide_says(
    simulator: Simulator, aws_environment: Path, tmp_path: Path, person: Path
) -> None:
    text = (DOCS / "how-to" / "connect-aws.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text.partition("## Change the key")[0], re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ mavis ")]
    assert len(lines) == 7
    filled_in = {
        "arn:aws:iam::444455556666:role/mavis": accounts.role_arn(accounts.PARTNER),
        "444455556666": accounts.PARTNER,
        "EXTERNAL-ID": accounts.EXTERNAL_ID,
        "environment add main": "environment add aws",  # the project has a `main` of its own
        "key add aws-user": "key add aws-user --from-env",  # nobody is there to type it
        "rp_01": '"$(mavis recovery-point list -p shop -o id --limit 1)"',
    }
    shell = "\n".join(line.removeprefix("$ ") for line in lines)
    for words, ours in filled_in.items():
        assert words in shell
        shell = shell.replace(words, ours)
    key = {
        "AWS_ACCESS_KEY_ID": accounts.KEY["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": accounts.KEY["secret_access_key"],
    }
    with ExitStack() as stack:
        bench = AwsBench(simulator, stack)
        bench.here = bench.elsewhere
        bench.launch("eu-central-1", "test-1", (8,), {})
        service = stack.enter_context(at_work(tmp_path / "home", kits={"aws": KIT}))
        (told,) = outputs([Example(shell, "", "")], person, {**environ(service), **key})
        assumed = [call["params"] for call in simulator.calls("AssumeRole")]
        made = simulator.calls("CreateVolume")
    assert "test-1" in told
    assert [call["account"] for call in made] == [accounts.PARTNER]
    ours = [each for each in assumed if each["RoleSessionName"].startswith("ada@cor_")]
    assert ours
    may = iam.statements(policies.text("trust").replace("EXTERNAL-ID", accounts.EXTERNAL_ID))
    for each in ours:
        keys = {"sts:ExternalId": each["ExternalId"], "sts:SourceIdentity": each["SourceIdentity"]}
        assert each["SourceIdentity"] == "ada"
        assert iam.refused([iam.Asked("sts:AssumeRole", "*", keys)], may) == []
