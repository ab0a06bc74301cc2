"""A public port below 1024 on an isolated appliance: bound without root."""

import pwd
import socket
from pathlib import Path

import psutil
import pytest

from mavis_hub.supervisor import states

pytestmark = pytest.mark.root
ONLY_NET_BIND_SERVICE = 1 << 10  # capabilities(7)


def free_low_port() -> int:
    for port in range(1023, 900, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every low port is taken")


def test_the_edge_proxy_keeps_one_capability_and_no_root(short_home: Path, launch, halt) -> None:
    port = str(free_low_port())
    appliance = launch(short_home, ("edge",), demo=False, MAVIS_EDGE_PORT=port)
    try:
        (row,) = states(appliance.config)
        assert psutil.Process(row.pid).uids().real == pwd.getpwnam("mavis-edge").pw_uid
        status = Path(f"/proc/{row.pid}/status").read_text()
        capabilities = dict(line.split(":\t") for line in status.splitlines() if line[:3] == "Cap")
        assert int(capabilities["CapEff"], 16) == ONLY_NET_BIND_SERVICE
        assert int(capabilities["CapBnd"], 16) == ONLY_NET_BIND_SERVICE
        with appliance.client() as client:
            assert client.get("/services/mavis/").status_code == 502  # nobody is behind it
    finally:
        halt(appliance)
