"""What the names in the paths of the API stand for, as the description tells it."""

from __future__ import annotations

__all__ = ["NAMES_IN_PATHS"]

NAMES_IN_PATHS = {
    "project": "A project, by name or id.",
    "environment": "An environment, by name or id.",
    "hold": "A legal hold on records, by id.",
    "key": "A key, by name.",
    "subject": "A person (`user:alice`) or a Hub group (`group:ops`).",
    "resource": "A resource, by id, cloud id or name.",
    "preview": "A preview, by id.",
    "dashboard": "A dashboard, by name or id.",
    "device": "A device, by name or id.",
    "service": "A way into the device, by name or id.",
    "session": "A session, by id.",
    "sshkey": "One of your public keys, by name.",
    "sshcertificate": "One of your certificates for SSH, by id.",
    "version": "The number of a version.",
    "plan": "A backup plan, by name or id.",
    "point": "A recovery point, by id.",
    "record": "A record, by id.",
    "restore": "A restore, by id.",
    "run": "A Run, by id.",
}
