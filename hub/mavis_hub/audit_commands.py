"""``mavisctl audit``: whether the log is as it was written, and taking parts of it along."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import click

from mavis_core import clock, records
from mavis_core.config import Config
from mavis_core.db import Database, open_database
from mavis_core.ids import new_id
from mavis_core.logs.completeness import Completeness, Gap
from mavis_core.logs.evidence import Verdict
from mavis_core.logs.exporting import export_record
from mavis_core.logs.holds import standing_holds
from mavis_core.logs.opening import retention_of
from mavis_hub import audit as checks
from mavis_hub.appliance import running_config
from mavis_hub.rebuilding import projects_of

__all__ = ["audit"]

_ALTERED, _GAPS = 3, 4
_SHOWN = 50


class _Moment(click.ParamType[datetime]):
    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            return clock.parse(str(value))
        except ValueError as exc:
            self.fail(f"{exc}; write 2030-01-31T12:00:00Z", param, ctx)


@click.group()
def audit() -> None:
    """Check that the log is as it was written; take parts of it along with their evidence."""


@audit.command("key")
def audit_key() -> None:
    """Show the fingerprint of the key that signs the log. Keep it elsewhere."""
    click.echo(checks.key_name(running_config()))


@audit.command("anchor")
def audit_anchor() -> None:
    """Write the last seal. Keep it elsewhere: with it, a cut or rewritten log shows."""
    click.echo(json.dumps(checks.anchor(running_config()).to_json(), indent=2))


@audit.command("verify")
@click.option(
    "--anchor",
    "anchors",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A seal that was kept elsewhere; may be repeated.",
)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def audit_verify(anchors: tuple[Path, ...], output: str) -> None:
    """Compare every record with the seals; exit code 3 where something is not as it was.

    Streams that number their records are looked at, too: exit code 4 where one has a gap.
    """
    config = running_config()
    verdict, complete = checks.verify(config, anchors)
    gaps = complete.gaps
    if output == "json":
        told = asdict(verdict) | {"intact": verdict.intact, "gaps": [asdict(gap) for gap in gaps]}
        click.echo(json.dumps(told, indent=2))
    else:
        for each in verdict.findings[:_SHOWN]:
            click.echo(f"{each.what}: {each.words}")
        if (more := len(verdict.findings) - _SHOWN) > 0:
            click.echo(f"and {more} more; -o json lists all")
        for line in _summary(verdict):
            click.echo(line, err=not verdict.intact)
        for line in _told_of(complete, gaps):
            click.echo(line)
    if not verdict.intact:
        raise SystemExit(_ALTERED)
    if gaps:
        raise SystemExit(_GAPS)


def _told_of(complete: Completeness, gaps: Sequence[Gap]) -> Iterator[str]:
    for gap in gaps[:_SHOWN]:
        which = f"{gap.first}" if gap.first == gap.last else f"{gap.first} to {gap.last}"
        yield f"gap: {gap.stream} has no record {which}, before {gap.before}"
    if (more := len(gaps) - _SHOWN) > 0:
        yield f"and {more} more gaps; -o json lists all"
    if complete.erased:
        yield (
            f"{complete.erased} more numbers are missing where records were erased; they may have"
            " been among them"
        )
    if complete.streams and not gaps:
        yield f"{complete.streams} streams have all their {complete.records} records"


def _summary(verdict: Verdict) -> list[str]:
    lines = []
    if verdict.intact_until is not None:
        lines.append(f"{verdict.records} records are as they were, up to {verdict.intact_until}")
    elif verdict.intact:
        lines.append("Nothing was sealed yet")
    if verdict.erased:
        lines.append(
            f"{verdict.erased} were erased after their period; the seals hold for their places"
        )
    if verdict.unsealed:
        lines.append(f"{verdict.unsealed} records were written since and are sealed next")
    if verdict.intact and verdict.anchored_until is None:
        lines.append(
            "Without an --anchor nothing shows a log that was cut, or written anew by the key's"
            " holder: keep what `mavisctl audit anchor` writes on another machine"
        )
    elif verdict.anchored_until != verdict.intact_until and verdict.intact:
        lines.append(f"Anchored up to {verdict.anchored_until}, not after")
    return lines


@audit.command("retention")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def audit_retention(output: str) -> None:
    """Show how long records are kept, and which are over their period and erased next.

    The log process looks every hour. Periods are settings (`logs.keep_*`); a month is erased as a
    whole, once its last record is over its period. Legal holds are made with `mavis record hold`.
    """
    config = running_config()
    with closing(open_database(config.database_url, pool_size=1)) as database:
        holds = standing_holds(database)
        names = {each.id: each.name for each in projects_of(database, None)}
    counts: Counter[tuple[str | None, str]] = Counter()
    for over in checks.over_periods(config, holds):
        counts.update({(project, str(kind)): n for (project, kind), n in over.records.items()})
    periods = retention_of(config)
    if output == "json":
        told = {
            "days": {str(kind): days for kind, days in periods.days.items()},
            "projects": {
                project: {str(kind): days for kind, days in own.items()}
                for project, own in periods.projects.items()
            },
            "holds": [each.id for each in holds],
            "over": [
                {"project": project, "class": kind, "records": count}
                for (project, kind), count in counts.items()
            ],
        }
        click.echo(json.dumps(told, indent=2))
        return
    for kind, days in periods.days.items():
        click.echo(f"{kind}: {_days(days)}")
    for project, own in periods.projects.items():
        listed = ", ".join(f"{kind}: {_days(days)}" for kind, days in own.items())
        click.echo(f"{names.get(project, project)}: {listed}")
    click.echo(f"{len(holds)} legal holds stand")
    for (whom, kind_over), count in counts.items():
        whose = (names.get(whom) or whom) if whom else "the platform"
        click.echo(f"{count} {kind_over} records of {whose} are over their period and erased next")
    if not counts:
        click.echo("No record of the archive is over its period")


def _days(days: int) -> str:
    return f"{days} days" if days else "always"


@audit.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--project", help="Records of a project, by name or id.")
@click.option("--correlation-id", help="Records of one story.")
@click.option("--person", help="Records of one person.")
@click.option("--since", type=_Moment(), help="From this moment on: 2030-01-31T12:00:00Z.")
@click.option("--until", type=_Moment(), help="Before this moment.")
def audit_export(
    folder: Path,
    project: str | None,
    correlation_id: str | None,
    person: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Write records with their proofs to FOLDER, to be checked anywhere without an account."""
    config = running_config()
    choice = checks.Choice(
        project=project and _id_of(config, project),
        correlation_id=correlation_id,
        person=person,
        since=since,
        until=until,
    )
    with closing(open_database(config.database_url)) as database:
        done = checks.export(config, folder, choice, lambda count: _tell(database, choice, count))
    click.echo(f"{done.records} records in {done.folder}", err=True)
    if done.unsealed:
        click.echo(f"{done.unsealed} more are not sealed yet and were left out", err=True)
    click.echo(f"python {done.folder}/evidence.py {done.folder} --key {checks.key_name(config)}")


def _tell(database: Database, choice: checks.Choice, count: int) -> None:
    """Record who takes how many records along."""
    person = os.environ.get("SUDO_USER") or getpass.getuser()
    told = {"format": "bundle", "count": count, "filters": choice.to_params()}
    summary = f"{person} takes {count} records with their proofs"
    record = export_record(person, summary, told)
    with database.write() as tx:
        records.write(
            tx,
            replace(
                record,
                project=choice.project,
                correlation_id=new_id("cor"),
                source=f"mavisctl at {socket.gethostname()}",
            ),
        )


def _id_of(config: Config, project: str) -> str:
    if project.startswith("prj_"):
        return project
    database = open_database(config.database_url)
    try:
        return projects_of(database, project)[0].id
    finally:
        database.close()
