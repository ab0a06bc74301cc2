"""Keys and passwords of devices are rotated with proof, and each step may be the last one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mavis_core.errors import DeviceError, DeviceRefusedLogin, InvalidInput
from mavis_core.remote.model import Credential, Password, PrivateKey
from mavis_core.remote.ssh import Step, connect, rotate
from ssh_servers import Server, User, keygen, ssh_server, unix_user

pytestmark = pytest.mark.root

OPTIONS = 'no-port-forwarding,environment="A=b c"'


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def person(folder: Path) -> User:
    with unix_user(folder) as made:
        yield made  # type: ignore[misc]


@pytest.fixture
def pair(person: User, tmp_path: Path) -> tuple[PrivateKey, PrivateKey]:
    """The key that `person` has, among other lines, and the next one."""
    old, new = keygen(tmp_path / "old"), keygen(tmp_path / "new")
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text(encoding="ascii").strip()
    line = old.with_suffix(".pub").read_text(encoding="ascii").split()
    text = f"# {line[1]}\n{other} other@x\n{OPTIONS} {' '.join(line)} old@x\n# end"
    person.authorized_keys.write_text(text, encoding="ascii")
    person.authorized_keys.chmod(0o640)
    return tuple(PrivateKey(each.read_text(encoding="ascii")) for each in (old, new))  # type: ignore[return-value]


def works(server: Server, user: User, credential: Credential) -> bool:
    try:
        connect(server.endpoint(user.name, credential), loopback=True).close()
    except DeviceRefusedLogin:
        return False
    return True


def test_a_key_is_rotated_and_other_lines_stay(
    server: Server, person: User, pair: tuple[PrivateKey, PrivateKey], tmp_path: Path
) -> None:
    old, new = pair
    before = person.authorized_keys.read_text(encoding="ascii")
    owner = person.authorized_keys.stat().st_uid
    steps: list[Step] = []
    rotate(server.endpoint(person.name, old), new, told=steps.append, loopback=True)
    assert steps == [Step.STORE, Step.PROVED, Step.DONE]
    assert not works(server, person, old)
    assert works(server, person, new)
    lines = person.authorized_keys.read_text(encoding="ascii").splitlines()
    assert lines[:2] == before.splitlines()[:2]
    assert lines[2] == "# end"
    public = (tmp_path / "new.pub").read_text(encoding="ascii").strip()
    assert lines[3:] == [f"{OPTIONS} {public} old@x"]
    found = person.authorized_keys.stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o640, owner)
    assert [each.name for each in person.authorized_keys.parent.iterdir()] == ["authorized_keys"]


@pytest.mark.parametrize("last", list(Step))
def test_a_rotation_of_a_key_that_was_killed_goes_on(
    server: Server, person: User, pair: tuple[PrivateKey, PrivateKey], last: Step
) -> None:
    old, new = pair

    def killed(step: Step) -> None:
        if step is last:
            raise Killed

    endpoint = server.endpoint(person.name, old)
    with pytest.raises(Killed):
        rotate(endpoint, new, told=killed, loopback=True)
    assert works(server, person, old) or works(server, person, new)
    rotate(endpoint, new, told=lambda step: None, loopback=True)
    assert not works(server, person, old)
    assert works(server, person, new)
    assert len(person.authorized_keys.read_text(encoding="ascii").splitlines()) == 4


@pytest.mark.parametrize("last", [None, *Step])
def test_a_password_is_rotated_also_where_it_was_killed(
    server: Server, person: User, last: Step | None
) -> None:
    old, new = Password(person.password), Password("Tr0ubador&3-$HOME;'x\"")

    def killed(step: Step) -> None:
        if step is last:
            raise Killed

    endpoint = server.endpoint(person.name, old)
    try:
        rotate(endpoint, new, told=killed, loopback=True)
    except Killed:
        rotate(endpoint, new, told=lambda step: None, loopback=True)
    assert not works(server, person, old)
    assert works(server, person, new)


def test_a_password_that_the_device_does_not_like_leaves_the_old_one(
    server: Server, person: User
) -> None:
    old, new = Password(person.password), Password("a")
    with pytest.raises(DeviceError, match="the old one still works") as caught:
        rotate(server.endpoint(person.name, old), new, told=lambda step: None, loopback=True)
    assert person.password not in f"{caught.value} {caught.value.mend} {caught.value.__cause__}"
    assert works(server, person, old)


def test_a_key_that_is_kept_elsewhere_is_not_rotated(
    server: Server, person: User, pair: tuple[PrivateKey, PrivateKey], tmp_path: Path, folder: Path
) -> None:
    old, new = pair
    elsewhere = folder / f"keys-{person.name}"
    elsewhere.write_text((tmp_path / "old.pub").read_text(encoding="ascii"), encoding="ascii")
    elsewhere.chmod(0o644)
    person.authorized_keys.write_text("# nothing\n", encoding="ascii")
    with ssh_server(folder / person.name / "s", f"AuthorizedKeysFile {elsewhere}") as other:
        with pytest.raises(DeviceError, match=r"old one still works.*authorized_keys"):
            rotate(other.endpoint(person.name, old), new, told=lambda step: None, loopback=True)
        assert works(other, person, old)
    assert person.authorized_keys.read_text(encoding="ascii") == "# nothing\n"


def test_a_new_key_that_does_not_work_is_taken_back(
    server: Server, person: User, pair: tuple[PrivateKey, PrivateKey], folder: Path
) -> None:
    """The device takes keys of one kind only, and the new one is of another."""
    old = pair[0]
    ecdsa = keygen(folder / f"ecdsa-{person.name}", "ecdsa")
    new = PrivateKey(ecdsa.read_text(encoding="ascii"))
    before = sorted(person.authorized_keys.read_text(encoding="ascii").splitlines())
    settings = "PubkeyAcceptedAlgorithms ssh-ed25519"
    with ssh_server(folder / person.name / "s", settings) as other:
        with pytest.raises(DeviceError, match=r"the old one still works: .* refused .* the key"):
            rotate(other.endpoint(person.name, old), new, told=lambda step: None, loopback=True)
        assert works(other, person, old)
    assert sorted(person.authorized_keys.read_text(encoding="ascii").splitlines()) == before


def test_two_that_do_not_work_say_so(server: Server, person: User, tmp_path: Path) -> None:
    old, new = (
        PrivateKey(keygen(tmp_path / name).read_text(encoding="ascii")) for name in ("a", "b")
    )
    with pytest.raises(DeviceRefusedLogin, match="with the old and with the new one"):
        rotate(server.endpoint(person.name, old), new, told=lambda step: None, loopback=True)


def test_a_key_is_not_rotated_to_a_password(
    server: Server, person: User, pair: tuple[PrivateKey, PrivateKey]
) -> None:
    endpoint = replace(server.endpoint(person.name, pair[0]))
    with pytest.raises(InvalidInput, match="a password to a password"):
        rotate(endpoint, Password("new one"), told=lambda step: None, loopback=True)
