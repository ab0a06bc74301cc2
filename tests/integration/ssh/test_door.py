"""OpenSSH's client at the door, before a real device: terminals, commands, ports, logins."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from door_double import Scene, settled
from mavis_core.remote.model import EndReason, Policy, SessionKind
from mavis_hub.gateway.door.ports import Ended, Proof
from ssh_client import HOST
from ssh_servers import Server, free_port, keygen, sign_user_key

pytestmark = pytest.mark.root


def test_a_command_has_its_output_its_errors_and_its_exit_status(scene: Scene) -> None:
    done = scene.client.ssh("cat; echo wrong >&2; exit 7", given=b"right\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"right\n", b"wrong\n")
    kept = scene.last()
    assert kept.wish.kind is SessionKind.COMMAND
    assert kept.wish.command == "cat; echo wrong >&2; exit 7"
    assert kept.wish.source == "127.0.0.1"
    assert kept.ended == Ended(EndReason.EXITED, "", 7)
    assert sorted(bytes(kept.page.shown).splitlines()) == [b"right", b"wrong"]
    assert bytes(kept.page.typed) == b"right\n"


def test_a_command_that_a_signal_ended(scene: Scene) -> None:
    assert scene.client.ssh("kill -TERM $$").returncode == 255
    assert scene.last().ended == Ended(EndReason.EXITED, "Ended by the signal TERM.")


def test_much_goes_both_ways_and_is_whole(scene: Scene) -> None:
    data = os.urandom(20_000_000)
    assert scene.client.ssh("cat", given=data).stdout == data
    assert bytes(scene.last().page.shown) == data


def test_a_client_that_ends_early_ends_what_runs(scene: Scene) -> None:
    command = ["ssh", "-F", str(scene.client.config), HOST, "echo ready; sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        client.kill()
    ended = scene.last().ended
    assert ended is not None
    assert ended.reason is EndReason.CLOSED


def test_only_words_about_language_go_to_the_device(scene: Scene) -> None:
    scene.client.more = ["SetEnv LC_MAVIS=here LANG=C.UTF-8 BASH_ENV=/tmp/evil"]
    done = scene.client.ssh("echo $LC_MAVIS $LANG $BASH_ENV")
    assert done.stdout == b"here C.UTF-8\n"


class Terminal:
    """A client in a terminal."""

    def __init__(self, scene: Scene, *command: str, columns: int = 90, rows: int = 20) -> None:
        self.seen = b""
        config = str(scene.client.config)
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm-256color"
            os.execvp("ssh", ["ssh", "-t", "-F", config, HOST, *command])
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data: bytes) -> None:
        os.write(self.file, data)

    def read_to(self, text: bytes, timeout_s: float = 20) -> bytes:
        until = time.monotonic() + timeout_s
        while text not in self.seen:
            assert time.monotonic() < until, (text, self.seen[-2000:])
            if select.select([self.file], [], [], 0.1)[0]:
                self.seen += os.read(self.file, 65536)
        found, _, self.seen = self.seen.partition(text)
        return found + text

    def end(self) -> int:
        while True:
            try:
                if not os.read(self.file, 65536):
                    break
            except OSError:
                break
        os.close(self.file)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_terminal_has_a_size_that_changes_and_is_recorded(scene: Scene) -> None:
    terminal = Terminal(scene)
    terminal.type(b"PS1='$ '; echo be''gin\n")
    terminal.read_to(b"begin")
    terminal.resize(101, 33)
    until = time.monotonic() + 20
    while scene.memory.kept[-1].page.sizes[-1:] != [(101, 33)]:
        assert time.monotonic() < until
        time.sleep(0.02)
    terminal.type(b"stty size; echo $TERM; exit 3\n")
    seen = terminal.read_to(b"xterm-256color\r\n")
    assert b"33 101\r\n" in seen
    assert terminal.end() == 3
    kept = scene.last()
    assert kept.wish.kind is SessionKind.TERMINAL
    assert kept.wish.terminal == "xterm-256color"
    assert kept.ended == Ended(EndReason.EXITED, "", 3)
    assert b"33 101\r\n" in kept.page.shown
    assert b"stty size" in kept.page.typed


def test_ctrl_c_comes_through_while_much_is_shown_and_nobody_reads(scene: Scene) -> None:
    terminal = Terminal(scene, "trap 'echo en\"\"ded; exit 5' INT; cat /dev/zero | tr '\\0' x")
    terminal.read_to(b"xxx")
    held = settled(lambda: len(scene.memory.kept[-1].page.shown))  # all waits for the reader
    assert held < 8_000_000
    terminal.type(b"\x03")
    terminal.read_to(b"ended")
    assert terminal.end() == 5


def test_signals_of_clients_go_on(scene: Scene, tmp_path: Path) -> None:
    """OpenSSH's client sends none; paramiko's channel takes one by the wire of Mavis."""
    from mavis_core.remote.model import Endpoint, HostKey, PrivateKey
    from mavis_core.remote.ssh import Exit, connect, fingerprint

    kind, public = scene.client.host_key.split()[:2]
    key = PrivateKey(scene.client.key.read_text(encoding="ascii"))
    door = Endpoint(
        "door", "127.0.0.1", scene.port, "ada", key, (HostKey(kind, fingerprint(public), public),)
    )
    with connect(replace(door, login="ada:shop/web-1:ssh"), loopback=True) as target:
        stream = target.command("trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")
        assert stream.receive() == b"ready\n"
        stream.signal("USR1")
        assert stream.wait(20) == Exit(9)
        assert target.command("kill -KILL $$").wait(20) == Exit(None, "KILL")
    wish = scene.memory.kept[0].wish
    assert (wish.project, wish.device, wish.service) == ("shop", "web-1", "ssh")


def test_many_channels_share_a_connection_and_are_sessions_each(scene: Scene, folder: Path) -> None:
    at = folder / "control"
    command = ["ssh", "-F", str(scene.client.config), "-M", "-N", "-S", str(at), HOST]
    with subprocess.Popen(command) as master:
        until = time.monotonic() + 20
        while not at.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        for number in range(3):
            done = scene.client.run("ssh", "-S", str(at), HOST, f"echo {number}")
            assert done.stdout == f"{number}\n".encode()
        master.terminate()
    assert len(scene.memory.kept) == 3
    assert len({each.wish.connection for each in scene.memory.kept}) == 1


# -- what is refused


@pytest.mark.parametrize(
    "options",
    [
        ("Ciphers=aes128-cbc",),
        ("Ciphers=3des-cbc",),
        ("Ciphers=aes128-ctr", "MACs=hmac-sha1"),
        ("KexAlgorithms=diffie-hellman-group14-sha1",),
        ("KexAlgorithms=diffie-hellman-group1-sha1",),
    ],
    ids=" ".join,
)
def test_nothing_old_is_spoken(scene: Scene, options: tuple[str, ...]) -> None:
    given = [word for each in options for word in ("-o", each)]
    done = scene.client.run("ssh", *given, "-o", "LogLevel=INFO", HOST, "true")
    assert done.returncode == 255
    assert b"Unable to negotiate" in done.stderr


def test_the_fastest_cipher_is_spoken_with_openssh(scene: Scene) -> None:
    done = scene.client.run("ssh", "-o", "LogLevel=DEBUG1", HOST, "true")
    assert done.stderr.count(b"cipher: aes128-gcm@openssh.com") == 2


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("ada", b"No device was named. Name it after your own name: ssh ada:DEVICE@"),
        ("ada:web-2", b"There is no device web-2"),
    ],
)
def test_a_device_that_is_not_there_is_told(scene: Scene, login: str, words: bytes) -> None:
    scene.client.login = login
    done = scene.client.ssh("echo")
    assert done.returncode == 255
    assert b"mavis: " + words in done.stderr


def test_a_terminal_and_commands_are_had_where_the_policy_allows_them(scene: Scene) -> None:
    scene.memory.policy = Policy(commands=False)
    done = scene.client.ssh("echo hello")
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"allows no commands" in done.stderr
    assert scene.last().ended == Ended(EndReason.REFUSED, "This access service allows no commands")
    scene.memory.policy = Policy(shell=False)
    assert b"allows no terminal" in scene.client.ssh(given=b"echo hello\n").stderr


def test_a_device_that_cannot_be_reached_is_told(scene: Scene) -> None:
    scene.memory.endpoint = replace(scene.memory.endpoint, port=free_port())
    done = scene.client.ssh("echo")
    assert done.returncode == 255
    assert b"web-1 cannot be reached at port" in done.stderr
    kept = scene.last()
    assert kept.ended is not None
    assert kept.ended.reason is EndReason.REFUSED


def test_what_cannot_be_recorded_ends_and_says_so(scene: Scene) -> None:
    scene.memory.on_begin = lambda kept: setattr(kept.page, "full", "No space is left")
    done = scene.client.ssh("echo secret; sleep 30")
    assert b"secret" not in done.stdout
    assert b"This session ends: It could not be recorded any more: No space is left" in done.stderr
    ended = scene.last().ended
    assert ended is not None
    assert ended.reason is EndReason.UNRECORDED
    assert "No space is left" in ended.detail


@pytest.mark.parametrize(
    ("policy", "reason"),
    [(Policy(idle_s=1), EndReason.IDLE), (Policy(longest_s=1), EndReason.TOO_LONG)],
)
def test_a_session_ends_in_time(scene: Scene, policy: Policy, reason: EndReason) -> None:
    scene.memory.policy = policy
    done = scene.client.ssh("sleep 60")
    assert b"This session ends: " in done.stderr
    ended = scene.last().ended
    assert ended is not None
    assert ended.reason is reason


def test_a_session_is_ended_by_somebody_else(scene: Scene) -> None:
    def end(_: object) -> None:
        threading.Thread(target=end_it).start()

    def end_it() -> None:
        door = scene.memory.door  # type: ignore[attr-defined]
        while not door.end_session("ses_0", EndReason.TERMINATED, "olga has ended it."):
            time.sleep(0.05)

    scene.memory.on_begin = end
    done = scene.client.ssh("sleep 60")
    assert b"This session ends: olga has ended it." in done.stderr
    assert scene.last().ended == Ended(EndReason.TERMINATED, "olga has ended it.")


# -- ports


def forwarded(scene: Scene, place: str) -> bytes:
    """Return what a port greets with, that goes through the client's forwarding to `place`."""
    port = free_port()
    command = ["ssh", "-F", str(scene.client.config), "-N", "-L", f"{port}:{place}", HOST]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as client:
        try:
            until = time.monotonic() + 20
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", port), 20) as sock:
                        return sock.recv(100)
                except ConnectionRefusedError:
                    assert time.monotonic() < until
                    time.sleep(0.05)
                except ConnectionResetError:
                    return b""
        finally:
            client.kill()


def test_a_port_of_the_device_is_reached_where_the_policy_allows_it(
    scene: Scene, server: Server
) -> None:
    scene.memory.policy = Policy(forwarding=True)
    for host in ("localhost", "web-1", "127.0.0.1"):
        assert forwarded(scene, f"{host}:{server.port}").startswith(b"SSH-2.0-OpenSSH")
        kept = scene.last()
        assert kept.wish.kind is SessionKind.FORWARDING
        assert kept.wish.command == f"{host}:{server.port}"
        assert len(kept.page.markers) == 1


@pytest.mark.parametrize(
    ("policy", "host"), [(Policy(), "localhost"), (Policy(forwarding=True), "192.0.2.1")]
)
def test_no_other_port_is_reached(scene: Scene, server: Server, policy: Policy, host: str) -> None:
    scene.memory.policy = policy
    assert forwarded(scene, f"{host}:{server.port}") == b""
    ended = scene.last().ended
    assert ended is not None
    assert ended.reason is EndReason.REFUSED


@pytest.mark.parametrize("option", ["-R0:localhost:22", "-w0:0"], ids=["reverse", "tunnel"])
def test_nothing_else_is_forwarded(scene: Scene, option: str) -> None:
    scene.memory.policy = Policy(forwarding=True)
    done = scene.client.run("ssh", "-o", "ExitOnForwardFailure=yes", option, HOST, "echo ran")
    assert done.returncode == 255
    assert b"ran" not in done.stdout


def test_no_agent_and_no_screen_goes_to_the_device(scene: Scene) -> None:
    done = scene.client.run("ssh", "-A", "-X", HOST, "echo [$SSH_AUTH_SOCK] [$DISPLAY]")
    assert done.stdout == b"[] []\n"


# -- who comes in


def test_a_token_of_the_hub_comes_in_as_a_password(scene: Scene, tmp_path: Path) -> None:
    scene.memory.tokens["t0ken"] = "ada"
    scene.client.key = keygen(tmp_path / "stranger")
    asked = tmp_path / "askpass"
    for token, status in (("t0ken", 0), ("another", 255)):
        asked.write_text(f"#!/bin/sh\necho {token}\n", encoding="ascii")
        asked.chmod(0o700)
        scene.client.environment = {"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"}
        assert scene.client.ssh("true").returncode == status
    assert scene.last().wish.person.proof is Proof.TOKEN


def test_a_key_is_one_persons_only(scene: Scene) -> None:
    scene.client.login = "olga:web-1"
    scene.client.more = ["PasswordAuthentication no"]
    assert scene.client.ssh("true").returncode == 255
    assert not scene.memory.kept


def test_a_key_of_a_kind_that_is_not_known_does_not_stand_in_the_way(
    scene: Scene, tmp_path: Path
) -> None:
    """A client offers one key after the other; here the first one is of DSA."""
    first = subprocess.run(
        ["ssh-keygen", "-q", "-t", "dsa", "-N", "", "-f", str(tmp_path / "dsa")], check=False
    )
    assert first.returncode == 0
    scene.client.more = [f"IdentityFile {tmp_path}/dsa", "PubkeyAcceptedAlgorithms +ssh-dss"]
    assert scene.client.ssh("echo in").stdout == b"in\n"


CERTIFICATES = {
    "good": (("ada",), (), True),
    "among others": (("olga", "ada"), ("-V", "+1h"), True),
    "from here": (("ada",), ("-O", "source-address=127.0.0.0/8"), True),
    "of another person": (("olga",), (), False),
    "over": (("ada",), ("-V", "-2h:-1h"), False),
    "not yet": (("ada",), ("-V", "+1h:+2h"), False),
    "for too long": (("ada",), ("-V", "+52w"), False),
    "for ever": (("ada",), ("-V", "always:forever"), False),
    "from elsewhere": (("ada",), ("-O", "source-address=192.0.2.0/24"), False),
    "with a command": (("ada",), ("-O", "force-command=true"), False),
    "with something unknown": (("ada",), ("-O", "critical:strange@example.com=1"), False),
    "of a host": (("ada",), ("-h",), False),
}


@pytest.mark.parametrize(("who", "options", "good"), CERTIFICATES.values(), ids=CERTIFICATES)
def test_a_certificate_comes_in_where_all_of_it_is_good(
    scene: Scene,
    authority: Path,
    tmp_path: Path,
    who: tuple[str, ...],
    options: tuple[str, ...],
    good: bool,
) -> None:
    public = authority.with_suffix(".pub").read_text(encoding="ascii").split()[1]
    scene.memory.signers.append(public)
    key = keygen(tmp_path / "certified")
    sign_user_key(authority, key.with_suffix(".pub"), *who, options=options)
    scene.client.key = key
    scene.client.more = [f"CertificateFile {key}-cert.pub", "PasswordAuthentication no"]
    done = scene.client.ssh("echo in")
    assert (done.stdout == b"in\n") is good, done.stderr
    if good:
        assert scene.last().wish.person.proof is Proof.CERTIFICATE


def test_a_certificate_of_another_authority_does_not_come_in(scene: Scene, tmp_path: Path) -> None:
    other, key = keygen(tmp_path / "other"), keygen(tmp_path / "certified")
    sign_user_key(other, key.with_suffix(".pub"), "ada")
    scene.client.key = key
    scene.client.more = [f"CertificateFile {key}-cert.pub", "PasswordAuthentication no"]
    assert scene.client.ssh("true").returncode == 255


def test_people_are_told_of_the_recording_first(scene: Scene) -> None:
    done = scene.client.run("ssh", "-o", "LogLevel=INFO", HOST, "true")
    assert b"Sessions through this door are recorded." in done.stderr
