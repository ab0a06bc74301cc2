"""Every operation of the API has a method of the client and a command, but for a list of reasons.

The appliance here answers by the description, and takes only what the description has.
"""

from __future__ import annotations

import io
import json
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from appliance_double import described
from appliance_double.server import TOKEN, Appliance
from mavis_kernel import Mavis
from mavis_kernel.errors import UnexpectedAnswer
from mavis_kernel.models import Preview, Record
from mavis_kernel.record_filters import RecordFilters
from mavis_kernel.retries import RetryPolicy

Cli = Callable[..., Result]
Call = Callable[[Mavis], Any]
NOW = datetime(2026, 7, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
DEFINITION = {"selection": {}, "rules": [{"name": "daily", "cron": "30 2 * * *"}]}
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": [{}]}],
}
REPORT = {"action": "deploy.finish", "time": NOW, "stream": "s", "sequence": 1}
CELL = {
    "code": "1",
    "sha256": "0" * 64,
    "started_at": "2026-07-01T00:00:00Z",
    "ended_at": "2026-07-01T00:00:01Z",
    "status": "ok",
    "stream": "kernel-1",
    "sequence": 1,
}
SOME = ("id",)
MORE_FILTERS: RecordFilters = {
    "object": "o",
    "kind": "audit",
    "phase": "event",
    "outcome": "ok",
    "origin": "observed",
    "error_code": "e",
    "source": "s",
    "words": "w",
    "regex": "r",
}
NAMED = ("name",)

OF_THE_LOGIN = {
    "begin_device_login": "`mavis login` asks for a code before there is a token",
    "collect_device_login": "`mavis login` asks whether the code was allowed",
}
"""Operations of the login itself, which has no client yet."""

NO_COMMAND = {
    "get_record_hold": "`record holds` shows all there is to say of each",
    "get_openapi": "a document for programs, at its address",
    "lock_recovery_point": "`lock` begins with a preview, which shows what it does",
    "unlock_recovery_point": "`unlock` begins with a preview, which shows what it does",
    "get_access_service": "`device ways` shows all there is to say of each",
    "open_session": "a page or a notebook opens it; a shell has the door for SSH clients",
    "return_to_session": "the page and the notebook come back by themselves",
    "watch_session": "a page shows it",
    "report_cells": "kernels report by themselves",
}

ENDLESS = {
    "follow_all_records": ["record", "list", "--follow", "--all-projects"],
    "follow_records": ["record", "list", "--follow"],
}
"""Commands that somebody ends."""

STORY = "cor_01jd3k5v7m8q2x4c6e9g0r1s2t"
CALLS: dict[str, list[Call]] = {
    "get_health": [lambda m: m.health(), lambda m: m.health(fields=("status",))],
    "get_openapi": [lambda m: m.description()],
    "get_me": [lambda m: m.me(), lambda m: m.me(fields=NAMED)],
    "list_keys": [lambda m: list(m.keys.list(fields=NAMED))],
    "create_key": [lambda m: m.keys.add("main", {"access_key_id": "A"})],
    "get_key": [lambda m: m.keys.get("main", fields=NAMED)],
    "delete_key": [lambda m: m.keys.remove("main", if_match='"1"')],
    "list_all_records": [
        lambda m: list(m.records.list(None, since=NOW, until=NOW, person="o", fields=SOME)),
        lambda m: list(m.records.list(None, action="a", correlation_id="c", query="q")),
        lambda m: list(m.records.list(None, **MORE_FILTERS)),
    ],
    "list_records": [
        lambda m: list(m.records.list("shop", since=NOW, until=NOW, person="o", fields=SOME)),
        lambda m: list(m.records.list("shop", action="a", correlation_id="c", query="q")),
        lambda m: list(m.records.list("shop", **MORE_FILTERS)),
    ],
    "export_all_records": [
        lambda m: m.records.export(None, io.BytesIO(), since=NOW, until=NOW, person="o"),
        lambda m: m.records.export(None, io.BytesIO(), action="a", correlation_id="c", query="q"),
        lambda m: m.records.export(None, io.BytesIO(), format="jsonl", **MORE_FILTERS),
    ],
    "export_records": [
        lambda m: m.records.export("shop", io.BytesIO(), since=NOW, until=NOW, person="o"),
        lambda m: m.records.export("shop", io.BytesIO(), action="a", correlation_id="c", query="q"),
        lambda m: m.records.export("shop", io.BytesIO(), format="parquet", **MORE_FILTERS),
    ],
    "follow_all_records": [
        lambda m: _first(m, None, since=NOW, until=NOW, person="o"),
        lambda m: _first(m, None, action="a", correlation_id="c", query="q"),
        lambda m: _first(m, None, **MORE_FILTERS),
    ],
    "follow_records": [
        lambda m: _first(m, "shop", since=NOW, until=NOW, person="o"),
        lambda m: _first(m, "shop", action="a", correlation_id="c", query="q"),
        lambda m: _first(m, "shop", **MORE_FILTERS),
    ],
    "summarize_all_records": [
        lambda m: m.records.summary(None, zone="UTC", since=NOW, until=NOW, person="o"),
        lambda m: m.records.summary(None, action="a", correlation_id="c", query="q"),
        lambda m: m.records.summary(None, **MORE_FILTERS, fields=("total",)),
    ],
    "summarize_records": [
        lambda m: m.records.summary("shop", zone="UTC", since=NOW, until=NOW, person="o"),
        lambda m: m.records.summary("shop", action="a", correlation_id="c", query="q"),
        lambda m: m.records.summary("shop", **MORE_FILTERS, fields=("total",)),
    ],
    "get_any_record_context": [
        lambda m: m.records.context(None, "rec_1", within="story", earlier=1, later=2),
        lambda m: m.records.context(None, "rec_1", fields=("record",)),
    ],
    "get_record_context": [
        lambda m: m.records.context("shop", "rec_1", within="story", earlier=1, later=2),
        lambda m: m.records.context("shop", "rec_1", fields=("record",)),
    ],
    "report_records": [lambda m: m.records.report("shop", [REPORT])],
    "list_record_holds": [lambda m: list(m.records.holds("shop", fields=("id",)))],
    "hold_records": [
        lambda m: m.records.hold(
            "shop", "why", person="al", correlation_id=STORY, since=NOW, until=NOW
        )
    ],
    "get_record_hold": [lambda m: m.records.get_hold("shop", "hold_1", fields=("id",))],
    "release_records": [lambda m: m.records.release("shop", "hold_1", "why")],
    "report_cells": [lambda m: m.records.report_cells("shop", [CELL])],
    "query_records": [
        lambda m: m.records.sql("SELECT 1", project="shop", since=NOW, until=NOW),
        lambda m: m.records.sql("SELECT 1", project=["shop", "blog"]),
    ],
    "list_projects": [lambda m: list(m.projects.list(sort="name", fields=NAMED))],
    "create_project": [
        lambda m: m.projects.create("shop"),
        lambda m: m.projects.create("shop", production=True),
    ],
    "put_project": [
        lambda m: m.projects.edit("shop", title="Shop", production=True, if_match='"1"')
    ],
    "get_project": [lambda m: m.projects.get("shop", fields=NAMED), lambda m: m.projects.get("s")],
    "list_members": [lambda m: list(m.members.list("shop", fields=("role",)))],
    "get_member": [lambda m: m.members.get("shop", "user:al", fields=("role",))],
    "put_member": [lambda m: m.members.grant("shop", "user:al", "viewer", if_match='"1"')],
    "delete_member": [lambda m: m.members.revoke("shop", "user:al", if_match='"1"')],
    "list_environments": [lambda m: list(m.environments.list("shop", fields=SOME))],
    "create_environment": [lambda m: m.environments.add("s", "prod", account="1", regions=["r"])],
    "get_environment": [lambda m: m.environments.get("shop", "prod", fields=SOME)],
    "delete_environment": [lambda m: m.environments.remove("shop", "prod", if_match='"1"')],
    "create_discovery": [lambda m: m.environments.discover("shop")],
    "list_resources": [
        lambda m: list(m.resources.list("shop", kind="instance", environment="e", region="r")),
        lambda m: list(m.resources.list("shop", query="q", gone=True, sort="-kind", fields=SOME)),
    ],
    "get_resource": [lambda m: m.resources.get("shop", "web-1", fields=SOME)],
    "create_preview": [lambda m: m.previews.create("shop", "resource.stop", "web-1")],
    "get_preview": [lambda m: m.previews.get("shop", "pre_1", fields=SOME)],
    "apply_preview": [lambda m: m.previews.apply("shop", _preview(m), confirm="shop")],
    "list_backup_plans": [lambda m: list(m.backup_plans.list("shop", sort="name", fields=SOME))],
    "create_backup_plan": [
        lambda m: m.backup_plans.create("shop", "nightly", DEFINITION),
        lambda m: m.backup_plans.check("shop", "nightly", DEFINITION),
    ],
    "list_backup_plan_presets": [lambda m: list(m.backup_plans.presets("shop", fields=NAMED))],
    "get_backup_plan": [lambda m: m.backup_plans.get("shop", "nightly", fields=SOME)],
    "put_backup_plan": [lambda m: m.backup_plans.replace("s", "n", DEFINITION, if_match='"1"')],
    "delete_backup_plan": [lambda m: m.backup_plans.remove("shop", "nightly", if_match='"1"')],
    "run_backup_plan": [
        lambda m: m.backup_plans.run("shop", "nightly", rule="daily"),
        lambda m: m.backup_plans.preview_run("shop", "nightly"),
    ],
    "list_backup_plan_slots": [
        lambda m: m.backup_plans.slots("shop", "nightly"),
        lambda m: m.backup_plans.slots("shop", "nightly", fields=("begun",)),
    ],
    "get_backup_plan_calendar": [
        lambda m: m.backup_plans.calendar("shop", "nightly", instance="web-1"),
        lambda m: m.backup_plans.calendar("shop", "nightly", fields=("days",)),
    ],
    "list_recovery_points": [
        lambda m: list(m.recovery_points.list("s", instance="i", plan="n", sort="-taken_at")),
        lambda m: list(m.recovery_points.list("s", state="complete", region="r", fields=SOME)),
    ],
    "create_recovery_point": [
        lambda m: m.recovery_points.create("shop", "web-1", description="why"),
        lambda m: m.recovery_points.preview("shop", "web-1"),
    ],
    "get_recovery_point": [lambda m: m.recovery_points.get("shop", "rp_1", fields=SOME)],
    "explain_recovery_point": [
        lambda m: list(m.recovery_points.explain("shop", "rp_1")),
        lambda m: list(m.recovery_points.explain("shop", "rp_1", fields=("fate",))),
    ],
    "copy_recovery_point": [
        lambda m: m.recovery_points.copy("shop", "rp_1", region="r", kms_key="k"),
        lambda m: m.recovery_points.preview_copy("shop", "rp_1", environment="dr"),
    ],
    "verify_recovery_point": [
        lambda m: m.recovery_points.verify("shop", "rp_1", {"blocks": 0}),
        lambda m: m.recovery_points.preview_verification("shop", "rp_1"),
    ],
    "hold_recovery_point": [lambda m: m.recovery_points.hold("shop", "rp_1", "case 7")],
    "release_recovery_point": [lambda m: m.recovery_points.release("shop", "rp_1", "over")],
    "lock_recovery_point": [lambda m: m.recovery_points.lock("shop", "rp_1", until=WEEK)],
    "unlock_recovery_point": [lambda m: m.recovery_points.unlock("shop", "rp_1")],
    "list_restores": [
        lambda m: list(m.restores.list("shop", point="rp_1", kind="volumes", state="complete")),
        lambda m: list(m.restores.list("shop", sort="state", fields=SOME)),
    ],
    "create_restore": [
        lambda m: m.restores.start("shop", "rp_1", "volumes", {"zone": "a"}),
        lambda m: m.restores.preview("shop", "rp_1", "instance"),
    ],
    "get_restore": [lambda m: m.restores.get("shop", "rst_1", fields=SOME)],
    "report_protection": [
        lambda m: m.reports.protection("shop", everything=True, fields=("rows",)),
        lambda m: m.reports.protection("shop"),
        lambda m: m.reports.protection_csv("shop"),
    ],
    "list_dashboards": [lambda m: list(m.dashboards.list("shop", fields=NAMED))],
    "publish_dashboard": [
        lambda m: m.dashboards.publish("shop", "fleet", NOTEBOOK, title="t", note="n"),
        lambda m: m.dashboards.publish("shop", "status", shipped="status", description="d"),
    ],
    "get_dashboard": [lambda m: m.dashboards.get("shop", "fleet", fields=NAMED)],
    "unpublish_dashboard": [lambda m: m.dashboards.unpublish("shop", "fleet")],
    "list_dashboard_versions": [
        lambda m: list(m.dashboards.versions("shop", "fleet", fields=("number",)))
    ],
    "get_dashboard_version": [lambda m: m.dashboards.version("s", "fleet", 1, fields=("hash",))],
    "activate_dashboard_version": [lambda m: m.dashboards.activate("shop", "fleet", 1)],
    "list_runs": [lambda m: list(m.runs.list("shop", state="running", sort="state", fields=SOME))],
    "get_run": [lambda m: m.runs.get("shop", "run_1", fields=SOME)],
    "follow_run": [lambda m: m.runs.wait("shop", "run_1")],
    "cancel_run": [lambda m: m.runs.cancel("shop", "run_1")],
    "list_devices": [lambda m: list(m.devices.list("shop", fields=NAMED))],
    "create_device": [
        lambda m: m.devices.add("shop", "web-1", "10.0.0.7", title="t", resource="res_1")
    ],
    "get_device": [lambda m: m.devices.get("shop", "web-1", fields=NAMED)],
    "delete_device": [lambda m: m.devices.remove("shop", "web-1", if_match='"1"')],
    "list_access_services": [lambda m: list(m.devices.services("shop", "web-1", fields=NAMED))],
    "create_access_service": [
        lambda m: m.devices.allow("shop", "web-1", "al", port=22, key="k", policy={"shell": True})
    ],
    "get_access_service": [lambda m: m.devices.service("shop", "web-1", "ssh", fields=NAMED)],
    "delete_access_service": [lambda m: m.devices.forbid("shop", "web-1", "ssh", if_match='"1"')],
    "list_host_keys": [
        lambda m: list(m.devices.host_keys("shop", "web-1", "ssh", fields=("state",)))
    ],
    "approve_host_key": [lambda m: m.devices.approve("shop", "web-1", "ssh", "SHA256:x")],
    "list_sessions": [
        lambda m: list(m.sessions.list("s", person="al", device="d", state="open", fields=SOME))
    ],
    "open_session": [
        lambda m: m.sessions.open("shop", "web-1", service="ssh", entrance="browser"),
        lambda m: m.sessions.open("shop", "web-1", command="uptime"),
    ],
    "get_session": [lambda m: m.sessions.get("shop", "ses_1", fields=SOME)],
    "return_to_session": [lambda m: m.sessions.come_back("shop", "ses_1")],
    "watch_session": [lambda m: m.sessions.watch("shop", "ses_1")],
    "end_session": [lambda m: m.sessions.end("shop", "ses_1", reason="why")],
    "download_recording": [lambda m: m.sessions.recording("shop", "ses_1", io.BytesIO())],
    "search_recordings": [lambda m: list(m.sessions.search("shop", "w", fields=("text",)))],
    "list_key_ways": [lambda m: list(m.keys.ways("web", fields=NAMED))],
    "get_key_rotation": [lambda m: m.keys.rotation("web", fields=NAMED)],
    "rotate_key": [lambda m: m.keys.rotate("web", confirm="web")],
    "list_person_certificates": [lambda m: list(m.person_certificates.list(fields=NAMED))],
    "issue_person_certificate": [
        lambda m: m.person_certificates.issue("ssh-ed25519 AAAA", hours=1)
    ],
    "get_person_certificate": [lambda m: m.person_certificates.get("pct_1", fields=NAMED)],
    "revoke_person_certificate": [lambda m: m.person_certificates.revoke("pct_1", if_match='"1"')],
    "get_ssh_door": [lambda m: m.person_certificates.door(fields=NAMED)],
    "list_person_keys": [lambda m: list(m.person_keys.list(fields=NAMED))],
    "add_person_key": [lambda m: m.person_keys.add("laptop", "ssh-ed25519 AAAA")],
    "get_person_key": [lambda m: m.person_keys.get("laptop", fields=NAMED)],
    "delete_person_key": [lambda m: m.person_keys.remove("laptop", if_match='"1"')],
}
NOT_SENT = {
    "cursor": "the lists themselves go through pages",
    "format": "the client says with Accept in which form it wants a report",
}

COMMANDS: dict[str, list[str]] = {
    "get_health": ["version"],
    "get_me": ["whoami"],
    "list_keys": ["key list"],
    "create_key": ["key add main --from-env"],
    "get_key": ["key show main"],
    "delete_key": ["key remove main --yes"],
    "list_all_records": ["record list --all-projects"],
    "list_records": ["record list"],
    "export_all_records": ["record export --all-projects --output NEW --force"],
    "export_records": ["record export --format csv --output NEW --force"],
    "report_records": ["record report LINES --stream s"],
    "list_record_holds": ["record holds"],
    "hold_records": ["record hold --reason why"],
    "release_records": ["record release hold_1 --reason why"],
    "query_records": ["record sql VALUES(1)", "record sql --all-projects VALUES(1)"],
    "get_any_record_context": ["record context rec_1 --all-projects"],
    "get_record_context": ["record context rec_1 --within person -n 3"],
    "summarize_all_records": ["record summary --all-projects"],
    "summarize_records": ["record summary", "record summary --over-time"],
    "list_projects": ["project list"],
    "create_project": ["project create shop", "project create shop --production"],
    "put_project": ["project edit shop --production"],
    "get_project": ["project show"],
    "list_members": ["project members"],
    "get_member": ["project member user:al"],
    "put_member": ["project grant user:al viewer"],
    "delete_member": ["project revoke user:al --yes"],
    "list_environments": ["environment list"],
    "create_environment": ["environment add prod --account 1 --region r"],
    "get_environment": ["environment show prod"],
    "delete_environment": ["environment remove prod --yes"],
    "create_discovery": ["resource discover"],
    "list_resources": ["resource list"],
    "get_resource": ["resource show web-1"],
    "create_preview": [
        "resource start web-1",
        "resource stop web-1",
        "resource tag web-1 a=b",
        "recovery-point lock rp_1 --for 7d",
        "recovery-point unlock rp_1",
        "recovery-point delete rp_1",
        "restore in-place rp_1",
        "restore undo rst_1",
        "backup-plan retention nightly",
    ],
    "get_preview": ["preview show pre_1"],
    "apply_preview": ["preview apply pre_1"],
    "list_backup_plans": ["backup-plan list"],
    "create_backup_plan": ["backup-plan create nightly -f PLAN"],
    "list_backup_plan_presets": ["backup-plan create nightly --preset text"],
    "get_backup_plan": ["backup-plan show nightly"],
    "put_backup_plan": ["backup-plan edit nightly --set zone=UTC"],
    "delete_backup_plan": ["backup-plan delete nightly --yes"],
    "run_backup_plan": ["backup-plan run nightly"],
    "list_backup_plan_slots": ["backup-plan slots nightly"],
    "get_backup_plan_calendar": ["backup-plan calendar nightly"],
    "list_recovery_points": ["recovery-point list"],
    "create_recovery_point": ["recovery-point create web-1"],
    "get_recovery_point": ["recovery-point show rp_1"],
    "explain_recovery_point": ["recovery-point explain rp_1"],
    "copy_recovery_point": ["recovery-point copy rp_1 --region r"],
    "verify_recovery_point": ["recovery-point verify rp_1"],
    "hold_recovery_point": ["recovery-point hold rp_1 --reason why"],
    "release_recovery_point": ["recovery-point release rp_1 --reason why"],
    "list_restores": ["restore list"],
    "create_restore": ["restore volumes rp_1", "restore instance rp_1"],
    "get_restore": ["restore show rst_1"],
    "report_protection": ["report protection", "report protection -o csv"],
    "list_dashboards": ["dashboard list"],
    "publish_dashboard": ["dashboard publish NOTEBOOK", "dashboard publish --shipped status"],
    "get_dashboard": ["dashboard show fleet"],
    "unpublish_dashboard": ["dashboard unpublish fleet --yes"],
    "list_dashboard_versions": ["dashboard versions fleet"],
    "get_dashboard_version": ["dashboard notebook fleet 1"],
    "activate_dashboard_version": ["dashboard activate fleet 1"],
    "list_runs": ["run list"],
    "get_run": ["run show run_1"],
    "follow_run": ["run watch run_1", "run show run_1 --watch"],
    "cancel_run": ["run cancel run_1"],
    "list_devices": ["device list"],
    "create_device": ["device add web-1 10.0.0.7"],
    "get_device": ["device show web-1"],
    "delete_device": ["device remove web-1 --yes"],
    "list_access_services": ["device ways web-1"],
    "create_access_service": ["device allow web-1 --login al --key k"],
    "delete_access_service": ["device forbid web-1 --yes"],
    "list_host_keys": ["device host-keys web-1"],
    "approve_host_key": ["device approve web-1 SHA256:x"],
    "list_sessions": ["session list"],
    "get_session": ["session show ses_1"],
    "end_session": ["session end ses_1 --yes"],
    "download_recording": ["session recording ses_1 --output NEW --force"],
    "search_recordings": ["session find w"],
    "list_key_ways": ["key ways web"],
    "get_key_rotation": ["key rotation web"],
    "rotate_key": ["key rotate web --yes --no-wait"],
    "list_person_certificates": ["ssh certificate list"],
    "issue_person_certificate": ["ssh login"],
    "get_person_certificate": ["ssh certificate show pct_1"],
    "revoke_person_certificate": ["ssh certificate revoke pct_1 --yes"],
    "get_ssh_door": ["ssh config"],
    "list_person_keys": ["ssh key list"],
    "add_person_key": ["ssh key add laptop NOTEBOOK"],
    "get_person_key": ["ssh key show laptop"],
    "delete_person_key": ["ssh key remove laptop --yes"],
}
ALL = {each.id: each for each in described.operations() if each.id not in OF_THE_LOGIN}


def _first(mavis: Mavis, project: str | None, **filters: Any) -> Record:
    """Return the first record that arrives."""
    with closing(mavis.records.watch(project, **filters)) as arriving:
        return next(arriving)


def _preview(mavis: Mavis) -> Preview:
    return mavis.previews.create("shop", "resource.stop", "web-1")


@pytest.fixture
def described_appliance(appliance: Appliance) -> Iterator[Appliance]:
    """An appliance that answers by the description; what it refuses fails the test."""
    faults: list[str] = []

    def answer(asked: Any) -> Any:
        try:
            return described.answer(asked)
        except Exception as exc:
            faults.append(f"{asked.method} {asked.path}: {exc}")
            raise

    appliance.otherwise = answer
    yield appliance
    assert faults == []


def test_every_operation_has_a_method_and_a_command_or_a_reason() -> None:
    assert set(CALLS) == set(ALL)
    assert sorted([*COMMANDS, *NO_COMMAND, *ENDLESS]) == sorted(ALL)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_method_asks_for_what_is_described_and_reads_what_is_answered(
    described_appliance: Appliance, name: str
) -> None:
    with Mavis(described_appliance.url, TOKEN, retry=RetryPolicy(attempts=1)) as mavis:
        for call in CALLS[name]:
            call(mavis)
    asked = [each for each in described_appliance.asked if described.operation_of(each).id == name]
    assert len(asked) >= len(CALLS[name])
    sent = {option for each in asked for option in each.query}
    assert ALL[name].parameters("query") - sent - set(NOT_SENT) == set()
    headers = {header for each in asked for header in each.headers}
    for header in ALL[name].parameters("header") & {"Idempotency-Key", "If-Match"}:
        assert header in headers


@pytest.mark.parametrize(
    ("name", "words"), [(name, words) for name, each in COMMANDS.items() for words in each]
)
@pytest.mark.parametrize("form", ["table", "json", "yaml", "id"])
def test_a_command_does_what_is_described(
    described_appliance: Appliance,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    words: str,
    form: str,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "B")
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(DEFINITION))
    notebook = tmp_path / "fleet.ipynb"
    notebook.write_text(json.dumps(NOTEBOOK))
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"action": "deploy.finish"}\n')
    new = tmp_path / "new.csv"
    files = {"PLAN": plan, "NOTEBOOK": notebook, "LINES": lines, "NEW": new}
    called = [str(files.get(word, word)) for word in words.split()]
    has_form = not WITHOUT_FORM[words] & {form, "all"}
    done = cli(*called, *(("-o", form) if has_form and "-o" not in called else ()))
    assert done.exit_code == 0, done.stderr
    assert name in {described.operation_of(each).id for each in described_appliance.asked}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("form", ["table", "json", "yaml", "id"])
def test_a_command_without_an_end_does_what_is_described(
    described_appliance: Appliance,
    spawn: Callable[..., subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    form: str,
) -> None:
    monkeypatch.setenv("MAVIS_URL", described_appliance.url)
    monkeypatch.setenv("MAVIS_TOKEN", TOKEN)
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    process = spawn(*ENDLESS[name], "-o", form, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert name in {described.operation_of(each).id for each in described_appliance.asked}


WITHOUT_FORM = defaultdict(
    frozenset[str],
    {
        "key remove main --yes": frozenset({"all"}),
        "project revoke user:al --yes": frozenset({"all"}),
        "environment remove prod --yes": frozenset({"all"}),
        "device remove web-1 --yes": frozenset({"all"}),
        "device forbid web-1 --yes": frozenset({"all"}),
        "ssh key remove laptop --yes": frozenset({"all"}),
        "ssh certificate revoke pct_1 --yes": frozenset({"all"}),
        "ssh config": frozenset({"all"}),
        "session recording ses_1 --output NEW --force": frozenset({"all"}),
        "backup-plan delete nightly --yes": frozenset({"all"}),
        "dashboard unpublish fleet --yes": frozenset({"all"}),
        "record report LINES --stream s": frozenset({"all"}),
        "record export --all-projects --output NEW --force": frozenset({"all"}),
        "record export --format csv --output NEW --force": frozenset({"all"}),
        "dashboard notebook fleet 1": frozenset({"all"}),
        "record context rec_1 --all-projects": frozenset({"id"}),
        "record context rec_1 --within person -n 3": frozenset({"id"}),
        "record summary": frozenset({"id"}),
        "record summary --all-projects": frozenset({"id"}),
        "record summary --over-time": frozenset({"id"}),
        "report protection": frozenset({"id"}),
        "record sql VALUES(1)": frozenset({"id"}),
        "record sql --all-projects VALUES(1)": frozenset({"id"}),
        "backup-plan calendar nightly": frozenset({"id"}),
    },
)
"""What has no data (all), or no ids."""


def test_an_answer_that_is_not_as_described_is_an_error(described_appliance: Appliance) -> None:
    def short(asked: Any) -> Any:
        reply = described.answer(asked)
        del reply.body["state"]
        return reply

    described_appliance.otherwise = short
    with (
        Mavis(described_appliance.url, TOKEN) as mavis,
        pytest.raises(UnexpectedAnswer, match=r"no Run\.state"),
    ):
        mavis.runs.get("shop", "run_1")
