"""Waiting for a Run is interrupted: the Run goes on or is cancelled, and that is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from appliance_double.objects import run_json
from appliance_double.server import TOKEN, Appliance, Reply, events, problem
from mavis_kernel import AsyncMavis, Mavis
from mavis_kernel.models import Run

RUN = "/projects/shop/runs/run_1"


@pytest.fixture(autouse=True)
def run(appliance: Appliance) -> None:
    """A Run of which is told that it is there, and then nothing until the line breaks off."""
    appliance.on("GET", f"{RUN}/events", events(run_json("queued"), drop=True))
    appliance.on("GET", RUN, Reply(run_json("queued")))
    appliance.on("POST", f"{RUN}/cancel", Reply(run_json("running"), 202))


def _stop(_run: Run) -> None:
    raise KeyboardInterrupt


def test_a_program_s_interrupt_stays_one_and_says_that_the_run_goes_on(
    appliance: Appliance, mavis: Mavis
) -> None:
    with pytest.raises(KeyboardInterrupt, match="Run run_1 goes on at the appliance") as caught:
        mavis.runs.wait("shop", "run_1", on_change=_stop)
    assert type(caught.value) is KeyboardInterrupt
    assert "mavis.runs.cancel('shop', 'run_1')" in str(caught.value)
    assert not appliance.to("POST", f"{RUN}/cancel")


def test_watching_is_interrupted_while_it_waits(mavis: Mavis) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    watching = mavis.runs.watch("shop", "run_1", wait=interrupted)
    with pytest.raises(KeyboardInterrupt, match="goes on"):
        list(watching)


def test_the_run_is_cancelled_where_that_is_asked(appliance: Appliance, mavis: Mavis) -> None:
    with pytest.raises(KeyboardInterrupt, match="Run run_1 is cancelled"):
        mavis.runs.wait("shop", "run_1", on_change=_stop, on_interrupt="cancel")
    assert len(appliance.to("POST", f"{RUN}/cancel")) == 1


def test_a_run_that_cannot_be_cancelled_any_more_is_told_beside_the_interrupt(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("POST", f"{RUN}/cancel", problem(409, "conflict", "It has ended."))
    with pytest.raises(KeyboardInterrupt, match=r"was not cancelled\. It has ended\."):
        mavis.runs.wait("shop", "run_1", on_change=_stop, on_interrupt="cancel")


@pytest.mark.parametrize(("on_interrupt", "cancelled"), [("leave", 0), ("cancel", 1)])
def test_a_task_that_is_cancelled_says_the_same(
    appliance: Appliance, on_interrupt: str, cancelled: int
) -> None:
    async def main() -> asyncio.CancelledError:
        seen = asyncio.Event()
        async with AsyncMavis(appliance.url, TOKEN) as mavis:
            waiting = asyncio.create_task(
                mavis.runs.wait(
                    "shop",
                    "run_1",
                    on_change=lambda _: seen.set(),
                    on_interrupt=on_interrupt,  # type: ignore[arg-type]
                )
            )
            await seen.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await waiting
            assert waiting.cancelled()
            return caught.value

    error = asyncio.run(main())
    assert "run_1" in str(error)
    assert len(appliance.to("POST", f"{RUN}/cancel")) == cancelled


def test_a_timeout_around_the_waiting_is_still_one(appliance: Appliance) -> None:
    async def main() -> None:
        seen = asyncio.Event()
        async with AsyncMavis(appliance.url, TOKEN) as mavis:

            async def wait() -> None:
                async with asyncio.timeout(None) as limit:
                    loop = asyncio.get_running_loop()
                    await mavis.runs.wait(
                        "shop", "run_1", on_change=lambda _: limit.reschedule(loop.time())
                    )

            with pytest.raises(TimeoutError):
                await wait()
            seen.set()

    asyncio.run(main())


def test_an_interrupt_in_a_cell_has_few_lines(mavis: Mavis) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        mavis.runs.wait("shop", "run_1", on_change=_stop)
    lines: Iterator[str] = caught.value._render_traceback_()  # type: ignore[attr-defined]
    first, second = lines
    assert "KeyboardInterrupt" in first
    assert second.startswith("  Mend:")
