"""Devices, ways into them, tickets, sessions: who may do what, and what is left of it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_identity

from core_double import KERNEL, PLATFORM, Core, call
from mavis_core import clock
from mavis_core.access import CallContext, Role
from mavis_core.db.paging import PageRequest
from mavis_core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)
from mavis_core.remote.authority import Authority
from mavis_core.remote.desk import Desk
from mavis_core.remote.devices import Devices
from mavis_core.remote.model import (
    KEY_FIELDS,
    AccessService,
    Certificate,
    EndReason,
    HostKey,
    HostKeyState,
    Password,
    Policy,
    Protocol,
    Session,
    SessionKind,
    SessionState,
    Transfers,
)
from mavis_core.remote.person_keys import PersonKeys
from mavis_core.remote.sessions import Asked, Sessions
from mavis_core.remote.tickets import Purpose
from mavis_core.vault.sealing import Opener, Sealer, generate
from mavis_core.vault.service import Vault
from public_keys import public_key

ADA = call("ada", PLATFORM)
OLGA = call("olga", KERNEL)
SECRET = "correct horse battery staple"
SEEN = HostKey("ssh-ed25519", "SHA256:one", "AAAA", HostKeyState.SEEN)


@dataclass
class Remote:
    """The services of remote sessions over one core."""

    core: Core
    devices: Devices
    sessions: Sessions
    desk: Desk
    keys: PersonKeys
    authority: Authority

    def way(self, policy: Policy | None = None, *, name: str = "ssh") -> AccessService:
        return self.devices.allow(
            ADA,
            "shop",
            "web-1",
            name=name,
            protocol=Protocol.SSH,
            port=22,
            login="admin",
            key="web",
            policy=policy or Policy(),
        )

    def opened(self, by: CallContext = OLGA) -> Session:
        asked = self.sessions.ask(by, "shop", "web-1")
        return self.desk.opened(self.desk.admit(asked.ticket, by.source).session)


@pytest.fixture
def remote(core: Core) -> Remote:
    core.shop()
    private, public = generate()
    vault = Vault(
        core.database,
        Sealer(generate()[1]),
        Opener(private),
        sealers=dict.fromkeys(KEY_FIELDS, Sealer(public)),
    )
    vault.store(
        ADA, name="web", kind="device-password", value={"password": SECRET}, known=KEY_FIELDS
    )
    authority = Authority(Ed25519PrivateKey.generate())
    made = Remote(
        core,
        Devices(core.database, core.projects),
        Sessions(core.database, core.projects),
        Desk(core.database, core.projects, vault, authority),
        PersonKeys(core.database),
        authority,
    )
    made.devices.create(ADA, "shop", name="web-1", address="10.0.3.17")
    return made


def test_a_ticket_opens_a_session_once_and_the_key_is_opened_by_the_gateway(
    remote: Remote,
) -> None:
    remote.way()
    asked = remote.sessions.ask(OLGA, "shop", "web-1")
    admitted = remote.desk.admit(asked.ticket, OLGA.source)
    assert (admitted.person, admitted.purpose) == ("olga", Purpose.OPEN)
    way = remote.desk.way(admitted.session)
    assert way.endpoint.credential == Password(SECRET)
    assert (way.endpoint.address, way.endpoint.login) == ("10.0.3.17", "admin")
    assert SECRET not in repr(way)
    with pytest.raises(Unauthenticated):
        remote.desk.admit(asked.ticket, OLGA.source)
    session = remote.desk.opened(admitted.session)
    assert remote.sessions.get(OLGA, "shop", session.id).state is SessionState.OPEN
    remote.desk.ended(session, EndReason.EXITED, "It ended", exit_status=3)
    last = remote.sessions.get(OLGA, "shop", session.id)
    assert (last.state, last.exit_status) == (SessionState.ENDED, 3)
    told = [(each.action, each.person) for each in remote.core.records() if each.object == last.id]
    assert told == [("session.ask", "olga"), ("session.open", "olga"), ("session.end", "olga")]
    assert SECRET not in str([each.to_json() for each in remote.core.records()])


@pytest.mark.parametrize("fault", ["source", "late", "guess"])
def test_a_ticket_of_another_address_or_too_late_lets_nobody_in(
    remote: Remote, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.way()
    asked = remote.sessions.ask(OLGA, "shop", "web-1")
    source, ticket = OLGA.source, asked.ticket
    if fault == "source":
        source = "192.0.2.7"
    elif fault == "guess":
        ticket = "A" * 43
    else:
        late = clock.now() + timedelta(seconds=61)
        monkeypatch.setattr(clock, "now", lambda: late)
    with pytest.raises(Unauthenticated):
        remote.desk.admit(ticket, source)
    if fault == "source":  # whoever tried it has used it up
        with pytest.raises(Unauthenticated):
            remote.desk.admit(ticket, OLGA.source)


def test_a_role_that_was_taken_opens_nothing_and_ends_what_is_open(remote: Remote) -> None:
    remote.way()
    open_ = remote.opened()
    asked = remote.sessions.ask(OLGA, "shop", "web-1")
    assert remote.desk.endings() == ()
    remote.core.projects.put_member(ADA, "shop", "user:olga", Role.VIEWER)
    with pytest.raises(Forbidden):
        remote.desk.admit(asked.ticket, OLGA.source)
    (ending,) = remote.desk.endings()
    assert (ending.session_id, ending.reason) == (open_.id, EndReason.TERMINATED)
    assert "may not open sessions" in ending.detail


def test_who_may_not_open_is_refused_before_anything_is_written(remote: Remote) -> None:
    remote.way()
    before = len(remote.core.records())
    with pytest.raises(Forbidden):
        remote.sessions.ask(call("vera", KERNEL, "lookers"), "shop", "web-1")
    with pytest.raises(NotFound):
        remote.sessions.ask(call("eve"), "shop", "web-1")
    assert len(remote.core.records()) == before
    assert remote.sessions.list(OLGA, "shop", PageRequest()).items == ()


def test_the_policy_decides_what_a_session_may_be(remote: Remote) -> None:
    remote.way(Policy(shell=False, sessions=1))
    with pytest.raises(Forbidden, match="allows no terminal"):
        remote.sessions.ask(OLGA, "shop", "web-1")
    remote.sessions.ask(OLGA, "shop", "web-1", kind=SessionKind.COMMAND, command="uptime")
    with pytest.raises(TooManyRequests, match="the most"):
        remote.sessions.ask(OLGA, "shop", "web-1", kind=SessionKind.COMMAND, command="uptime")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (SessionKind.TERMINAL, "uptime"),
        (SessionKind.COMMAND, None),
        (SessionKind.COMMAND, "a\0b"),
        (SessionKind.TRANSFER, None),
    ],
)
def test_what_makes_no_sense_is_no_session(
    remote: Remote, kind: SessionKind, command: str | None
) -> None:
    remote.way()
    with pytest.raises(InvalidInput):
        remote.sessions.ask(OLGA, "shop", "web-1", kind=kind, command=command)


def test_one_of_several_ways_must_be_named_unless_it_is_called_ssh(remote: Remote) -> None:
    with pytest.raises(NotFound, match="no access service"):
        remote.sessions.ask(OLGA, "shop", "web-1")
    remote.way(name="first")
    assert remote.sessions.ask(OLGA, "shop", "web-1").session.access_service == "first"
    remote.way(name="second")
    with pytest.raises(NotFound, match="several"):
        remote.sessions.ask(OLGA, "shop", "web-1")
    remote.way(name="ssh")
    assert remote.sessions.ask(OLGA, "shop", "web-1").session.access_service == "ssh"


def test_only_ones_own_session_is_come_back_to_and_only_auditors_watch(remote: Remote) -> None:
    remote.way()
    session = remote.opened()
    back = remote.sessions.come_back(OLGA, "shop", session.id)
    assert remote.desk.admit(back.ticket, OLGA.source).purpose is Purpose.RETURN
    with pytest.raises(NotFound):
        remote.sessions.come_back(ADA, "shop", session.id)
    with pytest.raises(Forbidden):
        remote.sessions.watch(OLGA, "shop", session.id)
    watching: Asked = remote.sessions.watch(ADA, "shop", session.id)
    admitted = remote.desk.admit(watching.ticket, ADA.source)
    assert (admitted.person, admitted.purpose) == ("ada", Purpose.WATCH)
    assert remote.core.records()[-1].action == "session.watch"


def test_a_session_is_ended_by_its_person_or_by_a_role_for_it(remote: Remote) -> None:
    remote.way()
    remote.core.projects.put_member(ADA, "shop", "user:otto", Role.OPERATOR)
    session = remote.opened()
    with pytest.raises(Forbidden):
        remote.sessions.end(call("otto"), "shop", session.id)
    assert remote.desk.endings() == ()
    remote.sessions.end(ADA, "shop", session.id, "maintenance")
    assert remote.sessions.end(OLGA, "shop", session.id).end_asked_by == "ada"
    (ending,) = remote.desk.endings()
    assert ending.detail == "ada ended it"


def test_a_removed_device_ends_its_sessions_and_leaves_their_story(remote: Remote) -> None:
    remote.way()
    session = remote.opened()
    remote.devices.remove(ADA, "shop", "web-1")
    (ending,) = remote.desk.endings()
    assert ending.session_id == session.id
    with pytest.raises(NotFound):
        remote.desk.way(session)
    assert remote.sessions.get(OLGA, "shop", session.id).device == "web-1"


def test_who_has_lost_the_right_ends_and_nobody_else(remote: Remote) -> None:
    remote.way()
    remote.core.projects.put_member(ADA, "shop", "user:pete", Role.OPERATOR)
    pete = call("pete", KERNEL)
    lost, ended, stays = remote.opened(), remote.opened(), remote.opened(pete)
    assert remote.desk.endings() == ()
    remote.sessions.end(ADA, "shop", ended.id)
    remote.core.projects.put_member(ADA, "shop", "user:olga", Role.VIEWER)
    said = {each.session_id: each.detail for each in remote.desk.endings()}
    assert said == {
        lost.id: "olga may not open sessions in shop any more",
        ended.id: "ada ended it",
    }
    assert stays.id not in said


def test_a_host_key_must_be_approved_and_a_new_one_replaces_it(remote: Remote) -> None:
    remote.way()
    session = remote.sessions.ask(OLGA, "shop", "web-1").session
    assert remote.desk.way(session).endpoint.host_keys == ()
    remote.desk.saw(session, SEEN)
    remote.desk.saw(session, SEEN)
    assert [each.state for each in _shown(remote)] == [HostKeyState.SEEN]
    with pytest.raises(Forbidden):
        remote.devices.approve(OLGA, "shop", "web-1", "ssh", "SHA256:one")
    with pytest.raises(NotFound):
        remote.devices.approve(ADA, "shop", "web-1", "ssh", "SHA256:two")
    remote.devices.approve(ADA, "shop", "web-1", "ssh", "SHA256:one")
    assert [each.fingerprint for each in remote.desk.way(session).endpoint.host_keys] == [
        "SHA256:one"
    ]
    remote.desk.saw(session, replace(SEEN, fingerprint="SHA256:two"))
    remote.devices.approve(ADA, "shop", "web-1", "ssh", "SHA256:two")
    assert [each.state for each in _shown(remote)] == [
        HostKeyState.REPLACED,
        HostKeyState.APPROVED,
    ]
    seen = [each.action for each in remote.core.records() if each.action.startswith("host_key")]
    assert seen == ["host_key.see", "host_key.approve", "host_key.see", "host_key.approve"]


def _shown(remote: Remote) -> tuple[HostKey, ...]:
    return remote.devices.host_keys(OLGA, "shop", "web-1", "ssh")


def test_a_session_with_whose_ticket_nobody_came_is_ended(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.way()
    asked = remote.sessions.ask(OLGA, "shop", "web-1")
    assert remote.desk.forget_unopened() == 0
    later = clock.now() + timedelta(minutes=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert remote.desk.forget_unopened() == 1
    assert remote.sessions.get(OLGA, "shop", asked.session.id).reason is EndReason.NOT_OPENED
    with pytest.raises(Conflict):
        remote.desk.opened(asked.session)


def test_what_the_gateway_left_open_is_found_after_its_death(remote: Remote) -> None:
    remote.way()
    session = remote.opened()
    assert [each.id for each in remote.desk.left_over()] == [session.id]
    remote.desk.ended(session, EndReason.INTERRUPTED, "The gateway was killed")
    remote.desk.ended(session, EndReason.EXITED, "Twice")
    assert remote.desk.left_over() == ()
    last = remote.sessions.get(OLGA, "shop", session.id)
    assert last.reason is EndReason.INTERRUPTED


def test_without_a_key_the_gateway_makes_a_certificate_for_the_session(remote: Remote) -> None:
    way = remote.devices.allow(
        ADA,
        "shop",
        "web-1",
        name="ssh",
        protocol=Protocol.SSH,
        port=22,
        login="deploy",
        key=None,
        policy=Policy(),
    )
    session = remote.sessions.ask(OLGA, "shop", "web-1").session
    credential = remote.desk.way(session).endpoint.credential
    assert isinstance(credential, Certificate)
    certificate = load_ssh_public_identity(credential.certificate.encode())
    certificate.verify_cert_signature()  # type: ignore[union-attr]  # it is a certificate
    assert certificate.valid_principals == [way.login.encode()]  # type: ignore[union-attr]
    assert certificate.key_id == f"olga {session.id}".encode()  # type: ignore[union-attr]
    assert certificate.valid_before - certificate.valid_after < 600  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "a b", "-x", "", "10.0.0.300", "::"],
)
def test_no_device_has_such_an_address(remote: Remote, address: str) -> None:
    with pytest.raises(InvalidInput):
        remote.devices.create(ADA, "shop", name="bad", address=address)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(paths=("relative",)),
        Policy(paths=("/a/../b",)),
        Policy(algorithms=("none",)),
        Policy(shell=False, commands=False, transfers=Transfers.NONE),
    ],
)
def test_no_way_has_such_a_policy(remote: Remote, policy: Policy) -> None:
    with pytest.raises(InvalidInput):
        remote.way(policy)


def test_a_key_that_opens_a_device_stays_and_one_of_a_cloud_opens_none(remote: Remote) -> None:
    remote.way()
    with pytest.raises(Conflict, match="web-1/ssh"):
        remote.core.vault.remove(ADA, "web")
    value = {"access_key_id": "A", "secret_access_key": "B"}
    known = {"fake": {"access_key_id": True, "secret_access_key": True}}
    remote.core.vault.store(ADA, name="cloud", kind="fake", value=value, known=known)
    with pytest.raises(InvalidInput, match="kind fake"):
        remote.devices.allow(
            ADA,
            "shop",
            "web-1",
            name="other",
            protocol=Protocol.SSH,
            port=22,
            login="admin",
            key="cloud",
            policy=Policy(),
        )


def test_a_public_key_is_one_persons_and_lets_in_until_it_is_removed(remote: Remote) -> None:
    line, olga, otto = public_key(), call("olga"), call("otto")
    made = remote.keys.add(olga, name="laptop", public=line)
    with pytest.raises(Conflict, match="registered already"):
        remote.keys.add(otto, name="laptop", public=line)
    assert [each.name for each in remote.keys.list(olga)] == ["laptop"]
    assert remote.keys.list(otto) == ()
    blob = made.public
    assert remote.keys.whose(_blob(blob)) == "olga"
    assert remote.keys.get(olga, "laptop").used_at is None  # anybody may show a public key
    remote.keys.used(made.fingerprint)
    assert remote.keys.get(olga, "laptop").used_at is not None
    with pytest.raises(NotFound):
        remote.keys.remove(otto, "laptop")
    remote.keys.remove(olga, "laptop")
    assert remote.keys.whose(_blob(blob)) is None
    with pytest.raises(Forbidden):
        remote.keys.add(OLGA, name="kernel", public=line)


def _blob(text: str) -> bytes:
    return base64.b64decode(text)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3M",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        'command="x" ssh-ed25519 AAAA',
        "x" * 20_000,
    ],
)
def test_what_is_no_public_key_is_refused(remote: Remote, line: str) -> None:
    with pytest.raises(InvalidInput):
        remote.keys.add(call("olga"), name="laptop", public=line)
