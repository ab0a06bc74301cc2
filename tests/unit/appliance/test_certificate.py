import ssl
import stat
from dataclasses import replace
from datetime import timedelta

import pytest

from mavis_core import clock
from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_hub.certificate import ensure_certificate, fingerprint, public_names
from mavis_hub.folders import ensure_folders
from mavis_hub.ownership import Owner


@pytest.fixture
def made(config: Config) -> Config:
    ensure_folders(config)
    ensure_certificate(config, Owner())
    return config


def test_a_client_trusts_the_certificate_file(made: Config) -> None:
    context = ssl.create_default_context(cafile=str(made.ca_file))
    (trusted,) = context.get_ca_certs()
    assert {value for _, value in trusted["subjectAltName"]} >= {"localhost", "127.0.0.1"}


def test_the_fingerprint_is_what_browsers_show(made: Config) -> None:
    import hashlib

    der = ssl.PEM_cert_to_DER_cert(made.ca_file.read_text())
    assert fingerprint(made).replace(":", "").lower() == hashlib.sha256(der).hexdigest()


def test_the_private_key_is_not_for_everybody(made: Config) -> None:
    assert stat.S_IMODE(made.ca_file.with_name("key.pem").stat().st_mode) == 0o640
    assert stat.S_IMODE(made.ca_file.stat().st_mode) == 0o644


def test_a_second_start_keeps_the_certificate(made: Config) -> None:
    before = fingerprint(made)
    ensure_certificate(made, Owner())
    assert fingerprint(made) == before


def test_another_host_name_gets_another_certificate(made: Config) -> None:
    before = fingerprint(made)
    moved = replace(made, edge=replace(made.edge, public_host="mavis.example.org"))
    ensure_certificate(moved, Owner())
    assert fingerprint(moved) != before
    assert "mavis.example.org" in public_names(moved)


def test_a_certificate_that_ends_soon_is_renewed(made: Config) -> None:
    before, later = fingerprint(made), clock.now() + timedelta(days=380)
    with clock.set_clock(lambda: later):
        ensure_certificate(made, Owner())
    assert fingerprint(made) != before


def test_files_that_are_no_certificate_are_named(made: Config, tmp_path) -> None:  # type: ignore[no-untyped-def]
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    edge = replace(made.edge, tls="files", certificate=str(bad), key=str(bad))
    with pytest.raises(Unavailable, match=r"bad\.pem"):
        ensure_certificate(replace(made, edge=edge), Owner())
