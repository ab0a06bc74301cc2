"""Files through the door: scp in both modes, sftp, rsync and Ansible, by policy, each recorded."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from door_double import Scene
from mavis_core.remote.model import EndReason, Policy, SessionKind, Transfers
from mavis_hub.gateway.door.ports import Direction, Transfer
from ssh_client import HOST

pytestmark = pytest.mark.root

MODES = {"sftp": (), "own": ("-O",)}
SIZES = [0, 1, 32767, 5_000_001]
UP, DOWN = Policy(transfers=Transfers.UPLOAD), Policy(transfers=Transfers.DOWNLOAD)


def made(path: Path, size: int = 100_000) -> bytes:
    data = os.urandom(size)
    path.write_bytes(data)
    return data


def went(direction: Direction, path: str | Path, data: bytes) -> Transfer:
    return Transfer(direction, str(path), len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def there(scene: Scene) -> Path:
    """A new folder of the device's user."""
    path = scene.place(f"there-{os.urandom(4).hex()}")
    path.mkdir()
    owner = scene.user.home.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    return path


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_copied_and_recorded(
    scene: Scene, there: Path, tmp_path: Path, mode: tuple[str, ...], size: int
) -> None:
    data = made(tmp_path / "file", size)
    done = scene.client.run("scp", *mode, str(tmp_path / "file"), f"{HOST}:{there}/copy")
    assert done.returncode == 0, done.stderr
    assert (there / "copy").read_bytes() == data
    kept = scene.last()
    assert kept.wish.kind is SessionKind.TRANSFER
    assert kept.transfers == [went(Direction.UPLOAD, there / "copy", data)]
    done = scene.client.run("scp", *mode, f"{HOST}:{there}/copy", str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_bytes() == data
    assert scene.last().transfers == [went(Direction.DOWNLOAD, there / "copy", data)]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_folders_are_copied_and_each_file_is_recorded(
    scene: Scene, there: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    one = made(tmp_path / "tree" / "one file")
    two = made(tmp_path / "tree" / "deep" / "two")
    done = scene.client.run("scp", *mode, "-rp", str(tmp_path / "tree"), f"{HOST}:{there}/")
    assert done.returncode == 0, done.stderr
    assert sorted(scene.last().transfers, key=lambda each: each.path) == [
        went(Direction.UPLOAD, there / "tree" / "deep" / "two", two),
        went(Direction.UPLOAD, there / "tree" / "one file", one),
    ]
    done = scene.client.run("scp", *mode, "-r", f"{HOST}:{there}/tree", str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back" / "deep" / "two").read_bytes() == two
    assert {each.sha256 for each in scene.last().transfers} == {
        hashlib.sha256(each).hexdigest() for each in (one, two)
    }


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_file_that_is_not_there_is_no_transfer(
    scene: Scene, there: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    done = scene.client.run("scp", *mode, f"{HOST}:{there}/nothing", str(tmp_path / "back"))
    assert done.returncode == 1
    assert b"No such file" in done.stderr
    assert scene.last().transfers == []


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize(("policy", "up", "down"), [(UP, 0, 1), (DOWN, 1, 0)])
def test_files_go_in_the_direction_that_the_policy_allows(
    scene: Scene,
    there: Path,
    tmp_path: Path,
    mode: tuple[str, ...],
    policy: Policy,
    up: int,
    down: int,
) -> None:
    made(tmp_path / "file")
    made(there / "kept")
    scene.memory.policy = policy
    sent = scene.client.run("scp", *mode, str(tmp_path / "file"), f"{HOST}:{there}/new")
    taken = scene.client.run("scp", *mode, f"{HOST}:{there}/kept", str(tmp_path / "back"))
    assert (bool(sent.returncode), bool(taken.returncode)) == (bool(up), bool(down))
    assert (there / "new").exists() is not bool(up)
    assert (tmp_path / "back").exists() is not bool(down)
    refused = sent if up else taken
    assert b"allows no " in refused.stderr or b"ermission denied" in refused.stderr, refused.stderr


def test_nothing_is_changed_where_only_downloads_are_allowed(scene: Scene, there: Path) -> None:
    data = made(there / "kept")
    mode = (there / "kept").stat().st_mode
    scene.memory.policy = DOWN
    for line in (
        f"rm {there}/kept",
        f"rename {there}/kept {there}/other",
        f"mkdir {there}/new",
        f"rmdir {there}",
        f"chmod 777 {there}/kept",
        f"symlink /etc/passwd {there}/link",
        f"ln {there}/kept {there}/hard",
    ):
        done = scene.client.sftp(line)
        assert done.returncode == 1, line
        assert b"allows no upload" in done.stderr or b"ermission denied" in done.stderr, done.stderr
        assert "refused" in scene.last().page.markers[0]
    assert [each.name for each in there.iterdir()] == ["kept"]
    assert (there / "kept").read_bytes() == data
    assert (there / "kept").stat().st_mode == mode


def test_what_sftp_changes_is_recorded(scene: Scene, there: Path) -> None:
    made(there / "a")
    lines = (f"rename {there}/a {there}/b", f"mkdir {there}/c", f"rm {there}/b", f"rmdir {there}/c")
    assert scene.client.sftp(*lines).returncode == 0
    assert scene.last().page.markers == [
        f"rename {there}/a {there}/b",
        f"make the folder {there}/c",
        f"remove {there}/b",
        f"remove the folder {there}/c",
    ]


def test_a_copy_that_goes_on_is_recorded_as_the_part_that_went(
    scene: Scene, there: Path, tmp_path: Path
) -> None:
    data = made(there / "file", 1_000_000)
    (tmp_path / "back").write_bytes(data[:400_000])
    done = scene.client.sftp(f"reget {there}/file {tmp_path}/back")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_bytes() == data
    (found,) = scene.last().transfers
    assert (found.offset, found.size_bytes) == (400_000, 600_000)
    assert found.sha256 == hashlib.sha256(data[400_000:]).hexdigest()


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_outside_of_the_folders_of_the_policy_nothing_is_seen(
    scene: Scene, there: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    inside, outside = there / "in", there / "in-not"
    for each in (inside, outside):
        each.mkdir()
        each.chmod(0o777)
        made(each / "file")
    (inside / "link").symlink_to(outside / "file")
    (inside / "up").symlink_to(outside)
    scene.memory.policy = Policy(transfers=Transfers.BOTH, paths=(str(inside),))
    copy = scene.client.run("scp", *mode, f"{HOST}:{inside}/file", str(tmp_path / "good"))
    assert copy.returncode == 0, copy.stderr
    for path in (
        outside / "file",
        inside / "link",
        inside / "up" / "file",
        f"{inside}/../in-not/file",
        "/etc/passwd",
    ):
        done = scene.client.run("scp", *mode, f"{HOST}:{path}", str(tmp_path / "bad"))
        assert done.returncode != 0, path
        assert not (tmp_path / "bad").exists(), path
    made(tmp_path / "new")
    for path in (outside / "new", inside / "up" / "new", inside / "link"):
        before = (outside / "file").read_bytes()
        done = scene.client.run("scp", *mode, str(tmp_path / "new"), f"{HOST}:{path}")
        assert done.returncode != 0, path
        assert (outside / "file").read_bytes() == before
        assert not (outside / "new").exists()
    done = scene.client.run("scp", *mode, str(tmp_path / "new"), f"{HOST}:{inside}/")
    assert done.returncode == 0, done.stderr
    assert (inside / "new").exists()


def test_sftp_in_some_folders_begins_there_and_shows_no_others(scene: Scene, there: Path) -> None:
    (there / "in").mkdir()
    made(there / "in" / "file")
    scene.memory.policy = Policy(paths=(str(there / "in"),))
    done = scene.client.sftp("pwd", "ls")
    assert f"Remote working directory: {there}/in".encode() in done.stdout, done.stderr
    assert b"file" in done.stdout
    for line in ("ls /", f"ls {there}", "cd ..", f"symlink /etc/passwd {there}/in/link"):
        assert scene.client.sftp(line).returncode == 1, line
    assert not (there / "in" / "link").is_symlink()


@pytest.mark.parametrize(
    "command",
    ["scp -t /tmp/x; id", "scp -f $HOME/x", "scp -f `id`", "scp -f /x > /tmp/y", "scp -t x\nid"],
)
def test_a_copy_that_could_be_more_is_refused(scene: Scene, command: str) -> None:
    done = scene.client.ssh(command)
    assert (done.returncode, done.stdout) == (255, b"")
    assert b"plain paths only" in done.stderr
    ended = scene.last().ended
    assert ended is not None
    assert ended.reason is EndReason.REFUSED


def test_rsync_goes_in_both_directions_and_is_counted(
    scene: Scene, there: Path, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    data = made(tmp_path / "tree" / "file", 1_000_000)
    done = scene.client.rsync("-az", "--delete", f"{tmp_path}/tree", f"{HOST}:{there}/")
    assert done.returncode == 0, done.stderr
    assert (there / "tree" / "file").read_bytes() == data
    kept = scene.last()
    assert kept.wish.kind is SessionKind.TRANSFER
    assert kept.page.markers[0].startswith("rsync, upload: 100")
    done = scene.client.rsync("-a", f"{HOST}:{there}/tree/", f"{tmp_path}/back/")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back" / "file").read_bytes() == data
    assert scene.last().page.markers[0].startswith("rsync, download: ")


def test_rsync_keeps_to_the_policy(scene: Scene, there: Path, tmp_path: Path) -> None:
    made(there / "file")
    scene.memory.policy = DOWN
    assert scene.client.rsync("-a", f"{HOST}:{there}/file", f"{tmp_path}/back").returncode == 0
    for arguments in (
        ("-a", f"{tmp_path}/back", f"{HOST}:{there}/new"),
        ("-a", "--remove-source-files", f"{HOST}:{there}/file", f"{tmp_path}/other"),
    ):
        done = scene.client.rsync(*arguments)
        assert done.returncode != 0
        assert b"mavis: " in done.stderr
    assert [each.name for each in there.iterdir()] == ["file"]


def test_ansible_does_its_work(scene: Scene, there: Path, tmp_path: Path) -> None:
    data = made(tmp_path / "file")
    (tmp_path / "hosts").write_text(f"{HOST} ansible_python_interpreter=/usr/bin/python3\n")
    (tmp_path / "play.yml").write_text(f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
    - ansible.builtin.copy: {{src: {tmp_path}/file, dest: {there}/copy}}
    - ansible.builtin.command: sha256sum {there}/copy
      register: found
      changed_when: false
    - ansible.builtin.debug: {{var: found.stdout}}
    - ansible.builtin.command: "false"
      register: wrong
      failed_when: wrong.rc != 1
""")
    environment = {
        **os.environ,
        "ANSIBLE_SSH_ARGS": f"-F {scene.client.config}",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "LC_ALL": "C.UTF-8",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "-i", str(tmp_path / "hosts"), str(tmp_path / "play.yml")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashlib.sha256(data).hexdigest() in done.stdout
    digests = {each.sha256 for kept in scene.memory.kept for each in kept.transfers}
    assert hashlib.sha256(data).hexdigest() in digests


def test_names_without_a_folder_mean_those_of_the_policy_and_not_of_the_login(
    scene: Scene, there: Path, tmp_path: Path
) -> None:
    """The device would take them as below the home of the login, which is outside."""
    made(tmp_path / "new")
    before = sorted(each.name for each in scene.user.home.iterdir())
    scene.memory.policy = Policy(paths=(str(there),))
    done = scene.client.run("scp", "-O", str(tmp_path / "new"), f"{HOST}:one")
    assert done.returncode == 0, done.stderr
    assert scene.last().transfers[0].path == str(there / "one")
    done = scene.client.run("scp", "-O", f"{HOST}:one", str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    target, link = b"one", b"two"
    packet = b"\x14\0\0\0\x07"  # SSH_FXP_SYMLINK, which clients send with whole paths otherwise
    packet += b"".join(len(each).to_bytes(4, "big") + each for each in (target, link))
    given = b"\0\0\0\x05\x01\0\0\0\x03" + len(packet).to_bytes(4, "big") + packet
    command = ["ssh", "-F", str(scene.client.config), "-s", HOST, "sftp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(given)
        client.stdin.flush()
        until = time.monotonic() + 20
        while not (there / "two").is_symlink():
            assert time.monotonic() < until
            time.sleep(0.05)
        client.stdin.close()
        client.stdout.read()
    assert sorted(each.name for each in scene.user.home.iterdir()) == before


def test_a_link_below_a_folder_that_is_copied_to_leads_nowhere(
    scene: Scene, there: Path, tmp_path: Path
) -> None:
    data = made(there / "outside")
    (there / "outside").chmod(0o666)
    (there / "in").mkdir()
    (there / "in").chmod(0o777)
    (there / "in" / "new").symlink_to(there / "outside")
    made(tmp_path / "new")
    scene.memory.policy = Policy(paths=(str(there / "in"),))
    done = scene.client.run("scp", "-O", str(tmp_path / "new"), f"{HOST}:{there}/in")
    assert done.returncode != 0
    assert (there / "outside").read_bytes() == data


def test_a_shell_without_a_terminal_reads_commands(scene: Scene) -> None:
    done = scene.client.run("ssh", "-T", HOST, given=b"echo one\nexit 4\n")
    assert (done.returncode, done.stdout) == (4, b"one\n")
