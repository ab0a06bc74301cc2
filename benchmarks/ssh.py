"""The gateway's door beside OpenSSH direct and through a jump host, with recording on.

All clients are OpenSSH's, all devices Debian's sshd on loopback, in one run. The door is the
gateway process as the appliance runs it: it injects the key, records, hashes files, reads commands
off the screen. Asked are: how long a key takes to come back, 280 MB from a command, 200 MB by sftp
in both directions, and what sessions of a line a second cost: on a real sshd, and on a server in
this process, whose gateways share the work; beside them the same server and clients through a relay
of asyncssh, which records nothing. What the gateway packs after a transfer is waited for before the
next one begins, and its CPU is told. It needs root, and 1 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import psutil
from contenders import many_ssh
from contenders.measuring import CACHE, at_least, goal

from gateway_scene import ADA, Scene, call_of, make_scene
from mavis_core.access import Role
from mavis_core.remote.person_keys import PersonKeys
from mavis_core.remote.sessions import MOST_OF_A_PERSON
from ssh_client import HOST, Client
from ssh_servers import Server, User, keygen, ssh_server, unix_user

KEYS = 300
EXEC_BYTES, FILE_BYTES = 280_000_000, 200_000_000
_MIB = 1 << 20


@dataclass(frozen=True)
class Way:
    """One way to the device."""

    name: str
    client: Client

    @cached_property
    def config(self) -> Path:
        """The client's settings, written once: others are reading them."""
        return self.client.config


def main() -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sessions", type=int, default=45, help="of a line a second, below what a person may have"
    )
    parser.add_argument("--seconds", type=int, default=20, help="that they last")
    parser.add_argument("--rounds", type=int, default=3, help="of each transfer")
    parser.add_argument("--many", type=int, default=200, help="sessions at a server in one process")
    parser.add_argument("--only", choices=("echo", "exec", "files", "many"), help="only this part")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mavis-bench-ssh-"))
    folder.chmod(0o755)
    try:
        with ExitStack() as stack:
            scene, ways = _setting(folder, stack)
            if options.only in (None, "echo"):
                _echo(ways)
            if options.only in (None, "exec"):
                _exec(scene, ways, options.rounds)
            if options.only in (None, "files"):
                _files(scene, ways, folder, options.rounds)
            if options.only in (None, "many"):
                _many(scene, ways[-1], options.sessions, options.seconds)
        if options.only in (None, "many"):
            _very_many(folder, options.many, options.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _setting(folder: Path, stack: ExitStack) -> tuple[Scene, list[Way]]:
    user: User = stack.enter_context(unix_user(folder))
    key, own = keygen(folder / "key"), keygen(folder / "own")
    lines = (each.with_suffix(".pub").read_text("ascii") for each in (key, own))
    user.authorized_keys.write_text("".join(lines), "ascii")
    device: Server = stack.enter_context(ssh_server(folder / "device"))
    jump: Server = stack.enter_context(ssh_server(folder / "jump"))
    scene = stack.enter_context(make_scene(folder / "home"))
    scene.device("web-1", device.port, user.name, key, sessions=1000, idle_s=86_400)
    PersonKeys(scene.database).add(
        call_of("olga"), name="own", public=own.with_suffix(".pub").read_text("ascii")
    )
    text = folder / "text"
    line = b"The quick brown fox jumps over the lazy dog, 0123456789.\n"
    text.write_bytes(line * (EXEC_BYTES // len(line)))
    (folder / "data").write_bytes(os.urandom(_MIB) * (FILE_BYTES // _MIB))

    def client(name: str, port: int, host_key: str, login: str, *more: str) -> Client:
        place = folder / name
        place.mkdir()
        return Client(place, port, own, host_key, login, list(more))

    host_key = f"{device.host_key().algorithm} {device.host_key().public}"
    jump_key = f"{jump.host_key().algorithm} {jump.host_key().public}"
    known = folder / "jump_known"
    known.write_text(f"[127.0.0.1]:{jump.port} {jump_key}\n")
    proxy = (
        f"ProxyCommand ssh -q -i {own} -o IdentitiesOnly=yes -o UserKnownHostsFile={known}"
        f" -p {jump.port} -W %h:%p {user.name}@127.0.0.1"
    )
    return scene, [
        Way("direct", client("direct", device.port, host_key, user.name)),
        Way("ProxyJump", client("proxy", device.port, host_key, user.name, proxy)),
        Way("the door", client("door", scene.config.remote.port, scene.door_key, "olga:web-1")),
    ]


@contextmanager
def _started(way: Way, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = ["ssh", "-F", str(way.config), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(text: bytes, process: subprocess.Popen[bytes]) -> None:
    """Wait until a client has shown `text`."""
    assert process.stdout is not None  # noqa: S101  # it was asked for
    while text not in (shown := os.read(process.stdout.fileno(), 4096)):
        assert shown, f"{process.args} has ended"  # noqa: S101  # a benchmark of failures is none


def _echo(ways: Sequence[Way]) -> None:
    medians: dict[str, float] = {}
    for way in ways:
        with _started(way, "-tt", HOST, "stty raw -echo; echo ready; exec cat") as process:
            assert process.stdin is not None  # noqa: S101  # it was asked for
            assert process.stdout is not None  # noqa: S101  # as above
            _wait_for(b"ready", process)
            time.sleep(0.3)
            times = []
            for _ in range(KEYS):
                began = time.perf_counter()
                os.write(process.stdin.fileno(), b"x")
                os.read(process.stdout.fileno(), 64)
                times.append((time.perf_counter() - began) * 1000)
                time.sleep(0.005)
        medians[way.name] = statistics.median(times)
        p95 = sorted(times)[int(len(times) * 0.95)]
        print(f"a key and back, {way.name}: {medians[way.name]:.2f} ms median, {p95:.2f} p95")
    goal("what the door adds to a key", medians["the door"] - medians["direct"], 1.0, " ms")


def _exec(scene: Scene, ways: Sequence[Way], rounds: int) -> None:
    text = ways[0].client.folder.parent / "text"

    def take(way: Way) -> None:
        command = ["ssh", "-F", str(way.config), HOST, f"cat {text}"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        assert done.returncode == 0  # noqa: S101  # a benchmark of failures is none

    _compare(scene, f"{EXEC_BYTES / 1e6:.0f} MB from a command", ways, rounds, take, 0.65)


def _files(scene: Scene, ways: Sequence[Way], folder: Path, rounds: int) -> None:
    def get(way: Way) -> None:
        done = way.client.sftp(f"get {folder}/data {way.client.folder}/got")
        assert done.returncode == 0, done.stderr  # noqa: S101  # as above

    def put(way: Way) -> None:
        done = way.client.sftp(f"put {folder}/data put-{way.name.replace(' ', '-')}")
        assert done.returncode == 0, done.stderr  # noqa: S101  # as above

    _compare(scene, f"{FILE_BYTES / 1e6:.0f} MB by sftp get", ways, rounds, get, 0.5)
    _compare(scene, f"{FILE_BYTES / 1e6:.0f} MB by sftp put", ways, rounds, put, 0.5)


def _compare(
    scene: Scene,
    what: str,
    ways: Sequence[Way],
    rounds: int,
    take: Callable[[Way], None],
    wanted: float,
) -> None:
    times: dict[str, list[float]] = {way.name: [] for way in ways}
    during: list[float] = []
    after: list[float] = []
    for _ in range(rounds):
        for way in ways:
            began, cpu = time.perf_counter(), _cpu_s(scene)
            take(way)
            times[way.name].append(time.perf_counter() - began)
            if way is ways[-1]:
                during.append(_cpu_s(scene) - cpu)
                _settle(scene)
                after.append(_cpu_s(scene) - cpu - during[-1])
    medians = {name: statistics.median(each) for name, each in times.items()}
    told = ", ".join(f"{name} {each:.2f} s" for name, each in medians.items())
    print(
        f"{what}: {told}; CPU of the gateway {statistics.median(during):.2f} s meanwhile and"
        f" {statistics.median(after):.2f} s after it"
    )
    at_least(f"{what}, of direct", medians["direct"] / medians["the door"], wanted)


def _cpu_s(scene: Scene) -> float:
    return sum(sum(psutil.Process(each.pid).cpu_times()[:2]) for each in scene.processes.values())


def _settle(scene: Scene) -> None:
    """Wait until everything that was recorded is stored."""
    spool, most = scene.config.recordings_spool(), time.monotonic() + 120
    while any(each.is_dir() for each in spool.iterdir()):
        assert time.monotonic() < most, "the spool is never empty"  # noqa: S101  # as above
        time.sleep(0.1)


def _many(scene: Scene, way: Way, sessions: int, seconds: int) -> None:
    assert scene.process is not None  # noqa: S101  # it runs
    gateway = psutil.Process(scene.process.pid)
    rest_mib, rest_threads = gateway.memory_info().rss / _MIB, gateway.num_threads()
    words = f"for i in $(seq {seconds + 120}); do echo line $i of many; sleep 1; done"
    with ExitStack() as stack:
        for _ in range(sessions):  # one after the other: the door has strangers wait
            _wait_for(b"line", stack.enter_context(_started(way, "-tt", HOST, words)))
        before, began = sum(gateway.cpu_times()[:2]), time.perf_counter()
        time.sleep(seconds)
        cpu = (sum(gateway.cpu_times()[:2]) - before) / (time.perf_counter() - began)
        mib, threads = gateway.memory_info().rss / _MIB, gateway.num_threads()
    print(
        f"{sessions} sessions of a line a second: {cpu * 100:.1f} % of a core,"
        f" {mib:.0f} MiB ({(mib - rest_mib) * 1024 / sessions:.0f} KiB a session),"
        f" {threads} threads ({(threads - rest_threads) / sessions:.1f} a session)"
    )


def _very_many(folder: Path, sessions: int, seconds: int) -> None:
    python = str(many_ssh.install(CACHE))
    script = str(Path(many_ssh.__file__))
    key = keygen(folder / "many")
    with _saying(python, script, "target", str(key)) as (_, target):
        for processes in (1, 2):
            name = f"{sessions} sessions at one server, {processes} processes of the gateway"
            with make_scene(
                folder / f"home-{processes}",
                REMOTE_PROCESSES=str(processes),
                REMOTE_SESSIONS=str(sessions),
            ) as scene:
                scene.device("web-1", int(target), "any", key, sessions=10_000, idle_s=86_400)
                logins, keys = _people(scene, folder, -(-sessions // MOST_OF_A_PERSON))
                pids = [each.pid for each in scene.processes.values()]
                clients = ("clients", str(scene.config.remote.port), keys, logins)
                _load(name, pids, [python, script, *clients], sessions, seconds)
        with _saying(python, script, "relay", str(key), target) as (process, port):
            name = f"{sessions} sessions at one server, a relay of asyncssh without a recording"
            clients = ("clients", port, str(key), "any")
            _load(name, [process.pid], [python, script, *clients], sessions, seconds)


def _people(scene: Scene, folder: Path, count: int) -> tuple[str, str]:
    """Let more people in; return their logins at the door, and the paths of their keys."""
    logins, keys = [], []
    olga = next(each for each in scene.hub.known.values() if each.principal.name == "olga")
    for number in range(count):
        person = f"person{number}"
        principal = replace(olga.principal, name=person)
        scene.hub.known[f"token-{person}"] = replace(olga, principal=principal)
        scene.projects.put_member(ADA, "shop", f"user:{person}", Role.OPERATOR)
        key = folder / person
        if not key.exists():
            keygen(key)
        public = key.with_suffix(".pub").read_text("ascii")
        PersonKeys(scene.database).add(call_of(person), name="own", public=public)
        logins.append(f"{person}:web-1")
        keys.append(str(key))
    return ",".join(logins), ",".join(keys)


@contextmanager
def _saying(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Have a process that says one line when it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101  # it was asked for
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def _load(
    name: str, pids: Sequence[int], command: Sequence[str], sessions: int, seconds: int
) -> None:
    ours = [psutil.Process(pid) for pid in pids]
    rest = [(each.memory_info().rss / _MIB, each.num_threads()) for each in ours]
    with _saying(*command, str(sessions), str(seconds)) as (clients, said):
        assert said == "open", "the sessions do not open"  # noqa: S101  # as above
        before, began = [sum(each.cpu_times()[:2]) for each in ours], time.perf_counter()
        assert clients.stdout is not None  # noqa: S101  # it was asked for
        lines = int(clients.stdout.readline())
        passed = time.perf_counter() - began
        used = [sum(each.cpu_times()[:2]) - was for each, was in zip(ours, before, strict=True)]
        mib = sum(each.memory_info().rss / _MIB for each in ours)
        threads = sum(each.num_threads() for each in ours)
    more_mib, more_threads = (sum(each[at] for each in rest) for at in (0, 1))
    cores = " + ".join(f"{each / passed * 100:.1f}" for each in used)
    print(
        f"{name}: {lines / passed:.0f} lines a second, {cores} % of a core, {mib:.0f} MiB"
        f" ({(mib - more_mib) * 1024 / sessions:.0f} KiB a session), {threads} threads"
        f" ({(threads - more_threads) / sessions:.1f} a session)"
    )


if __name__ == "__main__":
    sys.exit(main())
