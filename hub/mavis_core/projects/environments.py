"""Environments: which account a project uses, with which key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.contract import Kit
from mavis_core.db import Database, tables
from mavis_core.errors import Conflict, InvalidInput, MavisError, NotFound, told
from mavis_core.ids import new_id
from mavis_core.projects.model import Environment, EnvironmentState, check_name, check_text
from mavis_core.projects.service import Projects, audit, hold

__all__ = ["Environments", "environment_by_id", "environments_of", "mark_environment"]

_REGION = re.compile(r"[a-z0-9-]{1,40}\Z")
_MAX_REGIONS = 40


class Environments:
    """The environments of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    kits
        Installed kits by name.
    """

    def __init__(self, database: Database, projects: Projects, kits: Mapping[str, Kit]) -> None:
        self._database = database
        self._projects = projects
        self._kits = kits

    def create(
        self,
        ctx: CallContext,
        reference: str,
        *,
        name: str,
        kit: str,
        account: str,
        regions: Sequence[str],
        key: str | None,
        options: Mapping[str, str],
    ) -> Environment:
        """Connect a project with an account. Nothing is called yet; discovery proves it.

        Raises
        ------
        InvalidInput
            The kit is unknown or finds fault with a value.
        NotFound
            There is no key of that name.
        """
        project = self._projects.authorize(ctx, reference, Permission.ENVIRONMENT_WRITE).project
        if kit not in self._kits:
            known = ", ".join(sorted(self._kits))
            raise InvalidInput(f"No kit {kit[:60]!r}; installed are {known}", field="kit")
        environment = Environment(
            id=new_id("env"),
            project_id=project.id,
            project=project.name,
            name=check_name(name),
            kit=kit,
            account=check_text(account, field="account", limit=64),
            regions=_check_regions(regions),
            options={
                check_text(k, field="options", limit=40): check_text(v, field=f"options.{k[:40]}")
                for k, v in options.items()
            },
            key=key,
            key_id=None,
            state=EnvironmentState.NEW,
            checked_at=None,
            error=None,
            created_at=clock.now(),
            created_by=ctx.principal.name,
        )
        self._kits[kit].check(environment.settings())
        with self._database.write() as tx:
            hold(tx, project.id)
            key_id = _key_id(tx, key)
            if any(other.name == name for other in environments_of(tx, project.id)):
                raise Conflict(f"{project.name} has an environment {name!r} already")
            tx.execute(
                sa.insert(tables.environments).values(
                    id=environment.id,
                    project_id=project.id,
                    name=name,
                    kit=kit,
                    account=environment.account,
                    regions=list(environment.regions),
                    options=dict(environment.options),
                    key_id=key_id,
                    state=environment.state,
                    created_at=environment.created_at,
                    created_by=environment.created_by,
                )
            )
            summary = f"Environment {name} ({kit} account {account}) added to {project.name}"
            records.write(tx, audit(ctx, "environment.create", name, summary, project=project.id))
        return environment

    def list(self, ctx: CallContext, reference: str) -> tuple[Environment, ...]:
        """Return the project's environments by name."""
        project = self._projects.authorize(ctx, reference, Permission.ENVIRONMENT_READ).project
        with self._database.read() as tx:
            return environments_of(tx, project.id)

    def get(self, ctx: CallContext, reference: str, name: str) -> Environment:
        """Return one environment.

        Raises
        ------
        NotFound
            The project has none of that name.
        """
        for environment in self.list(ctx, reference):
            if name in (environment.name, environment.id):
                return environment
        raise NotFound(f"No environment {name[:60]!r} in {reference}")

    def remove(self, ctx: CallContext, reference: str, name: str) -> None:
        """Forget an environment and what was discovered in it; the cloud is not touched.

        Raises
        ------
        Conflict
            A Run works in it.
        """
        project = self._projects.authorize(ctx, reference, Permission.ENVIRONMENT_WRITE).project
        environment = self.get(ctx, reference, name)
        table = tables.environments
        with self._database.write() as tx:
            hold(tx, project.id)
            if active := _runs_in(tx, environment):
                raise Conflict(
                    f"{active} Runs that work in {environment.name} are not finished",
                    mend="Wait for them: `mavis run list`.",
                )
            if tx.execute(sa.delete(table).where(table.c.id == environment.id)).rowcount == 0:
                raise NotFound(f"{environment.name} of {project.name} was removed already")
            summary = f"Environment {environment.name} removed from {project.name}"
            records.write(
                tx,
                audit(ctx, "environment.remove", environment.name, summary, project=project.id),
            )


def environments_of(tx: sa.Connection, project_id: str) -> tuple[Environment, ...]:
    """Return the environments of a project, by name."""
    query = _query().where(tables.environments.c.project_id == project_id)
    rows = tx.execute(query.order_by(tables.environments.c.name)).mappings()
    return tuple(_environment(row) for row in rows)


def environment_by_id(tx: sa.Connection, environment_id: str) -> Environment:
    """Return one environment.

    Raises
    ------
    NotFound
        It was removed.
    """
    query = _query().where(tables.environments.c.id == environment_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"The environment {environment_id} was removed")
    return _environment(row)


def mark_environment(tx: sa.Connection, environment_id: str, error: MavisError | None) -> None:
    """Note what the last look at an environment said."""
    table = tables.environments
    tx.execute(
        sa.update(table)
        .where(table.c.id == environment_id)
        .values(
            state=EnvironmentState.FAILED if error else EnvironmentState.OK,
            checked_at=clock.now(),
            error=told(error) if error else sa.null(),
        )
    )


def _runs_in(tx: sa.Connection, environment: Environment) -> int:
    """Return how many unfinished Runs have an effect in `environment`."""
    table = tables.runs
    plans = tx.scalars(
        sa.select(table.c.plan).where(
            table.c.project_id == environment.project_id,
            table.c.state.in_(("queued", "running")),
        )
    )
    return sum(
        any(effect["environment"] == environment.name for effect in plan["effects"])
        for plan in plans
    )


def _query() -> sa.Select[tuple[object, ...]]:
    table, keys, projects = tables.environments, tables.keys, tables.projects
    return (
        sa.select(table, keys.c.name.label("key"), projects.c.name.label("project"))
        .join(projects, table.c.project_id == projects.c.id)
        .outerjoin(keys, table.c.key_id == keys.c.id)
    )


def _environment(row: sa.RowMapping) -> Environment:
    return Environment(
        **{
            **row,
            "regions": tuple(row["regions"]),
            "state": EnvironmentState(row["state"]),
        }
    )


def _check_regions(regions: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(regions) <= _MAX_REGIONS:
        raise InvalidInput(f"Name 1 to {_MAX_REGIONS} regions", field="regions")
    for position, region in enumerate(regions):
        if not _REGION.match(region):
            raise InvalidInput(f"{region[:60]!r} is no region", field=f"regions[{position}]")
    return tuple(dict.fromkeys(regions))


def _key_id(tx: sa.Connection, key: str | None) -> str | None:
    if key is None:
        return None
    key_id: str | None = tx.scalar(sa.select(tables.keys.c.id).where(tables.keys.c.name == key))
    if key_id is None:
        raise NotFound(f"No key {key[:60]!r} in the vault", mend="`mavis key add` stores one.")
    return key_id
