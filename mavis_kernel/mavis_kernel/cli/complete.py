"""Names for the shell's completion, asked of the appliance: quickly, or not at all.

Whatever goes wrong is no completion. Nothing is said: the person is in the middle of a line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:  # only a completion needs a client
    from mavis_kernel.cli.state import State
    from mavis_kernel.client import Mavis
    from mavis_kernel.models import Resource

__all__ = [
    "dashboards",
    "devices",
    "environments",
    "instances",
    "keys",
    "members",
    "plans",
    "points",
    "presets",
    "profiles",
    "projects",
    "resources",
    "restores",
    "runs",
]

_PATIENCE_S = 1.5
_MOST = 100
Items = Iterable[CompletionItem]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def profiles(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names of logins."""
    from mavis_kernel.profiles import names  # noqa: PLC0415 - only a completion needs it

    return [CompletionItem(name) for name in names() if name.startswith(begun)]


def _asks(ask: Callable[[Mavis, str], Items]) -> Complete:
    """Return what completes with what `ask` finds with the client and what was typed."""

    def complete(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
        state: State = ctx.find_root().obj
        return _in_time(state, lambda mavis: ask(mavis, begun), begun)

    return complete


def _asks_project(ask: Callable[[Mavis, str, str], Items]) -> Complete:
    """Return what completes with what `ask` finds in the project."""

    def complete(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem]:
        state: State = ctx.find_root().obj
        return _in_time(state, lambda mavis: ask(mavis, state.project, begun), begun)

    return complete


def _in_time(state: State, ask: Callable[[Mavis], Items], begun: str) -> list[CompletionItem]:
    """Return what `ask` finds that begins with `begun`, where it finds it in time."""
    from mavis_kernel.client import Mavis  # noqa: PLC0415 - see above
    from mavis_kernel.retries import RetryPolicy  # noqa: PLC0415 - as above

    found: list[CompletionItem] = []

    def look() -> None:
        try:
            with Mavis(settings=state.settings(), retry=RetryPolicy(attempts=1)) as mavis:
                fitting = (each for each in ask(mavis) if each.value.startswith(begun))
                found.extend(islice(fitting, _MOST))
        except Exception:  # noqa: BLE001 - see the top
            found.clear()

    looking = threading.Thread(target=look, name="completion", daemon=True)
    looking.start()
    looking.join(_PATIENCE_S)
    return list(found)


def _plain(names: Iterable[str]) -> Iterator[CompletionItem]:
    return (CompletionItem(name) for name in names)


def _resources(found: Iterable[Resource]) -> Iterator[CompletionItem]:
    for each in found:
        words = f"{each.kind} {each.state}"
        if each.name:
            yield CompletionItem(each.name, help=f"{words} {each.cloud_id}")
        yield CompletionItem(each.cloud_id, help=f"{words} {each.name}")


projects = _asks(
    lambda mavis, _: _plain(
        each.name for each in mavis.projects.list(limit=_MOST, fields=("name",))
    )
)
keys = _asks(lambda mavis, _: _plain(each.name for each in mavis.keys.list()))
members = _asks_project(
    lambda mavis, project, _: (
        CompletionItem(each.subject, help=each.role) for each in mavis.members.list(project)
    )
)
environments = _asks_project(
    lambda mavis, project, _: _plain(each.name for each in mavis.environments.list(project))
)
resources = _asks_project(
    lambda mavis, project, begun: _resources(
        mavis.resources.list(project, query=begun or None, limit=_MOST)
    )
)
instances = _asks_project(
    lambda mavis, project, begun: _resources(
        mavis.resources.list(project, kind="instance", query=begun or None, limit=_MOST)
    )
)
plans = _asks_project(
    lambda mavis, project, _: _plain(
        each.name for each in mavis.backup_plans.list(project, limit=_MOST, fields=("name",))
    )
)
dashboards = _asks_project(
    lambda mavis, project, _: _plain(each.name for each in mavis.dashboards.list(project))
)
devices = _asks_project(
    lambda mavis, project, _: (
        CompletionItem(each.name, help=each.title or each.address)
        for each in mavis.devices.list(project)
    )
)
presets = _asks_project(
    lambda mavis, project, _: _plain(each.name for each in mavis.backup_plans.presets(project))
)
runs = _asks_project(
    lambda mavis, project, _: (
        CompletionItem(each.id, help=f"{each.state} {each.kind} {each.subject}")
        for each in mavis.runs.list(project, limit=_MOST)
    )
)
points = _asks_project(
    lambda mavis, project, _: (
        CompletionItem(each.id, help=f"{each.state} {each.instance_name}")
        for each in mavis.recovery_points.list(project, limit=_MOST)
    )
)
restores = _asks_project(
    lambda mavis, project, _: (
        CompletionItem(each.id, help=f"{each.state} {each.kind} {each.point_id}")
        for each in mavis.restores.list(project, limit=_MOST)
    )
)
