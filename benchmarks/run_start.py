"""How soon a Run begins: our resident worker beside Prefect's own process worker, in one run.

Both carry out the same empty flow with one parameter on the same Prefect server. Seconds are from
asking Prefect for the flow run to the first line of the flow; CPU is the worker's with all its
processes, for each flow run. Both look for work at once after asking, so polling does not count:
the process worker polls every 0.2 s and half of that is taken off its figure.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

RUNS = 8
PORT = int(os.environ.get("BENCH_PORT", "18944"))
POLL_S = 0.2
FLOW = """
import os, time
from prefect import flow

@flow(name="empty")
def empty(run_id: str) -> None:
    with open(os.environ["BENCH_STAMPS"], "a") as stamps:
        stamps.write(f"{run_id} {time.time()}\\n")
"""


@contextmanager
def prefect_server(home: Path) -> Iterator[None]:
    """Run a Prefect server of our own."""
    os.environ |= {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{PORT}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
        "PREFECT_WORKER_QUERY_SECONDS": str(POLL_S),
        "BENCH_STAMPS": str(home / "stamps"),
        "PYTHONPATH": str(home),
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(_healthy, 120)
        yield
    finally:
        _end(server)


def stamp_of(home: Path, run_id: str) -> float:
    """Return when the flow of `run_id` began, waiting for it."""
    stamps = home / "stamps"

    def found() -> list[str]:
        lines = stamps.read_text(encoding="utf-8").splitlines() if stamps.exists() else []
        return [line for line in lines if line.startswith(f"{run_id} ")]

    _wait_for(lambda: bool(found()), 60, pause_s=0.005)
    return float(found()[0].split()[1])


async def resident(home: Path) -> tuple[list[float], float]:
    """Return seconds to the first line of each Run, and CPU seconds a Run, of our worker."""
    from empty_flow import empty

    from mavis_core.scheduling.execution import Due
    from mavis_flows.resident import ResidentWorker

    worker = ResidentWorker({"empty": empty}, name="resident", limit=8)
    took: list[float] = []
    async with worker:
        await worker.register()
        cpu = time.process_time()
        for number in range(RUNS):
            run_id, begin = f"resident-{number}", time.time()
            await worker.schedule(Due(run_id, "empty", 1, "nothing", None))
            await worker.get_and_submit_flow_runs()
            took.append(await asyncio.to_thread(stamp_of, home, run_id) - begin)
        await asyncio.sleep(1)  # the last flow run tells Prefect its end
        cpu = (time.process_time() - cpu) / RUNS
    return took, cpu


async def process_worker(home: Path) -> tuple[list[float], float]:
    """Return the same of Prefect's process worker."""
    from empty_flow import empty
    from prefect.client.orchestration import get_client

    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        "processes",
        "--type",
        "process",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home
    )
    took: list[float] = []
    try:
        async with get_client() as client:
            await asyncio.to_thread(_wait_for, _pool_is_there, 60)
            flow_id = await client.create_flow(empty)
            deployment = await client.create_deployment(
                flow_id,
                "processes",
                work_pool_name="processes",
                entrypoint="empty_flow.py:empty",
                path=str(home),
            )
            watched = psutil.Process(process.pid)
            await asyncio.sleep(2)
            idle = await _idle_cpu_a_second(watched)
            begin_all, cpu = time.monotonic(), _cpu(watched)
            for number in range(RUNS):
                run_id, begin = f"process-{number}", time.time()
                await client.create_flow_run_from_deployment(
                    deployment, parameters={"run_id": run_id}
                )
                took.append(await asyncio.to_thread(stamp_of, home, run_id) - begin - POLL_S / 2)
            await asyncio.sleep(4)  # the last process ends
            elapsed = time.monotonic() - begin_all
            cpu = (_cpu(watched) - cpu - idle * elapsed) / RUNS
    finally:
        _end(process)
    return took, cpu


async def _idle_cpu_a_second(process: psutil.Process) -> float:
    before = _cpu(process)
    await asyncio.sleep(5)
    return (_cpu(process) - before) / 5


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _pool_is_there() -> bool:
    return httpx.get(f"http://127.0.0.1:{PORT}/api/work_pools/processes").is_success


def _healthy() -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{PORT}/api/health").is_success
    except httpx.HTTPError:
        return False


def _wait_for(condition: Callable[[], bool], timeout_s: float, *, pause_s: float = 0.2) -> None:
    end = time.monotonic() + timeout_s
    waiting = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come about in time")
        waiting.wait(pause_s)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Measure both and print the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "empty_flow.py").write_text(FLOW, encoding="utf-8")
        sys.path.insert(0, folder)
        with prefect_server(home):
            ours, our_cpu = asyncio.run(resident(home))
            theirs, their_cpu = asyncio.run(process_worker(home))
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"{'':18}{'median s':>10}{'worst s':>10}{'CPU s':>8}   ({RUNS} Runs each)")
    print(f"{'resident':18}{a:10.2f}{max(ours):10.2f}{our_cpu:8.2f}")
    print(f"{'process worker':18}{b:10.2f}{max(theirs):10.2f}{their_cpu:8.2f}")
    print(
        f"resident begins {b / a:.1f} times as soon, with {their_cpu / our_cpu:.1f} times less CPU"
    )


if __name__ == "__main__":
    main()
