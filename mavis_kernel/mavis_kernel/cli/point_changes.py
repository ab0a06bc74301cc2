"""What is done to a recovery point: explained, copied, proven, held, locked, deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.changes import change, go_on
from mavis_kernel.cli.options import (
    common,
    dry_run_option,
    examples,
    in_project,
    no_wait_option,
    yes_option,
)
from mavis_kernel.cli.output import put, say, show_document
from mavis_kernel.cli.plans import show_plan
from mavis_kernel.cli.points import explanation_lines, show_point
from mavis_kernel.cli.progress import watch_to_end
from mavis_kernel.cli.runs import show_begun
from mavis_kernel.cli.state import State
from mavis_kernel.outcomes import demand_success

__all__ = ["copy", "delete", "explain", "hold", "lock", "release", "unlock", "verify"]

_LOCK = examples(
    "mavis recovery-point lock rp_01 --for 7d",
    "mavis recovery-point lock rp_01 --until 2027-01-31 --mode compliance --dry-run",
)
_COPY = examples(
    "mavis recovery-point copy rp_01 --region eu-central-1 --dry-run",
    "mavis recovery-point copy rp_01 --environment dr --region eu-central-1 --kms-key alias/dr",
)
_VERIFY = examples(
    "mavis recovery-point verify rp_01 --dry-run",
    "mavis recovery-point verify rp_01 --check-file smoke-test.sh --without-agent fail",
)


def _moment(text: str) -> str:
    """Return a moment to come as RFC 3339; a date is its first moment, in the person's zone."""
    try:
        moment = datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise click.BadParameter(
            f"{text!r} is no moment: write 2027-01-31 or 2027-01-31T18:00."
        ) from exc
    if moment <= datetime.now(UTC):
        raise click.BadParameter(f"{text!r} is over.")
    return moment.isoformat()


def _script(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as exc:
        raise click.UsageError(f"{path} cannot be read as text.") from exc


@click.command()
@click.argument("point_id", shell_complete=complete.points)
@in_project
@common
@click.pass_obj
def explain(state: State, point_id: str) -> None:
    """Say why POINT_ID is kept, and when it goes.

    Each of its copies has reasons of its own, and goes by itself.
    """
    found = list(state.client().recovery_points.explain(state.project, point_id))
    if state.is_document:
        show_document(state, [each.raw for each in found])
        return
    for each in found:
        for line in [each.copy] if state.output == "id" else explanation_lines(each):
            put(line)
    if not found:
        say(f"The recovery point {point_id} has no copies that a plan decides about.")


@click.command(epilog=_COPY)
@click.argument("point_id", shell_complete=complete.points)
@click.option("--region", help="To this region; else that of the instance.")
@click.option("--environment", help="To this environment, which may be another account.")
@click.option("--kms-key", help="Encrypt the copy with this key of that place.")
@dry_run_option
@no_wait_option
@in_project
@common
@click.pass_obj
def copy(
    state: State,
    point_id: str,
    region: str | None,
    environment: str | None,
    kms_key: str | None,
    dry_run: bool,
    no_wait: bool,
) -> None:
    """Copy POINT_ID to another region or account."""
    if region is None and environment is None:
        raise click.UsageError("Say where to: --region, --environment, or both.")
    project, points = state.project, state.client().recovery_points
    if dry_run:
        shown = points.preview_copy(
            project, point_id, environment=environment, region=region, kms_key=kms_key
        )
        show_plan(state, shown)
        return
    begun = points.copy(project, point_id, environment=environment, region=region, kms_key=kms_key)
    go_on(state, project, begun, no_wait)


@click.command(epilog=_VERIFY)
@click.argument("point_id", shell_complete=complete.points)
@click.option("--region", help="Prove the copy in this region; else the first one.")
@click.option("--environment", help="Prove the copy in this environment.")
@click.option("--subnet", help="Launch it in this subnet, isolated all the same.")
@click.option("--instance-type", help="As this type; else as it was.")
@click.option(
    "--check-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A shell script that runs on it and ends with 0 where all is well.",
)
@click.option(
    "--without-agent",
    type=click.Choice(["tell", "fail"]),
    help="What becomes of the proof where nothing on it runs the script.",
)
@click.option("--timeout", type=click.IntRange(60, 86400), help="Seconds until it has failed.")
@click.option("--blocks", type=click.IntRange(min=0), help="Read so many of a volume; 0 for all.")
@dry_run_option
@no_wait_option
@in_project
@common
@click.pass_obj
def verify(
    state: State,
    /,
    point_id: str,
    check_file: Path | None,
    dry_run: bool,
    no_wait: bool,
    **given: str | int | None,
) -> None:
    """Prove that POINT_ID restores.

    Its blocks are read, and it is launched where nothing reaches it and it reaches nothing; then
    all of that goes. It costs what such a machine costs for some minutes.
    """
    arguments: dict[str, object] = {k: value for k, value in given.items() if value is not None}
    if check_file is not None:
        arguments["check"] = _script(check_file)
    project, points = state.project, state.client().recovery_points
    if dry_run:
        show_plan(state, points.preview_verification(project, point_id, arguments))
        return
    begun = points.verify(project, point_id, arguments)
    if no_wait:
        show_begun(state, project, begun)
        return
    ended = watch_to_end(state.client(), project, begun.id)
    show_point(state, points.get(project, point_id))
    demand_success(ended)


@click.command(
    epilog=examples("mavis recovery-point hold rp_01 --reason 'case 7: keep for the court'")
)
@click.argument("point_id", shell_complete=complete.points)
@click.option("--reason", required=True, help="Why; it stands in the records.")
@in_project
@common
@click.pass_obj
def hold(state: State, point_id: str, reason: str) -> None:
    """Place a legal hold on POINT_ID.

    Until it is released nobody deletes the recovery point: no plan and no person.
    """
    show_point(state, state.client().recovery_points.hold(state.project, point_id, reason))


@click.command()
@click.argument("point_id", shell_complete=complete.points)
@click.option("--reason", required=True, help="Why; it stands in the records.")
@in_project
@common
@click.pass_obj
def release(state: State, point_id: str, reason: str) -> None:
    """Release the legal hold on POINT_ID."""
    show_point(state, state.client().recovery_points.release(state.project, point_id, reason))


@click.command(epilog=_LOCK)
@click.argument("point_id", shell_complete=complete.points)
@click.option("--for", "length", metavar="LENGTH", help="From now on for so long: 7d, 8w.")
@click.option("--until", type=_moment, metavar="WHEN", help="Until then: 2027-01-31.")
@click.option(
    "--mode",
    type=click.Choice(["governance", "compliance"]),
    default="governance",
    show_default=True,
    help="compliance: nobody can end it, not even the cloud.",
)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def lock(
    state: State,
    point_id: str,
    length: str | None,
    until: str | None,
    mode: str,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
) -> None:
    """Lock POINT_ID in the cloud itself.

    Until the lock ends the cloud refuses to delete it, also from without Mavis. Of a compliance
    lock there is no undo, so it asks for the project's name first.
    """
    if (length is None) == (until is None):
        raise click.UsageError("Say for how long: either --for LENGTH or --until WHEN.")
    end = {"for": length} if length is not None else {"until": until}
    change(
        state,
        "recovery_point.lock",
        point_id,
        {"mode": mode, **end},
        dry_run=dry_run,
        yes=yes,
        no_wait=no_wait,
    )


@click.command()
@click.argument("point_id", shell_complete=complete.points)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def unlock(state: State, point_id: str, dry_run: bool, yes: bool, no_wait: bool) -> None:
    """Take the governance lock of POINT_ID away."""
    change(state, "recovery_point.unlock", point_id, {}, dry_run=dry_run, yes=yes, no_wait=no_wait)


@click.command()
@click.argument("point_id", shell_complete=complete.points)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def delete(state: State, point_id: str, dry_run: bool, yes: bool, no_wait: bool) -> None:
    """Delete POINT_ID with all its copies.

    There is no undo, so it asks for the project's name first.
    """
    change(state, "recovery_point.delete", point_id, {}, dry_run=dry_run, yes=yes, no_wait=no_wait)
