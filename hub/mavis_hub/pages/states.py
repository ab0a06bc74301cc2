"""How states are told: a word, a shape and a colour, for those who do not see all three.

*Tone*: what a state means for its reader: ``good``, ``bad``, ``warn``, ``busy`` or none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SHAPES", "Look", "look_of"]

SHAPES = {
    "check": "M2 8.5l4 4 8-9",
    "cross": "M3 3l10 10M13 3L3 13",
    "dash": "M2 8h12",
    "ring": "M8 2a6 6 0 1 0 .01 0",
    "turns": "M14 8a6 6 0 1 1-6-6",
    "wait": "M8 4v4l3 2M8 2a6 6 0 1 0 .01 0",
    "stop": "M4 4l8 8M8 2a6 6 0 1 0 .01 0",
    "warn": "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.6v.1",
    "arrow": "M2 8h11M9 4l4 4-4 4",
}
"""Paths of SVG in a box of 16 by 16."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a state looks.

    Parameters
    ----------
    word
        What is read.
    """

    word: str
    shape: str
    tone: str = ""

    @property
    def path(self) -> str:
        """The shape, as SVG has it."""
        return SHAPES[self.shape]


_LOOKS = {
    # Runs and their steps.
    "queued": Look("queued", "ring"),
    "pending": Look("pending", "ring"),
    "running": Look("running", "turns", "busy"),
    "waiting": Look("waiting", "wait", "warn"),
    "succeeded": Look("succeeded", "check", "good"),
    "done": Look("done", "check", "good"),
    "failed": Look("failed", "cross", "bad"),
    "refused": Look("refused", "stop", "bad"),
    "cancelled": Look("cancelled", "dash"),
    # Environments.
    "new": Look("not looked at yet", "ring"),
    "ok": Look("ok", "check", "good"),
    # Records.
    "intent": Look("intent", "arrow"),
    # What a report finds.
    "unprotected": Look("unprotected", "warn", "warn"),
    "never_backed_up": Look("never backed up", "warn", "warn"),
    "rpo_missed": Look("RPO missed", "warn", "bad"),
    "skipped": Look("skipped", "dash", "warn"),
    # Backup plans.
    "on": Look("on", "check", "good"),
    "paused": Look("paused", "dash", "warn"),
    # Sessions at devices, and host keys.
    "asked": Look("asked for", "ring"),
    "open": Look("open", "turns", "busy"),
    "exited": Look("ended", "check", "good"),
    "closed": Look("closed", "check", "good"),
    "idle": Look("idle", "dash"),
    "too_long": Look("too long", "dash"),
    "terminated": Look("terminated", "stop", "warn"),
    "lost": Look("connection lost", "cross", "bad"),
    "unrecorded": Look("could not be recorded", "cross", "bad"),
    "interrupted": Look("interrupted", "cross", "bad"),
    "not_opened": Look("never opened", "dash"),
    "approved": Look("approved", "check", "good"),
    "not approved": Look("not approved", "warn", "warn"),
    # Recovery points, their copies and proofs, and restores.
    "planned": Look("planned", "ring"),
    "complete": Look("complete", "check", "good"),
    "partial": Look("partial", "warn", "warn"),
    "expiring": Look("expiring", "wait", "warn"),
    "gone": Look("gone", "dash"),
    "held": Look("held", "warn", "warn"),
    "locked": Look("locked", "check", "good"),
    "proven": Look("restores", "check", "good"),
    "not_proven": Look("does not restore", "cross", "bad"),
    "taking_back": Look("taking back", "turns", "warn"),
    "left_over": Look("something is left over", "warn", "warn"),
    "stranded": Look("stranded", "cross", "bad"),
    "undoing": Look("undoing", "turns", "busy"),
    "undone": Look("undone", "dash"),
    "forgetting": Look("letting go of the old volumes", "turns", "busy"),
    "final": Look("final", "check", "good"),
    # How bad a plan is.
    "creates": Look("creates", "check"),
    "changes": Look("changes", "arrow"),
    "interrupts": Look("interrupts", "warn", "warn"),
    "destroys": Look("destroys", "warn", "bad"),
    # Pages that only say how something has ended.
    "expired": Look("expired", "wait", "warn"),
    "applied": Look("applied", "check", "good"),
}


def look_of(state: str) -> Look:
    """Return how a state looks; one that this table does not know is its own word."""
    return _LOOKS.get(state) or Look(state.replace("_", " "), "ring")
