"""A Run at the command line: shown, and followed to its end."""

from __future__ import annotations

from collections.abc import Mapping

from mavis_kernel.cli.output import say, show_one
from mavis_kernel.cli.progress import watch_to_end
from mavis_kernel.cli.state import State
from mavis_kernel.cli.times import both, took
from mavis_kernel.models import Run
from mavis_kernel.outcomes import demand_success

__all__ = ["follow", "show_begun", "show_cancelled", "show_run"]


def follow(state: State, project: str, run_id: str) -> None:
    """Follow the Run to its end and show it then.

    Raises
    ------
    RunFailed
        It ended otherwise than well.
    """
    ended = watch_to_end(state.client(), project, run_id)
    show_run(state, ended)
    demand_success(ended)


def show_begun(state: State, project: str, run: Run) -> None:
    """Show `run`, which nobody waits for, and how to watch it."""
    show_run(state, run)
    say(f"It goes on at the appliance. Watch it: mavis run watch {run.id} -p {project}")


def show_cancelled(state: State, project: str, run: Run) -> None:
    """Show `run`, which was cancelled, and how to see that it has ended."""
    show_run(state, run)
    if not run.is_final:
        say(
            "It ends as soon as what it had begun is cleaned up. Watch it:"
            f" mavis run watch {run.id} -p {project}"
        )


def show_run(state: State, run: Run) -> None:
    """Write `run` as data."""
    error = run.error
    fields = [
        ("Run", run.id),
        ("Project", run.project or ""),
        ("Kind", run.kind),
        ("Subject", run.subject or ""),
        ("State", run.state),
        ("Person", run.person or ""),
        ("Created", both(run.created_at)),
        ("Took", took(run.started_at, run.finished_at)),
        ("Begins", both(run.not_before) if run.not_before and not run.started_at else ""),
        ("Slot", run.slot or ""),
        ("Cancelled by", run.cancelled_by or ""),
        ("Attempt", str(run.attempt) if (run.attempt or 1) > 1 else ""),
        *((f"Step {step.name}", step_text(step.state, step.detail)) for step in run.steps),
        *((name, _result_text(value)) for name, value in (run.result or {}).items()),
        ("Error", error.message if error else ""),
        ("Mend", (error.mend or "") if error else ""),
        ("Correlation", run.correlation_id or ""),
    ]
    show_one(state, run, fields, id_text=run.id)


def step_text(state: str, detail: str | None) -> str:
    """Return the state of a step with its detail."""
    return f"{state} ({detail})" if detail else state


def _result_text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{each} {name}" if isinstance(each, int) else f"{name} {each}"
            for name, each in value.items()
        )
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
