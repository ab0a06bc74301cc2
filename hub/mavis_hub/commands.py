"""The commands of `mavisctl`.

Exit codes: 0 done and well; 1 refused or failed, with one line and its mend; 2 a wrong command
line; 3 `status` or `doctor` found something that is not well; 4 `status` found nothing running;
70 a bug, with its traceback.

Data goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import click

from mavis_core.bootstrap import api_app
from mavis_core.config import Config, load, settings
from mavis_core.errors import InvalidInput, MavisError, Unavailable
from mavis_core.scheduling.model import RunState
from mavis_hub import appliance, kit_policies, rebuilding
from mavis_hub.appliance import running_config
from mavis_hub.audit_commands import audit
from mavis_hub.certificate import fingerprint
from mavis_hub.doctor import Verdict, examine
from mavis_hub.processes import processes
from mavis_hub.status import rows
from mavis_hub.supervisor import running_pid
from mavis_hub.syslog.commands import syslog
from mavis_hub.tables import columns
from mavis_hub.users import DEMO_PEOPLE, demo_passwords, remove_users

__all__ = ["cli", "run"]

_REFUSED, _UNWELL, _NOT_RUNNING, _BUG = 1, 3, 4, 70
_output = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Form of output."
)


def run() -> None:
    """Run the command line and end with its exit code."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        raise SystemExit(exc.exit_code) from exc
    except click.Abort as exc:
        raise SystemExit(_REFUSED) from exc
    except MavisError as exc:
        click.echo(f"mavisctl: {exc.message}\n  mend: {exc.mend}", err=True)
        raise SystemExit(_REFUSED) from exc
    except Exception as exc:  # the outermost edge: a bug keeps its traceback
        traceback.print_exc()
        click.echo("mavisctl: this is a bug; report it with the lines above", err=True)
        raise SystemExit(_BUG) from exc


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), help="State folder; else MAVIS_HOME.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A setting: edge.port=443."
)
def cli(home: Path | None, assignments: tuple[str, ...]) -> None:
    """Start, stop and look after a Mavis appliance."""
    if home is not None:
        os.environ["MAVIS_HOME"] = str(home.expanduser().absolute())
    variables = {item.key: item.variable for item in settings()}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or key not in variables:
            raise InvalidInput(
                f"--set {assignment}: no such setting",
                mend="Use KEY=VALUE; `mavisctl config list` shows every key.",
            )
        os.environ[variables[key]] = value  # so that the processes see it too


@cli.command()
@click.option("--foreground", is_flag=True, help="Stay until Ctrl-C, then stop everything.")
@click.option("--demo", is_flag=True, help="Make the demo people: administrator, operator, user.")
def up(foreground: bool, demo: bool) -> None:
    """Start the appliance and wait until every process is well."""
    config = load()
    begin = time.monotonic()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    started = None
    try:
        table = processes(config)
        started = appliance.start(config, table, os.environ, demo=demo, report=_say)
        appliance.wait_until_well(config, started, _say)
        _say(f"Mavis is up after {time.monotonic() - begin:.1f} s.")
        _print_welcome(config, started.warning)
        if foreground:
            _say("Ctrl-C stops it.")
            code = started.supervisor.wait()
            raise Unavailable(
                f"supervisor ended with {code}", mend=f"Read {config.home}/log/supervisor.log."
            )
    except KeyboardInterrupt:
        _say("Stopping ...")
        _stop(config)
    except MavisError:
        if started is not None:
            _stop(config)
        raise


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@cli.command()
def down() -> None:
    """Stop the appliance, the people's servers included."""
    config = load()
    if running_pid(config) is None:
        _say("Mavis is not running.")
    _stop(config)


def _stop(config: Config) -> None:
    begin = time.monotonic()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it behind
    ended = appliance.stop(config)
    if ended:
        _say(f"{ended} processes ended in {time.monotonic() - begin:.1f} s; none is left.")


@cli.command()
@_output
def status(output: str) -> None:
    """Show each process: state, memory, health."""
    config = running_config()
    if running_pid(config) is None:
        click.echo("[]" if output == "json" else "Mavis is not running.")
        raise SystemExit(_NOT_RUNNING)
    found = rows(config, processes(config))
    if output == "json":
        click.echo(json.dumps([asdict(row) for row in found], indent=2))
    else:
        head = ("PROCESS", "STATE", "HEALTH", "PID", "UP", "MEMORY", "")
        lines = [
            (
                row.name,
                str(row.state),
                "well" if row.well else "not well",
                str(row.pid or "-"),
                _duration(row.uptime_s),
                f"{row.memory_bytes / 1024**2:.0f} MiB",
                row.detail,
            )
            for row in found
        ]
        total = sum(row.memory_bytes for row in found) / 1024**2
        click.echo(columns(head, lines))
        _say(f"{config.public_url}  {total:.0f} MiB in all")
    if not all(row.well for row in found):
        raise SystemExit(_UNWELL)


@cli.command()
@_output
def doctor(output: str) -> None:
    """Look at everything that can be wrong, and say how to mend it."""
    findings = examine(running_config())
    if output == "json":
        click.echo(json.dumps([asdict(item) for item in findings], indent=2))
    else:
        lines = [(str(item.verdict), item.name, item.detail, item.mend) for item in findings]
        click.echo(columns(("", "WHAT", "FOUND", "MEND"), lines))
    if any(item.verdict is Verdict.FAIL for item in findings):
        raise SystemExit(_UNWELL)


@cli.group()
def config() -> None:
    """Look at the settings."""


@config.command("check")
def config_check() -> None:
    """Explain each bad value; exit 1 where there is one."""
    loaded = load()
    click.echo(f"All settings are good. State folder: {loaded.home}")


@config.command("list")
@_output
def config_list(output: str) -> None:
    """List every setting with its variable, default and meaning."""
    if output == "json":
        items = [{**asdict(item), "variable": item.variable} for item in settings()]
        click.echo(json.dumps(items, indent=2))
        return
    lines = [(item.key, item.variable, repr(item.default), item.help) for item in settings()]
    click.echo(columns(("SETTING", "VARIABLE", "DEFAULT", "MEANING"), lines))


@cli.group()
def users() -> None:
    """Unix users that Mavis made."""


@users.command("remove")
def users_remove() -> None:
    """Remove the services' users and the demo people; files stay."""
    loaded = load()
    if running_pid(loaded) is not None:
        raise InvalidInput("Mavis is running", mend="Stop it first: `mavisctl down`.")
    if os.geteuid() != 0:
        raise InvalidInput("Only root may remove users", mend="Run it as root.")
    removed = remove_users()
    click.echo("\n".join(removed))
    _say(f"{len(removed)} users removed.")


@cli.group()
def database() -> None:
    """Look after the main database."""


@database.command("migrate")
def database_migrate() -> None:
    """Bring the database to this release; `mavisctl up` does it too."""
    appliance.migrate(load())
    _say("The database is up to date.")


@cli.group()
def catalogue() -> None:
    """Look after the catalogue of recovery points."""


@catalogue.command("rebuild")
@click.option("--project", help="The name of one project; else all of them.")
@_output
def catalogue_rebuild(project: str | None, output: str) -> None:
    """Compare it with the clouds, and write what it lacks; repeating it changes nothing."""
    config = running_config()
    if running_pid(config) is None:
        raise Unavailable("Mavis is not running", mend="Start it first: `mavisctl up`.")
    app = api_app(config)
    try:
        found = rebuilding.projects_of(app.database, project)
        begun = [rebuilding.begin(app.database, app.runs, each) for each in found]
        ended = rebuilding.follow(app.database, begun, _say)
    finally:
        app.close()
    results = {name: run.result.get("catalogue", {}) for name, run in ended.items()}
    if output == "json":
        click.echo(json.dumps(results, indent=2))
    else:
        click.echo(columns(_CATALOGUE_HEAD, [_catalogue_line(*item) for item in results.items()]))
        for name, result in results.items():
            for reason in result.get("left_alone", ()):
                _say(f"{name}: left alone: {reason}")
    if any(run.state is not RunState.SUCCEEDED for run in ended.values()):
        raise SystemExit(_REFUSED)


_CATALOGUE_HEAD = ("PROJECT", "FOUND", "ADDED", "REPAIRED", "LEFT ALONE")


def _catalogue_line(name: str, result: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (str(result.get(key, "-")) for key in ("found", "added", "repaired"))
    return (name, *counts, str(len(result.get("left_alone", ()))))


cli.add_command(audit)
cli.add_command(syslog)


@cli.group()
def policy() -> None:
    """Show what a cloud account must allow, as policies."""


_kit = click.option("--kit", default="aws", show_default=True, help="The expansion kit.")


@policy.command("list")
@_kit
def policy_list(kit: str) -> None:
    """List the policies, and what each is for."""
    click.echo(columns(("POLICY", "WHAT FOR"), list(kit_policies.parts(kit).items())))


@policy.command("show")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_kit
def policy_show(names: tuple[str, ...], kit: str) -> None:
    """Write one policy with all that the named ones allow, as JSON."""
    click.echo(kit_policies.joined(kit, names))


@cli.command("version")
def show_version() -> None:
    """Show the release."""
    click.echo(version("mavis-ops"))


def _print_welcome(config: Config, warning: str | None) -> None:
    lines = [("Address", config.public_url)]
    if config.edge.tls == "self-signed":
        lines += [("Certificate", f"self-signed, SHA-256 {fingerprint(config)}")]
    titles = {person.name: person.title for person in DEMO_PEOPLE}
    for name, password in demo_passwords(config).items():
        lines += [("Login", f"{name}  {password}  ({titles.get(name, 'person')})")]
    isolation = "a Unix user for every service and person"
    lines += [
        ("Isolation", isolation if config.isolated else "single-user try-out, no isolation"),
        ("State", str(config.home)),
    ]
    click.echo("\n".join(f"{name:12} {value}" for name, value in lines))
    if warning:
        _say(f"Warning: {warning}")


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _say(line: str) -> None:
    click.echo(line, err=True)
