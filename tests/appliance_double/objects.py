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
        **more,
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
