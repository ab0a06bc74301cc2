"""The certificate of the appliance is looked at before anything is said to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.httputil import HTTPHeaders
from tornado.tcpclient import TCPClient

from appliance_double.certificate import self_signed
from integration.lab.upstream import API, TOKEN, Upstream, serving
from mavis_ext.lab.exchange import Call, exchange
from mavis_ext.lab.limits import Limits
from mavis_ext.lab.problems import Unavailable
from mavis_ext.lab.settings import find


class Kept:
    """Fulfils `mavis_ext.lab.exchange.Receiver`: it keeps what came."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    async def begin(self, status: int, headers: HTTPHeaders) -> float:
        self.status = status
        return 5.0

    async def take(self, piece: bytes) -> None:
        self.body += piece


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = self_signed("localhost")
    texts = {"ca": certificate, "key": key, "other": self_signed("localhost")[0]}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    return {name: folder / name for name in texts}


@pytest.fixture(scope="module")
def secure(files: dict[str, Path]) -> Iterator[Upstream]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["ca"], files["key"])
    with serving(context, "localhost") as found:
        yield found


def ask(host: str, port: int, ca_file: Path | None) -> Kept:
    environ = {"MAVIS_URL": f"https://{host}:{port}", "JUPYTERHUB_API_TOKEN": TOKEN}
    if ca_file is not None:
        environ["MAVIS_CA_FILE"] = str(ca_file)
    kept = Kept()

    async def go() -> None:
        client = TCPClient()
        try:
            call = Call("GET", f"{API}/packed", {"Accept-Encoding": "gzip"})
            await exchange(find(environ), client, call, kept, Limits())
        finally:
            client.close()

    asyncio.run(go())
    return kept


def test_an_appliance_with_the_named_certificate_is_asked(
    secure: Upstream, files: dict[str, Path]
) -> None:
    assert ask("localhost", secure.port, files["ca"]).status == 200
    assert secure.seen[-1].all("Host") == [f"localhost:{secure.port}"]


@pytest.mark.parametrize(
    ("host", "ca"),
    [("localhost", "other"), ("127.0.0.1", "ca"), ("localhost", None)],
    ids=["another certificate", "another name", "the system's authorities"],
)
def test_an_appliance_with_another_is_told_nothing(
    secure: Upstream, files: dict[str, Path], host: str, ca: str | None
) -> None:
    before = len(secure.seen)
    with pytest.raises(Unavailable, match="not trusted") as caught:
        ask(host, secure.port, files[ca] if ca else None)
    assert "MAVIS_CA_FILE" in caught.value.mend
    assert len(secure.seen) == before


def test_an_appliance_without_tls_is_no_secure_one(tmp_path: Path, files: dict[str, Path]) -> None:
    with serving() as plain:
        with pytest.raises(Unavailable, match="does not answer"):
            ask("127.0.0.1", plain.port, files["ca"])
        assert plain.seen == []
