"""Certificates of people: who has one, for how long, how many, and what is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core_double import KERNEL, PERSON, Core, call
from mavis_core import clock
from mavis_core.access import RESERVED
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound, OverLimit, Unavailable
from mavis_core.remote.person_authority import PersonAuthority
from mavis_core.remote.person_certificates import PersonCertificates, Wanted
from public_keys import public_key

OLGA, VERA = call("olga", PERSON), call("vera", PERSON)
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Silent:
    """A gateway that does not answer."""

    def sign(self, wanted: Wanted) -> str:
        raise Unavailable(f"The gateway does not answer for {wanted.person}")


def authority(longest: timedelta = 24 * HOUR) -> PersonAuthority:
    return PersonAuthority(Ed25519PrivateKey.generate(), longest=longest)


@pytest.fixture
def certificates(core: Core) -> PersonCertificates:
    return PersonCertificates(core.database, longest=24 * HOUR, signer=authority())


def test_what_is_signed_is_what_is_listed(core: Core, certificates: PersonCertificates) -> None:
    issued = certificates.issue(OLGA, public=public_key())
    signed = coding.load_ssh_public_identity(issued.line.encode())
    assert isinstance(signed, coding.SSHCertificate)
    (listed,) = certificates.list(OLGA)
    assert listed == issued.certificate
    assert signed.serial == listed.serial
    assert signed.valid_before == int(listed.expires_at.timestamp())
    assert signed.valid_principals == [b"olga"]
    assert signed.critical_options == {}
    assert listed.expires_at - listed.issued_at == 8 * HOUR
    assert certificates.good("olga", listed.serial)
    assert not certificates.good("vera", listed.serial)
    (told,) = [each for each in core.records() if each.object == listed.id]
    assert (told.action, told.person) == ("person_certificate.issue", "olga")
    assert str(listed.serial) in told.summary


def test_a_certificate_is_over_when_its_time_is(certificates: PersonCertificates) -> None:
    with clock.set_clock(lambda: NOW):
        made = certificates.issue(OLGA, public=public_key(), lifetime=HOUR).certificate
    with clock.set_clock(lambda: NOW + HOUR - timedelta(seconds=1)):
        assert certificates.good("olga", made.serial)
    with clock.set_clock(lambda: NOW + HOUR):
        assert not certificates.good("olga", made.serial)
        assert certificates.list(OLGA) == ()
        with pytest.raises(NotFound):
            certificates.revoke(OLGA, made.id)


def test_what_is_revoked_is_over_and_nobody_revokes_anothers(
    core: Core, certificates: PersonCertificates
) -> None:
    made = certificates.issue(OLGA, public=public_key()).certificate
    with pytest.raises(NotFound):
        certificates.revoke(VERA, made.id)
    with pytest.raises(NotFound):
        certificates.get(VERA, made.id)
    assert certificates.good("olga", made.serial)
    certificates.revoke(OLGA, made.id)
    assert not certificates.good("olga", made.serial)
    told = [each.action for each in core.records() if each.object == made.id]
    assert told == ["person_certificate.issue", "person_certificate.revoke"]


def test_nobody_has_one_for_longer_than_the_appliance_allows(core: Core) -> None:
    short = PersonCertificates(core.database, longest=2 * HOUR, signer=authority(2 * HOUR))
    made = short.issue(OLGA, public=public_key()).certificate
    assert made.expires_at - made.issued_at == 2 * HOUR
    with pytest.raises(OverLimit, match="2 hours at most"):
        short.issue(OLGA, public=public_key(), lifetime=3 * HOUR)


def test_a_notebook_gets_none(certificates: PersonCertificates) -> None:
    for ask in (
        lambda ctx: certificates.issue(ctx, public=public_key()),
        certificates.list,
        lambda ctx: certificates.revoke(ctx, "pct_1"),
    ):
        with pytest.raises(Forbidden):
            ask(call("olga", KERNEL))


def test_a_gateway_that_is_silent_leaves_nothing(core: Core) -> None:
    silent = PersonCertificates(core.database, longest=24 * HOUR, signer=Silent())
    with pytest.raises(Unavailable):
        silent.issue(OLGA, public=public_key())
    assert silent.list(OLGA) == ()
    assert "person_certificate.issue" not in [each.action for each in core.records()]


def test_one_person_has_a_bounded_number_of_them(certificates: PersonCertificates) -> None:
    with clock.set_clock(lambda: NOW):
        for _ in range(50):
            certificates.issue(OLGA, public=public_key())
        with pytest.raises(Conflict, match="50"):
            certificates.issue(OLGA, public=public_key())
        certificates.issue(VERA, public=public_key())
    with clock.set_clock(lambda: NOW + 9 * HOUR):
        certificates.issue(OLGA, public=public_key())


@pytest.mark.parametrize("person", ["", f"{RESERVED}platform"])
def test_what_is_no_person_gets_nothing_signed(person: str) -> None:
    now = clock.now()
    with pytest.raises(Forbidden):
        authority().sign(Wanted(person, 1, public_key(), now, now + HOUR))


@pytest.mark.parametrize("public", ["", "ssh-dss AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----"])
def test_what_is_no_public_key_is_not_certified(
    certificates: PersonCertificates, public: str
) -> None:
    with pytest.raises(InvalidInput):
        certificates.issue(OLGA, public=public)
