"""JSON objects of the contract, whole and sound; a test names what it wants otherwise."""

from __future__ import annotations

from typing import Any

NOW = "2026-07-01T12:00:00.000000Z"


def project_json(name: str = "shop", **more: Any) -> dict[str, Any]:
    return {
        "id": f"prj_{name}",
        "name": name,
        "title": name.title(),
        "role": "operator",
        "created_at": NOW,
        "created_by": "root",
        "production": False,
        **more,
    }


def record_json(name: str = "web-1", **more: Any) -> dict[str, Any]:
    """Return a record of something that was done to `name`."""
    return {
        "id": f"rec_{name}",
        "time": "2026-07-01T00:00:00Z",
        "kind": "audit",
        "phase": "event",
        "action": "resource.stop",
        "project": "shop",
        "person": "olga",
        "object": name,
        "outcome": "ok",
        "error_code": None,
        "summary": f"Stopped {name}",
        "correlation_id": "cor_1",
        "request_id": None,
        "source": "10.0.0.7",
        "origin": "observed",
        "stream": None,
        "sequence": None,
        "data": {},
        **more,
    }


def me_json(*projects: str) -> dict[str, Any]:
    return {
        "name": "olga",
        "groups": [],
        "scopes": ["custom:mavis:read", "custom:mavis:operate"],
        "platform_admin": False,
        "projects": [
            {"name": each, "title": each.title(), "role": "operator"} for each in projects
        ],
    }


def run_json(state: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "id": "run_1",
        "project": "shop",
        "kind": "resource.stop",
        "state": state,
        "subject": "web-1 (i-1)",
        "person": "olga",
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": "2026-07-01T12:00:02.500000Z" if state != "running" else None,
        "not_before": None,
        "slot": None,
        "cancelled_by": None,
        "attempt": 1,
        "steps": [],
        "result": {},
        "error": None,
        "correlation_id": "cor_1",
        "version": 1,
        **more,
    }


def session_json(**more: Any) -> dict[str, Any]:
    return {
        "id": "ses_1",
        "project": "shop",
        "device": "web-1",
        "access_service": "ssh",
        "protocol": "ssh",
        "login": "admin",
        "kind": "terminal",
        "entrance": "notebook",
        "person": "olga",
        "source": "127.0.0.1",
        "correlation_id": "cor_1",
        "state": "ended",
        "asked_at": "2026-07-01T12:00:00.000000Z",
        "opened_at": "2026-07-01T12:00:01.000000Z",
        "ended_at": "2026-07-01T12:03:00.000000Z",
        "reason": "exited",
        "detail": "It exited with status 0",
        "exit_status": 0,
        "command": None,
        "recording": True,
        "end_asked_by": None,
        **more,
    }


def step_json(name: str, state: str = "done", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "state": state,
        "detail": "",
        "progress_percent": None,
        "started_at": NOW,
        "finished_at": None,
        **more,
    }


def preview_json(**more: Any) -> dict[str, Any]:
    return {
        "id": "pre_1",
        "action": "resource.stop",
        "resource": "web-1 (i-1)",
        "project": "shop",
        "severity": "interrupts",
        "effects": [
            {
                "verb": "stop",
                "kind": "instance",
                "cloud_id": "i-1",
                "name": "web-1",
                "environment": "prod",
                "account": "111122223333",
                "region": "eu-west-1",
                "detail": "",
            }
        ],
        "warnings": ["Its public address changes."],
        "hash": "abc123",
        "confirm": "shop",
        "created_at": NOW,
        "expires_at": "2999-01-01T00:00:00Z",
        "run": None,
        **more,
    }


def resource_json(name: str = "web-1", **more: Any) -> dict[str, Any]:
    return {
        "id": f"res_{name}",
        "kind": "instance",
        "environment": "prod",
        "region": "eu-west-1",
        "cloud_id": f"i-{name}",
        "name": name,
        "account": "111122223333",
        "state": "running",
        "tags": {"Name": name},
        "details": {"instance_type": "m7.large", "volumes": ["vol-1", "vol-2"]},
        "seen_at": NOW,
        "gone": False,
        **more,
    }


def point_json(**more: Any) -> dict[str, Any]:
    """Return a recovery point as a list tells it: without its manifest."""
    return {
        "id": "rp_1",
        "project": "shop",
        "plan_id": None,
        "plan": None,
        "rule": None,
        "slot": None,
        "environment_id": "env_1",
        "environment": "prod",
        "region": "eu-west-1",
        "account": "111122223333",
        "instance_id": "i-1",
        "instance_name": "web-1",
        "state": "complete",
        "description": "before the upgrade",
        "created_at": NOW,
        "created_by": "olga",
        "taken_at": NOW,
        "completed_at": NOW,
        "run_id": "run_1",
        "error": None,
        "hold": None,
        "lock": None,
        "proof": None,
        "copies": [copy_json()],
        "volumes": 1,
        "size_gib": 8,
        **more,
    }


def detail_json(**more: Any) -> dict[str, Any]:
    """Return a recovery point as it is told alone: with its manifest."""
    manifest = {
        "configuration": {"instance_type": "m7.large"},
        "tags": {"Name": "web-1"},
        "disks": [{"volume_id": "vol-1", "size_gib": 8}],
        "excluded": [],
        "hash": "abc123",
    }
    return point_json(manifest=manifest, **more)


def copy_json(**more: Any) -> dict[str, Any]:
    return {
        "id": "cop_1",
        "role": "primary",
        "environment_id": "env_1",
        "environment": "prod",
        "account": "111122223333",
        "region": "eu-west-1",
        "kms_key": None,
        "state": "complete",
        "run_id": "run_1",
        "expire_run_id": None,
        "created_at": NOW,
        "completed_at": NOW,
        "error": None,
        "members": [
            {
                "volume_id": "vol-1",
                "device": "/dev/xvda",
                "cloud_id": "snap-1",
                "state": "completed",
                "progress_percent": 100,
                "size_gib": 8,
            }
        ],
        **more,
    }


def plan_json(**more: Any) -> dict[str, Any]:
    return {
        "id": "bpl_1",
        "project": "shop",
        "name": "nightly",
        "version": 3,
        "definition": {
            "title": "Every night",
            "zone": "Europe/Berlin",
            "enabled": True,
            "selection": {"match": "tag:backup = gold"},
            "rules": [{"name": "daily", "cron": "30 2 * * *"}],
            "keep": {"daily": 7},
        },
        "owner": "ada",
        "created_at": NOW,
        "created_by": "ada",
        "updated_at": NOW,
        "updated_by": "ada",
        "removed_at": None,
        **more,
    }


def check_json(**more: Any) -> dict[str, Any]:
    effect = {
        "verb": "create",
        "kind": "recovery_point",
        "cloud_id": "",
        "name": "web-1",
        "environment": "prod",
        "account": "111122223333",
        "region": "eu-west-1",
        "detail": "of i-1: 1 volume, 8 GiB",
    }
    return {
        "definition": plan_json()["definition"],
        "effects": [effect],
        "left_out": ["db-1 (i-2)"],
        "upcoming": [{"rule": "daily", "slot": "2026-07-02T02:30", "due_at": NOW}],
        **more,
    }


def slots_json(**more: Any) -> dict[str, Any]:
    return {
        "upcoming": [
            {"rule": "daily", "slot": "2999-01-02T02:30", "due_at": "2999-01-02T01:30:00Z"}
        ],
        "begun": [
            {
                "rule": "daily",
                "slot": "2026-07-01T02:30",
                "due_at": "2026-07-01T00:30:00Z",
                "begun_at": "2026-07-01T00:30:04Z",
                "how": "on time",
                "run": "run_1",
            }
        ],
        **more,
    }


def calendar_json(**more: Any) -> dict[str, Any]:
    made = {"rule": "daily", "taken_at": "2026-07-02T00:30:00Z", "local": "2026-07-02T02:30"}
    goes = {"taken_at": "2026-06-25T00:30:00Z", "local": "2026-06-25T02:30"}
    return {
        "plan": "nightly",
        "instance": None,
        "zone": "Europe/Berlin",
        "keep": {"daily": 7, "within": None},
        "days": [
            {"date": "2026-07-01", "made": [], "goes": [], "left": 7},
            {"date": "2026-07-02", "made": [made], "goes": [goes], "left": 7},
        ],
        **more,
    }


def proof_json(**more: Any) -> dict[str, Any]:
    return {
        "ok": True,
        "at": NOW,
        "run": "run_1",
        "restore": "rst_1",
        "copy": "cop_1",
        "region": "eu-west-1",
        "volumes": [],
        "seconds": {"reading": 1.5},
        "checks": [],
        "isolated": True,
        "left": 0,
        "why": None,
        "code": None,
        **more,
    }


def explanation_json(**more: Any) -> dict[str, Any]:
    return {
        "copy": "cop_1",
        "role": "primary",
        "environment": "prod",
        "region": "eu-west-1",
        "state": "complete",
        "fate": "keep",
        "reasons": [{"code": "daily", "sentence": "daily: the last one of 2026-07-01 (1 of 7)"}],
        "goes_at": "2026-07-08T00:30:00Z",
        "sentence": "goes on 2026-07-08 02:30 at the earliest, if the plan runs as scheduled",
        **more,
    }


def restore_json(**more: Any) -> dict[str, Any]:
    return {
        "id": "rst_1",
        "point_id": "rp_1",
        "copy_id": "cop_1",
        "kind": "volumes",
        "state": "complete",
        "run_id": "run_1",
        "end_run_id": None,
        "arguments": {"region": "eu-west-1", "zone": "eu-west-1a"},
        "made": {"volumes": {"vol-1": "vol-9"}, "instance_id": None, "group_id": None},
        "before": None,
        "undo_until": None,
        "created_by": "olga",
        "created_at": NOW,
        "finished_at": NOW,
        "error": None,
        "proof": None,
        **more,
    }


def report_json(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "project": "shop",
        "at": NOW,
        "machines": 2,
        "protected": 1,
        "rows": list(rows),
        **more,
    }


def row_json(finding: str = "unprotected", **more: Any) -> dict[str, Any]:
    return {
        "finding": finding,
        "machine": "web-1 (i-1)",
        "environment": "prod",
        "region": "eu-west-1",
        "plan": "",
        "newest_at": None,
        "why": "No backup plan in force selects it.",
        "mend": "Add it to the selection of a plan.",
        **more,
    }
