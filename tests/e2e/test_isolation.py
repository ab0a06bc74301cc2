"""What a person's kernel reaches of the whole appliance: what is theirs, and nothing else.

Needs root, which makes a Unix user for everybody; not collected otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e.appliance import Appliance, until
from e2e.kernels import Kernel, kernel, start_server
from mavis_core.access import Scope
from mavis_hub.dashboards.addresses import FRAMES
from mavis_hub.metadata_guard import ADDRESSES
from mavis_kernel import Mavis

assert os.geteuid() == 0, "conftest.py collects this module as root only"

ME, OTHER = "demo-operator", "demo-admin"
# What everybody on the machine may read: the certificate that the appliance shows to the world,
# and the process id of supervisor, which ps shows too.
PUBLIC = {"edge/tls/certificate.pem", "run/supervisor.pid"}

TRY = """
import json, os, socket
def attempt(call, *arguments):
    try:
        return "allowed", str(call(*arguments))[:60]
    except OSError as exc:
        return "refused", type(exc).__name__
def listen(path):
    with socket.socket(socket.AF_UNIX) as s: s.settimeout(5); s.connect(path)
def read(path):
    with open(path, "rb") as file: return file.read(100)
def write(path):
    with open(path, "ab"): pass
def get(port, path, method="GET", body=None, **headers):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(500).decode("utf-8", "replace")
    finally:
        connection.close()
"""


@pytest.fixture(scope="module")
def inside(appliance: Appliance, tokens: dict[str, str], shop: str) -> Iterator[Kernel]:
    """A kernel of the operator's; the administrator's server runs beside it."""
    for name in (ME, OTHER):
        start_server(appliance, name, tokens[name])
    with kernel(appliance, ME, tokens[ME]) as found:
        found.run(TRY)
        yield found


def results(inside: Kernel, call: str, arguments: list[Any]) -> dict[str, list[str]]:
    """Try `call` with each of `arguments` in the kernel; return what came of it."""
    code = f"print(json.dumps({{str(a): attempt({call}, a) for a in {arguments!r}}}))"
    found: dict[str, list[str]] = inside.ask(code)
    assert len(found) == len(arguments) > 0
    return found


def allowed(found: dict[str, list[str]], home: Path) -> set[str]:
    return {
        path.removeprefix(f"{home}/")
        for path, (verdict, _) in found.items()
        if verdict == "allowed"
    }


def state_files(home: Path) -> list[str]:
    """Return every file below the state folder but the operator's own."""
    own = home / "homes" / ME
    return [str(p) for p in home.rglob("*") if p.is_file() and not p.is_relative_to(own)]


def test_no_file_of_the_state_folder_can_be_read(appliance: Appliance, inside: Kernel) -> None:
    """Secrets, databases, journal, logs, cloud configuration, other people's homes."""
    home = appliance.config.home
    files = state_files(home)
    tops = {Path(path).relative_to(home).parts[0] for path in files}
    assert tops >= {"secrets", "db", "journal", "log", "aws", "homes", "run", "hub", "edge"}
    assert allowed(results(inside, "read", files), home) == PUBLIC


def test_no_file_of_the_state_folder_can_be_written(appliance: Appliance, inside: Kernel) -> None:
    home = appliance.config.home
    found = results(inside, "write", state_files(home))
    assert allowed(found, home) == set()


def test_no_folder_can_be_listed_or_added_to(appliance: Appliance, inside: Kernel) -> None:
    home = appliance.config.home
    own = home / "homes" / ME
    folders = [p for p in home.rglob("*") if p.is_dir() and not p.is_relative_to(own)]
    paths = [str(path) for path in (home, *folders)]
    assert allowed(results(inside, "os.listdir", paths), home) == set()
    assert allowed(results(inside, "write", [f"{p}/evil" for p in paths]), home) == set()


def test_no_socket_of_the_appliance_answers(appliance: Appliance, inside: Kernel) -> None:
    home = appliance.config.home
    own = home / "homes" / ME
    sockets = [str(p) for p in home.rglob("*") if p.is_socket() and not p.is_relative_to(own)]
    assert str(appliance.config.logs_socket) in sockets
    assert allowed(results(inside, "listen", sockets), home) == set()


def test_no_process_shows_its_environment_or_memory(appliance: Appliance, inside: Kernel) -> None:
    pids = appliance.pids()
    names = ("environ", "mem", "maps")
    paths = [f"/proc/{pid}/{name}" for pid in pids.values() for name in names]
    found = results(inside, "read", paths)
    assert allowed(found, appliance.config.home) == set()


def test_no_secret_is_on_a_command_line_or_in_the_kernel_s_environment(
    appliance: Appliance, inside: Kernel, secret: str
) -> None:
    files = [path for path in appliance.config.secrets.rglob("*") if path.is_file()]
    texts = {path.name: path.read_text(encoding="utf-8").strip() for path in files}
    people = json.loads(texts.pop("demo-people"))
    secrets = [*texts.values(), *people.values(), secret]
    assert len(secrets) > 10
    seen = inside.run(
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: print(open(path).read())\n"
        "    except OSError: pass\n"
        "print(dict(os.environ))"
    )
    assert "traefik" in seen
    assert "JUPYTERHUB_API_TOKEN" in seen
    assert [each for each in secrets if each in seen] == []


def test_the_kernel_s_environment_is_what_it_needs(inside: Kernel) -> None:
    names = set(inside.ask("print(json.dumps(list(os.environ)))"))
    assert not [n for n in names if n.startswith(("AWS_", "PREFECT_", "MAVIS_PORTS", "MAVIS_DATA"))]
    words = ("TOKEN", "SECRET", "PASSWORD", "_KEY", "CREDENTIAL")
    held = {name for name in names if any(word in name for word in words)}
    assert held == {"JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"}  # two names of the server's own token


def test_internal_ports_give_nothing_without_their_secret(
    appliance: Appliance, inside: Kernel
) -> None:
    ports = appliance.config.ports
    asked: dict[str, tuple[Any, ...]] = {
        "prefect": (ports.prefect, "/api/flow_runs/filter", "POST", "{}"),
        "prefect's settings": (ports.prefect, "/api/admin/settings"),
        "edge": (ports.edge_api, "/api/rawdata"),
        "hub": (ports.hub, "/hub/api/users"),
        "hub's proxy": (ports.hub, "/hub/api/proxy"),
        "api": (ports.api, "/services/mavis/api/v1/projects"),
        "api's keys": (ports.api, "/services/mavis/api/v1/keys", "POST", "{}"),
        "api's Prefect": (ports.api, "/services/mavis/prefect/api/flows/filter", "POST", "{}"),
    }
    code = f"print(json.dumps({{name: get(*args)[0] for name, args in {asked!r}.items()}}))"
    statuses = inside.ask(code)
    assert {name for name, status in statuses.items() if status not in (401, 403)} == set()
    frame = f"{FRAMES}/{'x' * 43}/"
    for address in (frame, f"{frame}voila/static/voila.js", "/api/kernels"):
        assert inside.ask(f"print(json.dumps(get({ports.dashboards}, {address!r})[0]))") == 404


def test_every_port_that_listens_is_a_known_one(appliance: Appliance, inside: Kernel) -> None:
    """What a process opens besides would not have been tried above."""
    config = appliance.config
    known = {getattr(config.ports, each.name) for each in fields(config.ports)}
    found = set()
    for name, pid in appliance.pids().items():
        found |= {(name, port) for port in listening(pid)}
    assert {port for _, port in found} == known | {config.edge.port, config.remote.port}


def listening(pid: int) -> set[int]:
    connections = psutil.Process(pid).net_connections("inet")
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def test_the_kernel_s_token_is_narrow(inside: Kernel) -> None:
    me = inside.ask(
        "from mavis_kernel import Mavis; m = Mavis().me()\n"
        "print(json.dumps({'name': m.name, 'scopes': m.scopes, 'admin': m.platform_admin}))"
    )
    assert me == {"name": ME, "scopes": sorted([Scope.READ, Scope.OPERATE]), "admin": False}


def test_the_kernel_cannot_apply_what_interrupts(
    inside: Kernel, operator: Mavis, shop: str
) -> None:
    """The same person may, with a login: it is the token that is too narrow."""
    told = inside.ask(
        "from mavis_kernel import Mavis, errors; mavis = Mavis()\n"
        "shown = mavis.previews.create('shop', 'resource.stop', 'worker-1')\n"
        "try: mavis.previews.apply('shop', shown, confirm='shop')\n"
        "except errors.Forbidden as exc: print(json.dumps([shown.severity, exc.code, exc.detail]))"
    )
    assert told[:2] == ["interrupts", "forbidden"]
    assert Scope.DESTROY in told[2]
    shown = operator.previews.create(shop, "resource.stop", "worker-1")
    assert shown.confirm == shop


def test_the_kernel_makes_itself_no_wider_token(appliance: Appliance, inside: Kernel) -> None:
    statuses = inside.ask(
        f"port, me = {appliance.config.ports.hub}, {ME!r}\n"
        "mine = {'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']}\n"
        "calls = [('POST', f'/hub/api/users/{me}/tokens'), ('GET', f'/hub/api/users/{me}/tokens'),"
        " ('GET', '/hub/api/users'), ('GET', '/hub/api/services'),"
        " ('DELETE', '/hub/api/users/demo-admin/server')]\n"
        "print(json.dumps([get(port, path, method, **mine)[0] for method, path in calls]))"
    )
    assert set(statuses) <= {403, 404}


def test_another_person_s_server_is_closed(appliance: Appliance, inside: Kernel) -> None:
    hub = psutil.Process(appliance.pids()["hub"])
    servers = [p for p in hub.children() if p.username() == OTHER]
    (port,) = {port for process in servers for port in listening(process.pid)}
    statuses = inside.ask(
        f"port, path = {port}, '/user/{OTHER}/api/contents'\n"
        "mine = 'token ' + os.environ['JUPYTERHUB_API_TOKEN']\n"
        "import ssl, urllib.error, urllib.request as u\n"
        "def public():\n"
        f"    url = {appliance.config.public_url!r} + path\n"
        "    context = ssl.create_default_context(cafile=os.environ['MAVIS_CA_FILE'])\n"
        "    request = u.Request(url, headers={'Authorization': mine})\n"
        "    try: return u.urlopen(request, context=context).status\n"
        "    except urllib.error.HTTPError as exc: return exc.code\n"
        "print(json.dumps([public(), get(port, path)[0], get(port, path, Authorization=mine)[0]]))"
    )
    assert statuses == [403, 403, 403]


def test_the_cloud_s_metadata_is_closed_to_kernels() -> None:
    """The rule is there; tests/integration/appliance tries in a network namespace that it holds."""
    for family, address in ADDRESSES.items():
        if family == "-6" and not Path("/proc/sys/net/ipv6").exists():
            continue
        listed = subprocess.run(
            ["ip", family, "rule", "show"], capture_output=True, text=True, check=True
        ).stdout
        ours = [line for line in listed.splitlines() if address.partition("/")[0] in line]
        assert ours
        assert all("prohibit" in line and "uidrange" in line for line in ours)


def test_a_person_who_goes_takes_the_kernels_along(
    appliance: Appliance, tokens: dict[str, str]
) -> None:
    """Stopping a server leaves no process of that person."""
    with appliance.http(tokens[OTHER]) as client:
        assert client.delete(f"/hub/api/users/{OTHER}/server").status_code in (202, 204)

    def gone() -> bool:
        return not [p for p in psutil.process_iter() if _user(p) == OTHER]

    until(gone, f"no process of {OTHER}")


def _user(process: psutil.Process) -> str:
    try:
        return process.username()
    except psutil.NoSuchProcess:
        return ""
