"""What the records tell of a Run."""

from __future__ import annotations

from e2e.appliance import until
from mavis_kernel import Mavis
from mavis_kernel.models import Record, Run


def story(client: Mavis, run: Run) -> list[Record]:
    """Return the records of a Run, oldest first, as soon as its end is among them."""

    def told() -> list[Record]:
        found = list(client.records.list(run.project, correlation_id=run.correlation_id))
        ends = [each for each in found if (each.kind, each.phase) == ("audit", "outcome")]
        return found[::-1] if ends else []

    return until(told, f"the records of {run.id}")


def without_steps(told: list[Record]) -> list[Record]:
    """Return what is not about the steps of a Run: each of its attempts has its own."""
    return [each for each in told if not each.action.startswith("step.")]
