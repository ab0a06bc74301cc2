"""The forwarder finds the appliance where the client in a kernel finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance_double.certificate import self_signed
from mavis_ext.lab.problems import Unavailable
from mavis_ext.lab.settings import find
from mavis_kernel.errors import BadSettings
from mavis_kernel.settings import for_program

TOKEN = {"JUPYTERHUB_API_TOKEN": "s3cret"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/services/mavis",
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8000/",
        " http://127.0.0.1:8000/services/mavis/ ",
        "http://127.0.0.1:8000/services/mavis/api/v1",
        "http://[::1]:8000/below/services/mavis",
        "https://mavis.example.org",
    ],
)
def test_an_address_means_what_it_means_to_the_client(url: str) -> None:
    environ = {"MAVIS_URL": url, **TOKEN}
    found = find(environ)
    assert f"{found.origin}{found.path}" == f"{for_program(environ=environ).url}/api"
    assert (found.tls is None) == (found.scheme == "http")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "a",
        "http://",
        "http://u:p@a",
        "http://a/?b",
        "http://a/#b",
        "http://a:0",
        "http://[",
    ],
)
def test_an_address_that_the_client_refuses_is_refused(url: str) -> None:
    environ = {"MAVIS_URL": url, **TOKEN}
    with pytest.raises(BadSettings):
        for_program(environ=environ)
    with pytest.raises(Unavailable, match="MAVIS_URL"):
        find(environ)


@pytest.mark.parametrize("missing", ["MAVIS_URL", "JUPYTERHUB_API_TOKEN"])
def test_what_is_missing_is_named(missing: str) -> None:
    environ = {"MAVIS_URL": "http://a", **TOKEN}
    del environ[missing]
    with pytest.raises(Unavailable, match=missing) as caught:
        find(environ)
    assert "Hub has started" in caught.value.mend


def test_the_ports_are_those_of_the_schemes() -> None:
    ports = [find({"MAVIS_URL": f"{s}://a", **TOKEN}).port for s in ("http", "https")]
    assert ports == [80, 443]


def test_the_named_authority_is_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(self_signed("localhost")[0], encoding="ascii")
    found = find({"MAVIS_URL": "https://a", "MAVIS_CA_FILE": str(path), **TOKEN})
    assert found.tls is not None
    assert found.tls.cert_store_stats()["x509"] == 1
    assert found.tls.check_hostname
    path.write_text("no certificate", encoding="ascii")
    with pytest.raises(Unavailable, match="cannot be used"):
        find({"MAVIS_URL": "https://a", "MAVIS_CA_FILE": str(path), **TOKEN})


def test_the_token_is_in_no_text_of_the_settings() -> None:
    assert "s3cret" not in repr(find({"MAVIS_URL": "http://a", **TOKEN}))
