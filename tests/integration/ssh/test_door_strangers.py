"""Clients at the door that are slow, wrong, or many: nobody else notices."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from door_double import Scene, settled
from mavis_core.remote.model import EndReason
from mavis_hub.gateway.door import Limits
from ssh_client import HOST
from ssh_servers import keygen

pytestmark = pytest.mark.root


@contextmanager
def stranger(scene: Scene) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", scene.port), 20) as sock:
        sock.settimeout(20)
        yield sock


def closed(sock: socket.socket) -> bool:
    """Whether the door closes the connection, after whatever it has to say."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def beginnings(chance: random.Random) -> Iterator[bytes]:
    """Return what strangers send: nothing of it is SSH, and some of it begins like it."""
    hello = b"SSH-2.0-stranger\r\n"
    yield b""
    yield b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"A" * 100_000
    yield b"SSH-1.5-old\r\n"
    yield hello + b"\xff\xff\xff\xff" + b"x" * 1000  # a packet of 4 GB
    yield hello + b"\x00\x00\x00\x00" * 100
    yield hello + b"\x00\x00\x00\x0c\x0a\x14" + bytes(10)  # KEXINIT, cut off
    for _ in range(60):
        data = chance.randbytes(chance.randrange(1, 3000))
        yield data if chance.random() < 0.3 else hello + data


def test_what_strangers_send_harms_nobody(scene: Scene) -> None:
    before = {each.name for each in threading.enumerate()}
    for data in beginnings(random.Random(7)):
        with stranger(scene) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # the door has closed it already
            assert closed(sock)
    assert scene.client.ssh("echo in").stdout == b"in\n"
    until = time.monotonic() + 20
    while {each.name for each in threading.enumerate() if each.name.startswith("door-1")} - before:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert len(scene.memory.kept) == 1


def test_a_handshake_that_was_changed_on_its_way_harms_nobody(scene: Scene) -> None:
    """A client's own first packets, each with a byte that was changed."""
    taken = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        command = ["ssh", "-F", str(scene.client.config), "-p", str(port), HOST]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as client:
            sock, _ = listening.accept()
            with sock, stranger(scene) as door:
                for each in (sock, door):
                    each.settimeout(0.5)
                for _ in range(4):
                    with suppress(TimeoutError):
                        data = sock.recv(65536)
                        taken += data
                        door.sendall(data)
                    with suppress(TimeoutError):
                        sock.sendall(door.recv(65536))
            client.kill()
    chance = random.Random(11)
    for _ in range(40):
        changed = bytearray(taken)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(30, len(changed))] = chance.randrange(256)
        with stranger(scene) as sock:
            try:
                sock.sendall(changed)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                continue
            assert closed(sock)
    assert scene.client.ssh("echo in").stdout == b"in\n"


@pytest.mark.parametrize("limits", [Limits(per_address=3, login_s=3, handshake_s=60)])
def test_who_does_not_log_in_has_few_places_for_a_short_time(scene: Scene) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(stranger(scene)) for _ in range(3)]
        for each in waiting:
            assert each.recv(100).startswith(b"SSH-2.0-")
        with stranger(scene) as one_more:
            assert closed(one_more)
        for each in waiting:
            assert closed(each)
    assert scene.client.ssh("echo in").stdout == b"in\n"


@pytest.mark.parametrize("limits", [Limits(connections=2)])
def test_there_are_so_many_connections_and_no_more(scene: Scene) -> None:
    command = ["ssh", "-F", str(scene.client.config), HOST, "echo ready; cat"]
    with ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            assert client.stdout is not None
            assert client.stdout.readline() == b"ready\n"
        assert scene.client.ssh("echo in").returncode == 255
    assert scene.client.ssh("echo in").returncode in (0, 255)


@pytest.mark.parametrize("limits", [Limits(tries=2)])
def test_a_connection_ends_after_some_wrong_proofs(scene: Scene, tmp_path: Path) -> None:
    strange = [keygen(tmp_path / f"strange{number}") for number in range(3)]
    good = scene.client.key
    scene.client.key = strange[0]
    scene.client.more = [f"IdentityFile {each}" for each in (*strange[1:], good)]
    scene.client.more = ["PasswordAuthentication no", *scene.client.more]
    done = scene.client.run("ssh", "-i", str(strange[0]), HOST, "echo in")
    assert done.returncode == 255
    assert done.stdout == b""


def test_a_client_that_reads_nothing_holds_its_device_back(scene: Scene) -> None:
    process = psutil.Process()
    command = ["ssh", "-F", str(scene.client.config), HOST, "cat /dev/zero"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.read(1) == b"\0"
        page = scene.memory.kept[-1].page
        assert settled(lambda: len(page.shown)) < 32 * 1024 * 1024
        memory = process.memory_info().rss
        assert settled(lambda: process.memory_info().rss) < memory + 4 * 1024 * 1024
        assert scene.client.ssh("echo in").stdout == b"in\n"
        client.kill()
    first = scene.memory.kept[0]
    assert first.over.wait(20)
    assert first.ended is not None
    assert first.ended.reason is EndReason.CLOSED


def test_requests_of_sftp_that_are_not_harm_nobody(scene: Scene) -> None:
    chance = random.Random(13)
    for _ in range(25):
        data = b"\0\0\0\x05\x01\0\0\0\x03"
        for _ in range(20):
            body = bytes([chance.randrange(1, 22)]) + chance.randbytes(chance.randrange(0, 60))
            data += len(body).to_bytes(4, "big") + body
        scene.client.run("ssh", "-s", HOST, "sftp", given=data + os.urandom(50))
    assert scene.client.ssh("echo in").stdout == b"in\n"
    assert all(each.transfers == [] for each in scene.memory.kept)
