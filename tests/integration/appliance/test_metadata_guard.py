"""The guard of the cloud's metadata address, in a network of its own.

Two network namespaces and a pair of interfaces: in one a stand-in answers at 169.254.169.254, in
the other the guard is applied. The real address is never asked.
"""

import http.server
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

ADDRESS = "169.254.169.254"
ALLOWED_UID, OTHER_UID = 4711, 4712
CLIENT = (
    "import socket; s = socket.create_connection(('{address}', 80), timeout=3);"
    " s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(s.recv(12).decode())"
)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def network(until: Callable[..., None]) -> Iterator[str]:
    """Yield the namespace from which the stand-in can be reached."""
    cloud, machine = f"mv-cloud-{os.getpid()}", f"mv-machine-{os.getpid()}"
    ip("netns", "add", cloud)
    ip("netns", "add", machine)
    server = None
    try:
        ip("-n", cloud, "link", "add", "outer", "type", "veth", "peer", "name", "inner")
        ip("-n", cloud, "link", "set", "dev", "inner", "netns", machine)
        ip("-n", cloud, "addr", "add", f"{ADDRESS}/32", "dev", "outer")
        ip("-n", cloud, "addr", "add", "10.254.0.1/24", "dev", "outer")
        ip("-n", cloud, "link", "set", "dev", "outer", "up")
        ip("-n", machine, "addr", "add", "10.254.0.2/24", "dev", "inner")
        ip("-n", machine, "link", "set", "dev", "inner", "up")
        ip("-n", machine, "route", "add", f"{ADDRESS}/32", "via", "10.254.0.1")
        command = [sys.executable, "-m", "http.server", "80", "--bind", ADDRESS]
        server = subprocess.Popen(
            ["ip", "netns", "exec", cloud, *command],
            cwd=Path(http.server.__file__).parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: ask(machine, 0), "the stand-in")
        yield machine
    finally:
        if server is not None:
            server.terminate()
            server.wait(10)
        ip("netns", "delete", machine)
        ip("netns", "delete", cloud)


def ask(namespace: str, uid: int) -> bool:
    """Return whether a process of `uid` gets an answer."""
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    program = ["/usr/bin/python3", "-c", CLIENT.format(address=ADDRESS)]
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *drop, *program],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stdout.startswith("HTTP/1.0 200")


def guard(namespace: str, words: str) -> str:
    """Run the guard's code in the namespace."""
    code = f"from mavis_hub.metadata_guard import Guard; g = Guard({ALLOWED_UID}); print({words})"
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_the_guard_closes_the_address_to_all_but_root_and_the_worker(network: str) -> None:
    assert guard(network, "g.is_closed()") == "False"
    assert ask(network, OTHER_UID), "the stand-in must answer before the guard is there"
    guard(network, "g.close()")
    guard(network, "g.close()")  # again: nothing is added twice
    assert guard(network, "g.is_closed()") == "True"
    assert [ask(network, uid) for uid in (0, ALLOWED_UID)] == [True, True]
    assert [ask(network, uid) for uid in (OTHER_UID, 1, 65534, 1000)] == [False] * 4
    guard(network, "g.open()")
    assert guard(network, "g.is_closed()") == "False"
    assert ask(network, OTHER_UID)


def test_rules_for_another_worker_are_replaced(network: str) -> None:
    guard(network, f"Guard({OTHER_UID}).close()")
    assert guard(network, "g.is_closed()") == "False"
    guard(network, "g.close()")
    assert guard(network, "g.is_closed()") == "True"
    assert not ask(network, OTHER_UID)
    guard(network, "g.open()")


def test_without_the_capability_it_says_so(network: str) -> None:
    code = (
        "from mavis_hub.metadata_guard import Guard, GuardFailed\n"
        "try: Guard(1).close()\n"
        "except GuardFailed as exc: print('refused:', exc)\n"
        "print(Guard(1).is_closed())"
    )
    drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    done = subprocess.run(
        ["ip", "netns", "exec", network, *drop, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("refused:")
    assert done.stdout.strip().endswith("False")
