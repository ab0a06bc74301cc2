"""The client for programs with an event loop: the same nouns, the same types, the same errors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from appliance_double.objects import project_json, resource_json, run_json
from appliance_double.server import TOKEN, Appliance, Reply, events, pages, problem
from mavis_kernel import AsyncMavis, Mavis, errors
from mavis_kernel.retries import RetryPolicy

QUICK = RetryPolicy(attempts=3, first_wait_s=0.001, longest_wait_s=0.5)
Work = Callable[[AsyncMavis], Coroutine[Any, Any, Any]]


def _ran(appliance: Appliance, work: Work) -> Any:
    async def main() -> Any:
        async with AsyncMavis(appliance.url, TOKEN, retry=QUICK) as mavis:
            return await work(mavis)

    return asyncio.run(main())


def test_an_object_is_read_and_a_get_is_tried_again(appliance: Appliance) -> None:
    appliance.on("GET", "/projects/shop", problem(503, "unavailable"), Reply(project_json()))
    assert _ran(appliance, lambda mavis: mavis.projects.get("shop")).name == "shop"
    assert len(appliance.asked) == 2


def test_a_list_goes_through_all_pages(appliance: Appliance) -> None:
    items = [resource_json(f"n{number}") for number in range(450)]
    appliance.on("GET", "/projects/shop/resources", pages(items))

    async def work(mavis: AsyncMavis) -> list[str]:
        return [each.name async for each in mavis.resources.list("shop")]

    assert _ran(appliance, work) == [f"n{number}" for number in range(450)]


def test_a_run_is_followed_by_its_events(appliance: Appliance) -> None:
    told = events(run_json("queued"), run_json("succeeded", version=2))
    appliance.on("GET", "/projects/shop/runs/run_1/events", told)
    seen: list[str] = []

    async def work(mavis: AsyncMavis) -> Any:
        return await mavis.runs.wait("shop", "run_1", on_change=lambda run: seen.append(run.state))

    assert _ran(appliance, work).succeeded
    assert seen == ["queued", "succeeded"]


def test_many_runs_are_followed_at_once(appliance: Appliance) -> None:
    for number in range(20):
        told = events(run_json("queued"), run_json("succeeded", version=2, id=f"run_{number}"))
        appliance.on("GET", f"/projects/shop/runs/run_{number}/events", told)

    async def work(mavis: AsyncMavis) -> Any:
        waits = (mavis.runs.wait("shop", f"run_{number}") for number in range(20))
        return [run.id for run in await asyncio.gather(*waits)]

    assert _ran(appliance, work) == [f"run_{number}" for number in range(20)]


def test_an_error_is_the_same(appliance: Appliance) -> None:
    appliance.on("GET", "/projects/shop", problem(403, "forbidden"))
    with pytest.raises(errors.Forbidden) as caught:
        _ran(appliance, lambda mavis: mavis.projects.get("shop"))
    assert caught.value.request_id == "req_0000"


def _nouns(client: Any) -> dict[str, Any]:
    return {name: noun for name, noun in vars(client).items() if not name.startswith("_")}


def test_both_clients_have_the_same_nouns_methods_and_parameters(appliance: Appliance) -> None:
    async def work(mavis: AsyncMavis) -> dict[str, Any]:
        return _nouns(mavis)

    with Mavis(appliance.url, TOKEN) as blocking:
        mine, other = _nouns(blocking), _ran(appliance, work)
    assert set(mine) == set(other)
    compared = 0
    for name, noun in mine.items():
        for method, call in inspect.getmembers(type(noun), inspect.isfunction):
            parameters = list(inspect.signature(call).parameters)
            twin = getattr(type(other[name]), method)
            assert list(inspect.signature(twin).parameters) == parameters, f"{name}.{method}"
            compared += not method.startswith("_")
    assert compared >= 40
