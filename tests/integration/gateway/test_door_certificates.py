"""Who comes in at the gateway's door with a certificate: OpenSSH's client, and its ssh-keygen."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization as coding

from gateway_scene import Scene, call_of
from mavis_core import clock
from mavis_core.db import tables
from mavis_core.errors import InvalidInput, NotFound
from mavis_core.ids import new_id
from mavis_core.logs.sealing import private_key
from mavis_core.remote.gateway_client import GatewayClient
from mavis_core.remote.person_certificates import Issued, PersonCertificate, Wanted
from ssh_client import Client
from ssh_servers import keygen, sign_user_key

OLGA = call_of("olga")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A key pair of olga's, which is registered nowhere."""
    return keygen(tmp_path / "own")


@pytest.fixture
def own(scene: Scene, mine: Path, tmp_path: Path) -> Iterator[Client]:
    """An SSH client of olga's. OpenSSH takes the certificate beside the key by itself."""
    yield Client(tmp_path, scene.config.remote.port, mine, scene.door_key, login="olga:web-1")
    for each in scene.certificates.list(OLGA):
        scene.certificates.revoke(OLGA, each.id)


def public_of(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def issue(scene: Scene, key: Path) -> Issued:
    """Have the key certified, as `mavis ssh login` does."""
    issued = scene.certificates.issue(OLGA, public=public_of(key).read_text("ascii"))
    key.with_name(f"{key.name}-cert.pub").write_text(issued.line + "\n", "ascii")
    return issued


def authority(scene: Scene, folder: Path, name: str = "person-authority-key") -> Path:
    """Return a file with the private key of an authority of the gateway's."""
    made = private_key(scene.config.read_secret("gateway", name))
    path = folder / name
    path.touch(mode=0o600)
    path.write_bytes(
        made.private_bytes(coding.Encoding.PEM, coding.PrivateFormat.OpenSSH, coding.NoEncryption())
    )
    return path


def listed(scene: Scene, person: str, serial: int, *, hours: float = 1) -> PersonCertificate:
    """List a certificate that somebody else signs."""
    now = clock.now()
    made = PersonCertificate(
        new_id("pct"), person, serial, "SHA256:x", now, now + timedelta(hours=hours), None
    )
    with scene.database.write() as tx:
        values = {name: getattr(made, name) for name in PersonCertificate.__slots__}
        tx.execute(sa.insert(tables.person_certificates).values(**values))
    return made


def test_a_certificate_lets_its_person_in_and_says_who_when_and_for_what(
    scene: Scene, own: Client, mine: Path
) -> None:
    issued = issue(scene, mine)
    done = own.ssh("whoami; exit 3")
    assert (done.returncode, done.stderr) == (3, b"")
    session = scene.newest()
    assert (session.person, session.entrance) == ("olga", "door")
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", f"{mine}-cert.pub"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    told = {
        name.strip(): value.strip() for name, _, value in (each.partition(":") for each in shown)
    }
    serial = str(issued.certificate.serial)
    assert (told["Serial"], told["Key ID"]) == (serial, f'"olga {serial}"')
    listed_there = [each.strip() for each in shown if each.startswith(" " * 16)]
    assert listed_there == ["olga", "permit-port-forwarding", "permit-pty"]
    (listed_here,) = scene.certificates.list(OLGA)
    assert listed_here.used_at is not None
    assert listed_here.expires_at - listed_here.issued_at == timedelta(hours=8)
    actions = [each.action for each in scene.records(issued.certificate.id)]
    assert actions == ["person_certificate.issue"]


def test_what_ssh_keygen_signs_with_the_authoritys_key_is_taken_where_it_is_listed(
    scene: Scene, own: Client, mine: Path, tmp_path: Path
) -> None:
    signer = authority(scene, tmp_path)
    sign_user_key(signer, public_of(mine), "olga", options=("-z", "42"))
    assert own.ssh("true").returncode == 255  # signed, and listed nowhere
    listed(scene, "olga", 42)
    assert own.ssh("true").returncode == 0


@pytest.mark.parametrize(
    ("person", "principal", "options"),
    [
        ("olga", "ada", ()),
        ("ada", "olga", ()),
        ("olga", "olga", ("-V", "-2h:-1h")),
        ("olga", "olga", ("-V", "+1h:+2h")),
        ("olga", "olga", ("-O", "force-command=true")),
        ("olga", "olga", ("-h",)),
    ],
    ids=["other principal", "another's", "over", "not yet", "critical option", "host"],
)
def test_a_certificate_that_does_not_fit_lets_nobody_in(
    scene: Scene,
    own: Client,
    mine: Path,
    tmp_path: Path,
    person: str,
    principal: str,
    options: tuple[str, ...],
) -> None:
    serial = 1000 + sum(map(ord, f"{person}{principal}{options}"))
    made = listed(scene, person, serial)
    signer = authority(scene, tmp_path)
    sign_user_key(signer, public_of(mine), principal, options=("-z", str(serial), *options))
    assert own.ssh("true").returncode == 255
    scene.certificates.revoke(call_of(person), made.id)


def test_the_authority_for_devices_lets_nobody_in_at_the_door(
    scene: Scene, own: Client, mine: Path, tmp_path: Path
) -> None:
    listed(scene, "olga", 43)
    signer = authority(scene, tmp_path, "device-authority-key")
    sign_user_key(signer, public_of(mine), "olga", options=("-z", "43"))
    assert own.ssh("true").returncode == 255
    assert public_of(mine).read_text("ascii").split()[1] not in scene.door_key


@pytest.mark.parametrize("login", ["ada:web-1", "eve:web-1", "olga:nothing"])
def test_a_certificate_is_for_its_person_and_their_devices(
    scene: Scene, own: Client, mine: Path, login: str
) -> None:
    issue(scene, mine)
    own.login = login
    done = own.ssh("echo reached")
    assert b"reached" not in done.stdout
    assert done.returncode == 255


def test_a_revoked_certificate_opens_nothing_not_even_on_a_connection_that_is_there(
    scene: Scene, own: Client, mine: Path, tmp_path: Path
) -> None:
    issued = issue(scene, mine)
    own.more = [
        "Host *",
        f"ControlPath {tmp_path}/mux",
    ]
    assert own.run("ssh", "-M", "-N", "-f", "-o", "ControlPersist=yes", "appliance").returncode == 0
    assert own.ssh("true").returncode == 0
    scene.certificates.revoke(OLGA, issued.certificate.id)
    kept = own.ssh("echo reached")
    assert (kept.stdout, kept.returncode) == (b"", 255)
    assert b"was revoked" in kept.stderr
    assert b"mavis ssh login" in kept.stderr
    own.run("ssh", "-O", "exit", "appliance")
    own.more = []
    assert own.ssh("true").returncode == 255
    with pytest.raises(NotFound):
        scene.certificates.revoke(OLGA, issued.certificate.id)


def test_a_person_whom_the_hub_does_not_know_any_more_stays_out_with_a_certificate(
    scene: Scene, own: Client, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(scene, mine)
    assert own.ssh("true").returncode == 0
    left = {k: v for k, v in scene.hub.known.items() if v.principal.name != "olga"}
    monkeypatch.setattr(scene.hub, "known", left)
    assert own.ssh("true").returncode == 255


def test_the_gateway_signs_nothing_for_longer_than_it_may(scene: Scene, mine: Path) -> None:
    now, public = clock.now(), public_of(mine).read_text("ascii")
    gateway = GatewayClient.of(scene.config)
    with pytest.raises(InvalidInput, match="24 hours at most"):
        gateway.sign(Wanted("olga", 1, public, now, now + timedelta(hours=25)))
    with pytest.raises(InvalidInput, match="private key"):
        gateway.sign(Wanted("olga", 1, mine.read_text("ascii"), now, now + timedelta(hours=1)))


def test_the_door_says_by_what_it_is_known(scene: Scene) -> None:
    assert GatewayClient.of(scene.config).door_key() == scene.door_key
