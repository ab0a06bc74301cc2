"""The REST API beside an empty handler on the same Tornado and beside JupyterHub's own API.

One appliance runs as an administrator starts it. Each server is asked on its own loopback port, by
the same client, over connections that stay open, with a token that the Hub knows; what is counted
is requests for each second of CPU (user and system) of the server that answers. The empty handler
is a process of its own that answers ``{}`` to anybody.

Pages: 100 resources from Mavis, and 100 users from the Hub. Listeners: a thousand streams of
server-sent events of Runs, from as many connections, told of one change.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import psutil
from contenders.measuring import at_least, goal
from jupyterhub import orm

from cloud.accounts import KEY, MAIN, ec2
from cloud.client import running as running_simulator
from cloud.seed import seed
from e2e.appliance import Appliance, until
from e2e.appliance import running as running_appliance
from rest_service import serving

SECONDS, CONNECTIONS, ROUNDS = 3.0, 8, 3
THINGS, LISTENERS = 100, 1000
SETTINGS = {
    "MAVIS_API_RATE_PER_S": "100000",
    "MAVIS_API_BURST": "1000000",
}
ADMIN = "demo-admin"
API = "/services/mavis/api/v1"
EMPTY = """
import asyncio, sys
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

class Empty(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(b"{}")

async def serve() -> None:
    application = Application([("/", Empty)], log_function=lambda _: None)
    HTTPServer(application).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()

asyncio.run(serve())
"""


def main() -> None:
    """Measure and print."""
    with empty_server() as (pid, port):
        empty = rate("an empty handler", pid, port, "/", "")
    with tempfile.TemporaryDirectory(prefix="mv-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with running_simulator() as simulator:
            world = seed(simulator.url)
            with running_appliance(Path(folder) / "h", simulator, world, **SETTINGS) as appliance:
                measure_appliance(appliance, empty)
    measure_listeners()


def measure_appliance(appliance: Appliance, empty: float) -> None:
    """Ask the api process and the Hub."""
    token, pids, ports = appliance.token(ADMIN), appliance.pids(), appliance.config.ports
    fill(appliance, token)
    api, hub = (pids["api"], ports.api), (pids["hub"], ports.hub)
    pages = f"{API}/projects/bench/resources?limit={THINGS}"
    found: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):  # by turns, so that a busy machine slows them alike
        one = rate("a project", *api, f"{API}/projects/bench", token)
        page = rate(f"a page of {THINGS} resources", *api, pages, token)
        path = f"/hub/api/users?limit={THINGS}"
        users = rate(f"a page of {THINGS} users of the Hub", *hub, path, token)
        found.append((one, page, page / users))
    one, page, beside = (statistics.median(each) for each in zip(*found, strict=True))
    at_least("a project, requests a CPU second", one, 1000)
    at_least("a page of resources beside the Hub's page of users", beside, 5, "x")
    print(f"a project beside an empty handler: {one / empty:.2f}x")


def fill(appliance: Appliance, token: str) -> None:
    """Have a hundred resources in a project, and a hundred users in the Hub."""
    with ec2(appliance.simulator.url, MAIN, "eu-central-1") as cloud:
        for _ in range(THINGS):
            cloud.create_volume(AvailabilityZone="eu-central-1a", Size=1)
    place = {"kit": "aws", "account": MAIN, "regions": ["eu-central-1"], "key": "bench"}
    for path, body in (
        ("/projects", {"name": "bench"}),
        ("/keys", {"name": "bench", "kind": "aws", "value": dict(KEY)}),
        ("/projects/bench/environments", {"name": "main", **place}),
        ("/projects/bench/discoveries", {}),
    ):
        appliance.ask(token, "POST", path, json=body).raise_for_status()
    path = f"/projects/bench/resources?limit={THINGS}"
    until(
        lambda: len(appliance.ask(token, "GET", path).json()["items"]) == THINGS,
        "a hundred resources",
        within_s=120,
    )
    # As the Hub keeps them; it takes over nobody by its API who has no Unix user.
    people = f"sqlite:///{appliance.config.home}/hub/jupyterhub.sqlite"
    with orm.new_session_factory(people)() as session:
        session.add_all(orm.User(name=f"somebody-{number}") for number in range(THINGS))
        session.commit()


@contextmanager
def empty_server() -> Iterator[tuple[int, int]]:
    """Run a server with an empty handler; give its process id and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with subprocess.Popen([sys.executable, "-c", EMPTY, str(port)]) as process:
        try:
            until(lambda: _open(port), "the empty server")
            yield process.pid, port
        finally:
            process.terminate()


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def rate(what: str, pid: int, port: int, path: str, token: str) -> float:
    """Return how many requests a server answers for each second of its CPU."""
    ask(port, path, token, 1.0)  # caches, connections, compiled statements
    begin, before = time.perf_counter(), cpu_s(pid)
    count = ask(port, path, token, SECONDS)
    cpu, wall = cpu_s(pid) - before, time.perf_counter() - begin
    found = count / cpu
    print(f"{what}: {found:,.0f} requests a CPU second ({count / wall:,.0f} a second)")
    return found


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process, user and system."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)


def ask(port: int, path: str, token: str, seconds: float) -> int:
    """Ask over some connections that stay open; return how many good answers came."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        f"Authorization: token {token}\r\n\r\n"
    ).encode()
    counts = [0] * CONNECTIONS
    end = time.monotonic() + seconds

    def run(number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            reader = connection.makefile("rb")
            while time.monotonic() < end:
                connection.sendall(request)
                status = reader.readline()
                if b" 200 " not in status:
                    raise RuntimeError(f"{path}: {status.decode()}")
                length = 0
                while (line := reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                reader.read(length)
                counts[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def measure_listeners() -> None:
    """Have a thousand streams of Runs open, then change the Run."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as rest:
        run = rest.ask("POST", "/projects/shop/discoveries", "olga", {}).json["id"]
        path = f"{API}/projects/shop/runs/{run}/events"
        asyncio.run(listen(rest.port, path, rest.core.carry_out))


async def listen(port: int, path: str, change: object) -> None:
    """Follow one Run from many connections; print what it costs and how soon all know."""
    process = psutil.Process()
    before = process.memory_info().rss
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: token olga\r\n\r\n".encode()
    heard = 0

    async def follow() -> None:
        nonlocal heard
        async with at_a_time:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            if b" 200 " not in (status := await reader.readline()):
                raise RuntimeError(f"{path}: {status.decode()}")
            while b"event: run" not in await reader.readline():
                pass
            first_told.release()
        async for line in reader:
            if line.startswith(b"data: ") and json.loads(line[6:])["state"] == "succeeded":
                writer.close()
                heard += 1
                return

    first_told, at_a_time = asyncio.Semaphore(0), asyncio.Semaphore(100)
    following = [asyncio.ensure_future(follow()) for _ in range(LISTENERS)]
    for _ in range(LISTENERS):
        await first_told.acquire()
    memory = (process.memory_info().rss - before) / LISTENERS / 1024
    cpu = cpu_s(process.pid)
    await asyncio.sleep(5)
    idle = (cpu_s(process.pid) - cpu) / 5
    begin = time.perf_counter()
    await asyncio.to_thread(change)  # type: ignore[arg-type]
    await asyncio.gather(*following)
    took = time.perf_counter() - begin
    print(
        f"{LISTENERS} listeners: {memory:.0f} KiB each with their client, {idle:.1%} of a core"
        f" while nothing happens; all {heard} know of the end {took:.1f} s after the work began"
    )
    goal("listeners told of one change", LISTENERS - heard, 0, " missing")


if __name__ == "__main__":
    main()
