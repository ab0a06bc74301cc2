"""Both ends of many SSH sessions, and a relay between them, by asyncssh.

Runs in an environment of its own: ``install`` makes it. Three processes, by the first argument:

``target KEY``
    A device whose shells say a line each second. Says its port.
``relay KEY TARGET``
    A door by asyncssh: every login comes in, and is passed on to the device. It records nothing.
    Says its port.
``clients PORT KEYS LOGINS SESSIONS SECONDS``
    Opens sessions, with each login its key; says ``open`` when all of them have shown a line, and
    after the given seconds how many lines came in them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VERSION = "2.24.1"


def install(cache: Path) -> Path:
    """Return the Python of an environment that has asyncssh; make it at the first time."""
    folder = cache / f"asyncssh-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "bin" / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, f"asyncssh=={VERSION}"], check=True)
        (folder / "bin" / "done").touch()
    return python


def main() -> None:
    """Be one of the processes."""
    import asyncio

    what, *arguments = sys.argv[1:]
    asyncio.run({"target": _target, "relay": _relay, "clients": _clients}[what](*arguments))


async def _target(key: str) -> None:
    import asyncio

    import asyncssh

    async def talk(process: asyncssh.SSHServerProcess[str]) -> None:
        number = 0
        try:
            while True:
                number += 1
                process.stdout.write(f"line {number} of many\r\n")
                await asyncio.sleep(1)
        except (asyncssh.Error, OSError):
            process.exit(0)

    await _serve(key, talk)


async def _relay(key: str, target: str) -> None:
    import asyncio

    import asyncssh

    async def pass_on(process: asyncssh.SSHServerProcess[str]) -> None:
        async with asyncssh.connect(
            "127.0.0.1", int(target), username="any", client_keys=[key], known_hosts=None
        ) as device:
            there = await device.create_process(term_type="xterm", encoding=None)

            async def up() -> None:
                while data := await process.stdin.read(32768):
                    there.stdin.write(data)

            typing = asyncio.create_task(up())
            while data := await there.stdout.read(32768):
                process.stdout.write(data)
                await process.stdout.drain()
            typing.cancel()
        process.exit(0)

    await _serve(key, pass_on, encoding=None)


async def _serve(key: str, talk: object, **more: object) -> None:
    import asyncio

    import asyncssh

    class Everybody(asyncssh.SSHServer):
        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, *_: object) -> bool:
            return True

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[key],
        process_factory=talk,
        server_factory=Everybody,
        line_editor=False,
        backlog=512,
        login_timeout=300,
        **more,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def _clients(port: str, keys: str, logins: str, sessions: str, seconds: str) -> None:
    import asyncio

    import asyncssh

    lines = [0] * int(sessions)
    who = list(zip(logins.split(","), keys.split(","), strict=True))
    first = [asyncio.Event() for _ in lines]

    async def one(number: int, room: asyncio.Semaphore) -> None:
        login, key = who[number % len(who)]
        async with room:
            device = await asyncssh.connect(
                "127.0.0.1",
                int(port),
                username=login,
                client_keys=[key],
                known_hosts=None,
                login_timeout=300,
            )
            process = await device.create_process(term_type="xterm")
            await process.stdout.readline()
        first[number].set()
        async for _ in process.stdout:
            lines[number] += 1

    room = asyncio.Semaphore(4)  # handshakes at a time
    tasks = [asyncio.create_task(one(number, room)) for number in range(len(lines))]
    opened = asyncio.gather(*(each.wait() for each in first))
    await asyncio.wait([*tasks, asyncio.ensure_future(opened)], return_when="FIRST_COMPLETED")
    for each in tasks:
        if each.done():
            each.result()
            raise RuntimeError("a session has ended")
    print("open", flush=True)
    before = sum(lines)
    await asyncio.sleep(float(seconds))
    print(sum(lines) - before, flush=True)


if __name__ == "__main__":
    main()
