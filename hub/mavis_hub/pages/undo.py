"""What can be undone of each action, for whoever is about to say yes."""

from __future__ import annotations

from collections.abc import Mapping

from mavis_core.protection.restore.in_place import UNDO

__all__ = ["UNDO_OF"]

_HOURS = int(UNDO.total_seconds() // 3600)
_MADE = "Mavis does not take it back: what it makes stays until you remove it in the cloud."
_POINT = "Delete the recovery point again: `mavis recovery-point delete`."

UNDO_OF: Mapping[str, str] = {
    "backup.run": _POINT,
    "backup_plan.change": (
        "Write the plan again as it was. What its next run lets go of cannot be brought back."
    ),
    "backup_plan.create": "Remove it again: `mavis backup-plan delete`. Its recovery points stay.",
    "backup_plan.remove": "Make it again. What it has made stays, and is not the new plan's.",
    "catalogue.rebuild": "It writes down what is in the clouds, and changes nothing there.",
    "copies.run": "A copy goes when its recovery point is deleted.",
    "inventory.discover": "It only reads: there is nothing to undo.",
    "ledger.reconcile": "It puts right what was left half done: there is nothing to undo.",
    "recovery_point.copy": "A copy goes when its recovery point is deleted.",
    "recovery_point.create": _POINT,
    "recovery_point.delete": "There is no undo: what is deleted cannot be brought back.",
    "recovery_point.lock": (
        "A lock in governance mode ends with `mavis recovery-point unlock`; one in compliance mode"
        " nobody can end before its time."
    ),
    "recovery_point.unlock": "Lock it again: `mavis recovery-point lock`.",
    "recovery_point.verify": "It removes what it makes by itself: there is nothing to undo.",
    "resource.start": "Stop it again: `mavis resource stop`.",
    "resource.stop": "Start it again: `mavis resource start`. What is in its memory is lost.",
    "resource.tag": "Set the tags again as they were: `mavis resource tag`.",
    "restore.clear": "There is no undo: what is deleted cannot be brought back.",
    "restore.forget": "There is no undo: the old volumes are deleted.",
    "restore.in_place": (
        f"For {_HOURS} hours `mavis restore undo` puts the old volumes back; then they are deleted."
    ),
    "restore.instance": _MADE,
    "restore.undo": "There is no undo: the new volumes are deleted when the old ones are back.",
    "restore.volumes": _MADE,
    "retention.apply": "There is no undo: what is deleted cannot be brought back.",
}
"""A sentence for each action that Mavis knows."""
