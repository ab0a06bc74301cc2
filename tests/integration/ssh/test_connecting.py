"""Connecting to real SSH servers: what works, and what each thing that goes wrong says."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mavis_core.errors import (
    AlgorithmsNotAllowed,
    DeviceError,
    DeviceRefusedLogin,
    DeviceUnreachable,
    HostKeyChanged,
    HostKeyUnknown,
    InvalidInput,
    MavisError,
)
from mavis_core.remote.model import Certificate, Endpoint, HostKey, Password, PrivateKey
from mavis_core.remote.ssh import Exit, Target, connect, fingerprint, scan
from ssh_servers import Server, User, free_port, keygen, sign_user_key, ssh_server

pytestmark = pytest.mark.root

OLD_SETS = {
    "2008": ("diffie-hellman-group14-sha1", "ssh-rsa", "aes128-cbc", "hmac-sha1"),
    "2002": ("diffie-hellman-group1-sha1", "ssh-rsa", "3des-cbc", "hmac-md5"),
}


def opened(endpoint: Endpoint, **more: object) -> Target:
    return connect(endpoint, loopback=True, **more)  # type: ignore[arg-type]


def refused(endpoint: Endpoint, **more: object) -> MavisError:
    with pytest.raises(MavisError) as caught:
        opened(endpoint, **more)
    return caught.value


def private(path: Path, passphrase: str | None = None) -> PrivateKey:
    return PrivateKey(path.read_text(encoding="ascii"), passphrase)


def said(target: Target, command: str) -> bytes:
    stream = target.command(command)
    found = b"".join(iter(stream.receive, b""))
    stream.wait(10)
    return found


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_logs_in(server: Server, user: User, keys: dict[str, Path], kind: str) -> None:
    with opened(server.endpoint(user.name, private(keys[kind]))) as target:
        assert said(target, "whoami") == f"{user.name}\n".encode()


@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
def test_an_encrypted_key_logs_in_with_its_passphrase(
    server: Server, user: User, keys: dict[str, Path], tmp_path: Path, form: str
) -> None:
    key = keygen(tmp_path / "key", "ecdsa", "-m", form, "-N", "open sesame")
    public = key.with_suffix(".pub").read_text(encoding="ascii")
    with user.authorized_keys.open("a", encoding="ascii") as lines:
        lines.write(public)
    with opened(server.endpoint(user.name, private(key, "open sesame"))) as target:
        assert said(target, "echo in") == b"in\n"
    for wrong in ("sesame", None):
        error = refused(server.endpoint(user.name, private(key, wrong)))
        assert isinstance(error, InvalidInput)
        assert "passphrase" in error.message


def test_a_password_logs_in(server: Server, user: User) -> None:
    with opened(server.endpoint(user.name, Password(user.password))) as target:
        assert said(target, "whoami") == f"{user.name}\n".encode()


def test_a_password_answers_where_the_device_asks_questions(
    asking_server: Server, user: User
) -> None:
    with opened(asking_server.endpoint(user.name, Password(user.password))) as target:
        assert said(target, "whoami") == f"{user.name}\n".encode()
    error = refused(asking_server.endpoint(user.name, Password("another")))
    assert isinstance(error, DeviceRefusedLogin)


def test_a_certificate_logs_in_as_its_principal_only(
    server: Server, user: User, authority: Path, tmp_path: Path
) -> None:
    key = keygen(tmp_path / "key")
    public = key.with_suffix(".pub")
    certificate = sign_user_key(authority, public, user.name)
    pem = key.read_text(encoding="ascii")
    with opened(server.endpoint(user.name, Certificate(pem, certificate))) as target:
        assert said(target, "whoami") == f"{user.name}\n".encode()
    other = sign_user_key(authority, public, "somebody")
    error = refused(server.endpoint(user.name, Certificate(pem, other)))
    assert isinstance(error, DeviceRefusedLogin)
    assert "the certificate" in error.message


def test_a_certificate_over_another_key_is_no_credential(
    server: Server, user: User, authority: Path, tmp_path: Path
) -> None:
    key, other = keygen(tmp_path / "key"), keygen(tmp_path / "other")
    certificate = sign_user_key(authority, other.with_suffix(".pub"), user.name)
    credential = Certificate(key.read_text(encoding="ascii"), certificate)
    assert "over another key" in refused(server.endpoint(user.name, credential)).message


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_kind_of_host_key_that_was_approved_is_asked_for(
    server: Server, user: User, kind: str
) -> None:
    endpoint = server.endpoint(user.name, Password(user.password), kind=kind)
    with opened(endpoint) as target:
        assert target.host_key.public == server.host_key(kind).public


def test_a_host_key_that_nobody_approved_is_shown_and_refused(server: Server, user: User) -> None:
    endpoint = replace(server.endpoint(user.name, Password(user.password)), host_keys=())
    error = refused(endpoint)
    assert isinstance(error, HostKeyUnknown)
    assert not isinstance(error, HostKeyChanged)
    assert (error.algorithm, error.public) == ("ssh-ed25519", server.host_key().public)
    assert server.host_key().fingerprint in error.message
    asked: list[HostKey] = []

    def approve(key: HostKey) -> bool:
        asked.append(key)
        return True

    opened(endpoint, on_new_host_key=approve).close()
    assert [each.public for each in asked] == [server.host_key().public]
    assert scan(endpoint, loopback=True).public == server.host_key().public


def test_a_host_key_that_changed_shows_both_and_gets_no_password(
    server: Server, user: User, tmp_path: Path
) -> None:
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text(encoding="ascii").split()
    approved = HostKey(other[0], fingerprint(other[1]), other[1])
    endpoint = replace(server.endpoint(user.name, Password(user.password)), host_keys=(approved,))
    before = server.log
    error = refused(endpoint, on_new_host_key=lambda key: True)
    assert isinstance(error, HostKeyChanged)
    assert approved.fingerprint in error.message
    assert server.host_key().fingerprint in error.message
    assert "Accepted" not in server.log.removeprefix(before)


def test_a_fingerprint_is_what_openssh_says(server: Server) -> None:
    command = ["ssh-keygen", "-lf", str(server.folder / "host_rsa.pub")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split()[1] == server.host_key("rsa").fingerprint


@pytest.mark.parametrize("names", OLD_SETS.values(), ids=OLD_SETS)
@pytest.mark.parametrize("credential", ["rsa", "password"])
def test_an_old_device_is_spoken_with_where_its_algorithms_are_allowed(
    old_server: Server, user: User, keys: dict[str, Path], names: tuple[str, ...], credential: str
) -> None:
    given = Password(user.password) if credential == "password" else private(keys["rsa"])
    endpoint = old_server.endpoint(user.name, given, kind="rsa", algorithms=names)
    with opened(endpoint) as target:
        assert said(target, "head -c 300000 /dev/zero | wc -c") == b"300000\n"
        assert target.algorithms == ("ssh-rsa", *names[2:])


def test_an_old_device_is_refused_with_what_it_offers_and_what_would_do(
    old_server: Server, user: User
) -> None:
    endpoint = old_server.endpoint(user.name, Password(user.password), kind="rsa")
    error = refused(endpoint)
    assert isinstance(error, AlgorithmsNotAllowed)
    for name in (*OLD_SETS["2008"], *OLD_SETS["2002"]):
        assert name in error.message
        assert name in error.mend
    some = replace(endpoint, algorithms=OLD_SETS["2008"][:3])
    assert "hmac-sha1" in refused(some).mend
    assert "aes128-cbc" not in refused(some).mend


def test_nothing_old_is_spoken_with_a_modern_device_that_would(
    server: Server, user: User, keys: dict[str, Path]
) -> None:
    allowed = (*OLD_SETS["2008"], *OLD_SETS["2002"])
    endpoint = server.endpoint(user.name, private(keys["rsa"]), kind="rsa", algorithms=allowed)
    with opened(endpoint) as target:
        assert target.algorithms[:2] == ("rsa-sha2-512", "aes128-gcm@openssh.com")


@pytest.mark.parametrize("wrong", ["password", "key"])
def test_a_wrong_credential_is_refused_and_never_shown(
    server: Server, user: User, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "correct horse battery staple"
    given = Password(secret) if wrong == "password" else private(keygen(tmp_path / "key"))
    endpoint = server.endpoint(user.name, given)
    error = refused(endpoint)
    assert isinstance(error, DeviceRefusedLogin)
    assert f"refused {user.name} with the {wrong}" in error.message
    shown = f"{error!r} {error.mend} {endpoint!r} {caplog.text} {error.__cause__!r}"
    assert secret not in shown
    assert "PRIVATE KEY" not in shown


def test_a_device_that_takes_keys_only_says_so(folder: Path, user: User) -> None:
    with ssh_server(folder / "keys-only", "PasswordAuthentication no") as server:
        error = refused(server.endpoint(user.name, Password(user.password)))
    assert isinstance(error, DeviceRefusedLogin)
    assert "takes no password" in error.message
    assert "publickey" in error.message


def test_a_port_where_nothing_listens(server: Server, user: User) -> None:
    endpoint = replace(server.endpoint(user.name, Password("x")), port=free_port())
    error = refused(endpoint)
    assert isinstance(error, DeviceUnreachable)
    assert f"web-1 cannot be reached at port {endpoint.port}: 127.0.0.1: nothing listens" in str(
        error
    )


def test_a_port_that_says_nothing(silent_port: int) -> None:
    endpoint = Endpoint("web-1", "127.0.0.1", silent_port, "ada", Password("x"))
    error = refused(endpoint, timeout_s=0.5)
    assert isinstance(error, DeviceUnreachable)
    assert "within 0.5 s" in error.message


def test_an_address_from_which_nothing_comes_back(silent_port: int) -> None:
    with socket.socket() as full:
        # A queue of connections that is full: the next one gets no answer, as at a black hole.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        endpoint = Endpoint("web-1", "127.0.0.1", port, "ada", Password("x"))
        error = refused(endpoint, timeout_s=0.5)
        for each in waiting:
            each.close()
    assert isinstance(error, DeviceUnreachable)
    assert "did not answer within 0.5 s" in error.message


@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff" * 8000, b"SSH-2.0-x\r\n" + b"\xff" * 64, b""],
    ids=["http", "bytes", "packets", "nothing"],
)
def test_what_does_not_speak_ssh(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            sock, _ = listening.accept()
            with sock:
                sock.sendall(greeting)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        error = refused(Endpoint("web-1", "127.0.0.1", port, "ada", Password("x")), timeout_s=5)
        thread.join()
    assert isinstance(error, DeviceError)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *("::", "ff02::1", "fe80::1", "fd00:ec2::254", "100.100.100.200"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
        *("::1", "127.0.0.1", "127.1.2.3", "::ffff:127.0.0.1", "localhost"),
    ],
)
def test_an_address_that_no_device_can_have_is_not_connected_to(address: str) -> None:
    with pytest.raises(InvalidInput, match="no device can have"):
        connect(Endpoint("web-1", address, 22, "ada", Password("x")))


def test_a_name_that_nobody_has() -> None:
    error = refused(Endpoint("web-1", "no-such-host.invalid", 22, "ada", Password("x")))
    assert isinstance(error, DeviceUnreachable)
    assert "no-such-host.invalid" in error.message


@pytest.fixture
def target(server: Server, user: User) -> Target:
    return opened(server.endpoint(user.name, Password(user.password)))


def test_a_command_has_its_output_its_errors_and_its_exit_status(target: Target) -> None:
    with target:
        stream = target.command("cat; echo wrong >&2; exit 7")
        stream.send(b"right\n")
        stream.end_input()
        assert stream.receive() == b"right\n"
        assert stream.receive_errors() == b"wrong\n"
        assert stream.wait(10) == Exit(7)
        assert stream.receive() == b""


def test_a_command_that_a_signal_ended_says_which(target: Target) -> None:
    with target:
        assert target.command("kill -TERM $$").wait(10) == Exit(None, "TERM")
        stream = target.command("trap 'exit 3' INT; echo ready; while :; do sleep 0.05; done")
        assert stream.receive() == b"ready\n"
        stream.signal("INT")
        assert stream.wait(10) == Exit(3)


def test_a_shell_has_a_terminal_of_the_size_that_it_is_told(target: Target) -> None:
    with target:
        environment = {"LANG": "C.UTF-8"}
        shell = target.shell(term="xterm-256color", columns=100, rows=30, environment=environment)
        shell.send(b"PS1=; stty -echo; stty size; echo $TERM $LANG; echo end\n")
        seen = b""
        while b"end\r\n" not in seen.rpartition(b"echo end\r\n")[2]:
            seen += shell.receive()
        assert b"30 100\r\n" in seen
        assert b"xterm-256color C.UTF-8\r\n" in seen
        shell.resize(120, 40)
        shell.send(b"stty size; exit 4\n")
        rest = b"".join(iter(shell.receive, b""))
        assert b"40 120\r\n" in rest
        assert shell.wait(10) == Exit(4)


def test_what_a_device_may_send_ahead_is_bounded(target: Target) -> None:
    with target:
        shell = target.command("cat /dev/zero", term="dumb")
        shell.receive(1)
        held = 0
        for _ in range(40):
            threading.Event().wait(0.05)
            before, held = held, len(shell._channel.in_buffer)
            if held == before:
                break
        assert 0 < held <= 256 * 1024


def test_a_file_comes_by_sftp(target: Target) -> None:
    with target:
        stream = target.subsystem("sftp")
        stream.send(b"\0\0\0\x05\x01\0\0\0\x03")  # SSH_FXP_INIT, version 3
        assert stream.receive()[4:9] == b"\x02\0\0\0\x03"


def test_a_port_of_the_device_is_reached(target: Target, server: Server) -> None:
    with target:
        stream = target.forward("127.0.0.1", server.port, ("127.0.0.1", 1))
        assert stream.receive().startswith(b"SSH-2.0-OpenSSH")
        with pytest.raises(DeviceError, match="refused a connection to port"):
            target.forward("127.0.0.1", free_port(), ("127.0.0.1", 1))


def test_keys_are_agreed_anew_in_the_middle_of_much_output(target: Target) -> None:
    with target:
        stream = target.command("head -c 100000000 /dev/zero")
        count = 0
        rekeyed = threading.Thread(target=target.rekey)
        while data := stream.receive():
            count += len(data)
            if count > 10_000_000 and not rekeyed.ident:
                rekeyed.start()
        rekeyed.join()
        assert count == 100_000_000
        assert stream.wait(10) == Exit(0)


def test_a_stream_that_closes_while_keys_are_agreed_harms_nobody(target: Target) -> None:
    with target:
        for _ in range(30):
            stream = target.command("echo x")
            target.rekey()
            assert stream.receive() == b"x\n"
        assert said(target, "echo still here") == b"still here\n"


def test_a_device_that_goes_ends_what_waits_for_it(
    folder: Path, user: User, keys: dict[str, Path]
) -> None:
    with ssh_server(folder / "going") as server:
        target = opened(server.endpoint(user.name, private(keys["ed25519"])))
        stream = target.command("echo $PPID; sleep 60")
        number = int(stream.receive())
        parent = psutil.Process(number).parent()
        assert parent is not None
        for each in (number, parent.pid):
            os.kill(each, signal.SIGKILL)
        assert stream.receive() == b""
        assert stream.wait(10) == Exit()
        with pytest.raises(DeviceUnreachable):
            stream.send(b"x")
        with pytest.raises(DeviceUnreachable):
            target.command("echo")
        assert not target.alive
        target.close()


def test_threads_have_names_and_end(server: Server, user: User) -> None:
    with opened(server.endpoint(user.name, Password(user.password))):
        assert "ssh-web-1" in {each.name for each in threading.enumerate()}
    for each in threading.enumerate():
        if each.name == "ssh-web-1":
            each.join(10)
            assert not each.is_alive()
