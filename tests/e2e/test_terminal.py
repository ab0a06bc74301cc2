"""A terminal in a browser: an operator at a device, an administrator who looks on and ends it.

The device is an OpenSSH server of Debian's on loopback.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.appliance import Appliance, until
from e2e.browsing import picture
from e2e.devices import new_device
from e2e.kernels import kernel, start_server
from mavis_kernel import Mavis
from mavis_kernel.models import Record
from ssh_servers import keygen


@pytest.fixture(scope="module")
def device(admin: Mavis, shop: str) -> Iterator[str]:
    """Add a device, whose host key nobody has approved; return its login name."""
    with new_device(admin, shop, "web-1") as login:
        yield login


@pytest.fixture(scope="module")
def client(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Run an SSH client of one's own, which knows the door, as a person with a token or a key."""
    folder = tmp_path_factory.mktemp("client")
    port = str(appliance.config.remote.port)
    options = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known"]
    options += ["-o", "LogLevel=ERROR", "-o", "PreferredAuthentications=publickey,password"]

    def run(
        program: str, *words: str, key: Path | None = None, token: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "SSH_ASKPASS": str(folder / "ask"), "SSH_ASKPASS_REQUIRE": "force"}
        ask = folder / "ask"
        ask.write_text("#!/bin/sh\nprintf '%s' \"$ANSWER\"\n")
        ask.chmod(0o700)
        given = ["-i", str(key), "-o", "IdentitiesOnly=yes"] if key else ["-i", "/dev/null"]
        flag = "-p" if program == "ssh" else "-P"
        return subprocess.run(
            [program, *options, *given, flag, port, *words],
            env={**environ, "ANSWER": token},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_an_ssh_client_comes_to_the_door_with_a_token_and_with_a_key(
    device: str,
    admin: Mavis,
    operator: Mavis,
    tokens: dict[str, str],
    client: Callable[..., Any],
    shop: str,
    tmp_path: Path,
) -> None:
    place = "demo-operator:web-1@127.0.0.1"
    nobody = client("ssh", place, "whoami", token="guess")
    assert nobody.returncode == 255
    refused = client("ssh", place, "whoami", token=tokens["demo-operator"])
    assert "which nobody has approved yet" in refused.stderr
    (key,) = admin.devices.host_keys(shop, "web-1", "ssh")
    admin.devices.approve(shop, "web-1", "ssh", key.fingerprint)
    by_token = client("ssh", place, "whoami; exit 3", token=tokens["demo-operator"])
    assert (by_token.stdout, by_token.returncode) == (f"{device}\n", 3)

    own = keygen(tmp_path / "own")
    operator.person_keys.add("laptop", own.with_suffix(".pub").read_text("ascii"))
    by_key = client("ssh", place, "whoami", key=own)
    assert (by_key.stdout, by_key.returncode) == (f"{device}\n", 0), by_key.stderr
    (tmp_path / "file").write_text("content")
    # A colon in a name is scp's own, so the name is an option.
    named = ("-o", "User=demo-operator:web-1", str(tmp_path / "file"), "127.0.0.1:copied")
    copied = client("scp", *named, key=own)
    assert copied.returncode == 0, copied.stderr
    assert client("ssh", place, "cat copied", key=own).stdout == "content"
    operator.person_keys.remove("laptop")
    assert client("ssh", place, "whoami", key=own).returncode == 255
    assert client("ssh", place.replace("operator", "enduser"), "true", token="x").returncode == 255

    def recorded() -> set[str]:
        found = operator.records.list(shop, action="session.", limit=50)
        return {each.action for each in found}

    until(lambda: {"session.command", "session.transfer"} <= recorded(), "all is recorded")
    (sent,) = operator.records.list(shop, action="session.transfer")
    assert sent.data["sha256"] == hashlib.sha256(b"content").hexdigest()
    newest = next(iter(operator.sessions.list(shop, limit=1)))
    assert (newest.entrance, newest.person) == ("door", "demo-operator")


def test_a_cell_runs_at_devices(
    device: str,
    appliance: Appliance,
    admin: Mavis,
    operator: Mavis,
    tokens: dict[str, str],
    client: Callable[..., Any],
    shop: str,
) -> None:
    client("ssh", "demo-operator:web-1@127.0.0.1", "true", token=tokens["demo-operator"])
    (known,) = admin.devices.host_keys(shop, "web-1", "ssh")
    admin.devices.approve(shop, "web-1", "ssh", known.fingerprint)
    admin.devices.add(shop, "web-2", "127.0.0.1")  # no way leads in
    person, token = "demo-operator", tokens["demo-operator"]
    start_server(appliance, person, token)
    with kernel(appliance, person, token) as inside:
        inside.run(f"%project {shop}")
        assert "2 devices; nothing was run." in inside.run("%%ssh 'web-*' --dry-run\nwhoami")
        said = inside.run("%%ssh 'web-*' -o done\nwhoami\necho oh >&2\nexit 4")
        assert f"web-1 | {device}" in said
        assert "web-1 ! oh" in said
        assert "done: 0 ok, 2 not" in said
        told = inside.ask(
            "import json\nprint(json.dumps([[e.device, e.exit_status, e.stdout, e.reason]"
            " for e in done]))"
        )
        assert told == [["web-1", 4, f"{device}\n", "exited"], ["web-2", None, "", "not_found"]]
        assert "web-1  ok" in inside.run("%%ssh web-1\nseq 200000 | tail -1")
    newest = next(iter(operator.sessions.list(shop, limit=1)))
    assert (newest.entrance, newest.command) == ("notebook", "seq 200000 | tail -1\n")


def shown(page: Page) -> str:
    """Return what stands in the terminal."""
    return page.locator(".xterm-rows").inner_text()


def test_a_terminal_from_the_list_of_devices_to_its_recording(
    device: str, admin: Mavis, operator: Mavis, visit: Callable[..., Any], shop: str
) -> None:
    with visit("demo-operator", f"/services/mavis/projects/{shop}/devices") as page:
        picture(page, "devices-new")
        page.get_by_role("button", name="Open a terminal at web-1").click()
        expect(page.locator("#state")).to_have_text("Connected")
        page.get_by_role("button", name="Hang up").click()
        expect(page.locator("#state")).to_have_text("Its person hung up.")

        page.goto(f"/services/mavis/projects/{shop}/devices")
        expect(page.get_by_role("cell", name="approved")).to_be_visible()
        picture(page, "devices")
        page.get_by_role("button", name="Open a terminal at web-1").click()
        expect(page.locator("#state")).to_have_text("Connected")
        assert page.locator("#terminal").get_attribute("data-ticket") is None
        page.keyboard.type(
            "whoami; printf 'gr\\xc3\\xbc\\xc3\\x9fe \\xe2\\x82\\xac\\n'; ls --color /\n"
        )
        until(lambda: "grüße €" in shown(page), "the device's answer is shown")
        assert device in shown(page)
        picture(page, "terminal")

        # A network that breaks, and comes back, loses nothing.
        page.context.set_offline(True)
        page.evaluate("window.dispatchEvent(new Event('offline'))")
        page.context.set_offline(False)
        page.keyboard.type("echo after-$((40+2))\n")
        until(lambda: "after-42" in shown(page), "the shell goes on")

        page.evaluate(
            "text => { const data = new DataTransfer(); data.setData('text/plain', text);"
            " document.querySelector('.xterm-helper-textarea').dispatchEvent("
            "new ClipboardEvent('paste', { clipboardData: data, bubbles: true })) }",
            "echo one\necho two\n",
        )
        expect(page.get_by_role("heading", name="Paste 3 lines?")).to_be_visible()
        picture(page, "terminal-paste")
        page.get_by_role("button", name="Do not").click()
        assert "two" not in shown(page)

        (session,) = operator.sessions.list(shop, state="open")
        with visit("demo-admin", f"/services/mavis/projects/{shop}/sessions/{session.id}") as other:
            picture(other, "session-open")
            other.get_by_role("button", name="Watch it").click()
            expect(other.locator("#state")).to_have_text("You watch demo-operator")
            until(lambda: "after-42" in shown(other), "what was shown is shown to who looks on")
            page.keyboard.type("echo live-$((40+2))\n")
            until(lambda: "live-42" in shown(other), "what is shown now, too")
            picture(other, "terminal-watched")
            other.goto(f"/services/mavis/projects/{shop}/sessions/{session.id}")
            other.get_by_text("End it").click()
            other.get_by_role("button", name="End the session").click()
        expect(page.locator("#state")).to_have_text("demo-admin ended it.", timeout=20_000)
        picture(page, "terminal-ended")
        page.goto(f"/services/mavis/projects/{shop}/sessions")
        expect(page.get_by_role("cell", name="terminated")).to_be_visible()
        picture(page, "sessions")

    address = f"/services/mavis/projects/{shop}/sessions/{session.id}"
    with visit("demo-admin", address) as page:
        expect(page.locator(".ap-player")).to_be_visible()
        page.get_by_label("Look in this recording").fill("live-42")
        hit = page.locator("#hits button").first
        expect(hit).to_contain_text("live-42")
        hit.click()
        expect(page).to_have_url(re.compile(r"#t=\d+$"))
        expect(page.locator(".ap-terminal, .ap-term").first).to_contain_text("after-42")
        picture(page, "recording")
        with page.expect_download() as taken:
            page.get_by_role("link", name="Take it as a file").click()
        lines = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
        assert json.loads(lines[0])["version"] == 2
        assert any("live-42" in line for line in lines)

        page.goto(f"/services/mavis/projects/{shop}/recordings?words=after-42")
        page.get_by_role("link", name="from here").first.click()
        expect(page).to_have_url(re.compile(r"/sessions/ses_\w+#t=\d+$"))
    with visit("demo-operator", address) as page:
        expect(page.get_by_role("heading", name="demo-operator at web-1")).to_be_visible()
        assert page.locator("#player").count() == 0


@pytest.fixture
def approved(
    device: str, admin: Mavis, tokens: dict[str, str], client: Callable[..., Any], shop: str
) -> None:
    """Have the device's host key approved, whatever came before."""
    client("ssh", "demo-operator:web-1@127.0.0.1", "true", token=tokens["demo-operator"])
    for each in admin.devices.host_keys(shop, "web-1", "ssh"):
        admin.devices.approve(shop, "web-1", "ssh", each.fingerprint)


HOSTILE = (
    b"\x1b]0;owned\x07\x1b]2;owned\x07"  # titles
    b"\x1b[21t\x1b[20t\x1b]l\x07"  # asks for the title
    b"\x1b]52;c;b3duZWQ=\x07\x1b]52;c;?\x07"  # writes to the clipboard, and asks for it
    b"\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07"
    b"\x05\x1b[8;5;5t\x1b[3;0;0t\x1bP+q544e\x1b\\"  # answerback, size, place, terminfo
)
SENDER = f"""
import os, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, {HOSTILE!r} + b"\\x1b[6n")
came = b""
while not came.endswith(b"R"):  # the answer to the last question, the place of the cursor
    came += os.read(0, 1000)
termios.tcsetattr(0, termios.TCSADRAIN, before)
print("came:" + came.hex() + ":")
"""


def test_what_a_device_sends_moves_nothing_but_the_terminal(
    device: str, approved: None, visit: Callable[..., Any], shop: str
) -> None:
    """No title, no clipboard; and what the browser types by itself is the cursor's place alone."""
    path = Path(pwd.getpwnam(device).pw_dir) / "sender.py"
    path.write_text(SENDER)
    path.chmod(0o644)
    with visit("demo-operator", f"/services/mavis/projects/{shop}/devices") as page:
        page.get_by_role("button", name="Open a terminal at web-1").click()
        expect(page.locator("#state")).to_have_text("Connected")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.evaluate("navigator.clipboard.writeText('mine')")
        title, size = page.title(), page.viewport_size
        page.keyboard.type("python3 sender.py\n")
        until(lambda: re.search(r"came:[0-9a-f]+:", shown(page)), "the browser has answered")
        came = re.search(r"came:([0-9a-f]+):", shown(page))
        assert came is not None
        assert re.fullmatch(rb"\x1b\[\d+;\d+R", bytes.fromhex(came[1])), came
        assert (page.title(), page.viewport_size) == (title, size)
        assert page.evaluate("navigator.clipboard.readText()") == "mine"
        picture(page, "terminal-hostile")
        page.get_by_role("button", name="Hang up").click()
        expect(page.locator("#state")).to_have_text("Its person hung up.")


class Typist:
    """Somebody at the door, whose command says back what they type."""

    def __init__(self, number: int, command: list[str]) -> None:
        self.number = number
        self.marks: list[str] = []
        self._process = subprocess.Popen(
            [*command, f"cat; echo over-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def type(self, word: str) -> None:
        assert self._process.stdin is not None
        self.marks.append(f"{word}-{self.number}")
        self._process.stdin.write(f"{self.marks[-1]}\n".encode())
        self._process.stdin.flush()

    def read(self) -> None:
        """Wait until what was typed last is shown."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        assert line == f"{self.marks[-1]}\n", self.end()

    def end(self) -> tuple[int, bytes, bytes]:
        said, errors = self._process.communicate(timeout=60)
        return self._process.returncode, said, errors

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


SESSIONS, AT_ONCE = 20, 10


@contextmanager
def typing(command: list[str]) -> Iterator[list[Typist]]:
    """Have twenty people in sessions for the block."""
    typists: list[Typist] = []
    try:
        for first in range(0, SESSIONS, AT_ONCE):  # the door takes so many strangers of an address
            group = [Typist(number, command) for number in range(first, first + AT_ONCE)]
            typists.extend(group)
            all_type(group, "before")
        yield typists
    finally:
        for each in typists:
            each.kill()


def all_type(typists: list[Typist], word: str) -> None:
    """Have each type something, and see it."""
    for each in typists:
        each.type(word)
    for each in typists:
        each.read()


def test_twenty_sessions_outlive_the_deaths_of_api_and_log_process(
    approved: None, appliance: Appliance, admin: Mavis, operator: Mavis, shop: str, tmp_path: Path
) -> None:
    """What was shown is in the recordings, and each record is there, once."""
    before = {each.id for each in operator.sessions.list(shop)}
    own = keygen(tmp_path / "own")
    operator.person_keys.add("typist", own.with_suffix(".pub").read_text("ascii"))
    command = ["ssh", "-F", "none", "-i", str(own), "-p", str(appliance.config.remote.port)]
    command += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known"]
    command += ["-o", "LogLevel=ERROR", "demo-operator:web-1@127.0.0.1"]
    with typing(command) as typists:
        for name in ("api", "logs"):
            back = appliance.kill(name)
            all_type(typists, f"without-{name}")
            back()
            all_type(typists, f"with-{name}")
        ended = [each.end() for each in typists]
    operator.person_keys.remove("typist")
    assert ended == [(0, f"over-{each.number}\n".encode(), b"") for each in typists]

    def told() -> list[Record]:
        found = admin.records.list(shop, action="session.", limit=50_000)
        return [each for each in found if each.object not in before]

    actions = ("session.open", "session.command", "session.end")
    until(lambda: len(told()) >= SESSIONS * len(actions), "all records are there")
    found = told()
    assert len({each.id for each in found}) == len(found)
    assert Counter(each.action for each in found) == dict.fromkeys(actions, SESSIONS)
    casts = [recording(admin, shop, each, tmp_path) for each in {each.object for each in found}]
    for each in typists:
        assert any(all(mark in cast for mark in each.marks) for cast in casts), each.marks
    rows = appliance.status()
    assert all(rows[name]["well"] for name in ("api", "logs", "gateway")), rows


def recording(admin: Mavis, shop: str, session: str, folder: Path) -> str:
    """Return the recording of a session, as an auditor takes it."""
    path = folder / f"{session}.cast"
    admin.sessions.recording(shop, session, path)
    return path.read_text(encoding="utf-8")
