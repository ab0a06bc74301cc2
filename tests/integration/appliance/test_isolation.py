"""What a person's kernel reaches on an isolated appliance: nothing that is not theirs."""

import json
import pwd
import stat

import psutil
import pytest

from mavis_hub.users import PERSON_MARK

pytestmark = [pytest.mark.root, pytest.mark.slow]  # tests/e2e tries the same, wider, in less time

# Tried from the operator's kernel: name -> expression that must raise.
REFUSED = {
    "the secrets' folder": "os.listdir(home + '/secrets')",
    "the Hub's secrets": "os.listdir(home + '/secrets/hub')",
    "the service token": "open(home + '/secrets/api/hub-token').read()",
    "the vault's private key": "open(home + '/secrets/worker/vault-private-key').read()",
    "the demo passwords": "open(home + '/secrets/hub/demo-people').read()",
    "the Hub's database": "open(home + '/hub/jupyterhub.sqlite', 'rb').read()",
    "the main database": "open(home + '/db/mavis.sqlite', 'rb').read()",
    "the edge proxy's files": "open(home + '/edge/dynamic/mavis.yml').read()",
    "the edge proxy's key": "open(home + '/edge/tls/key.pem').read()",
    "the logs": "os.listdir(home + '/log')",
    "the journal": "os.listdir(home + '/journal')",
    "another home": "os.listdir(home + '/homes/demo-admin')",
    "who else is here": "os.listdir(home + '/homes')",
    "the process manager's socket": "connect_unix(home + '/run/supervisor.sock')",
    "the process manager's file": "open(home + '/run/supervisord.conf').read()",
    "writing into the state folder": "open(home + '/x', 'w')",
    "writing routes": "open(home + '/edge/dynamic/evil.yml', 'w')",
    "the Hub's environment": "open(f'/proc/{hub}/environ').read()",
    "the Hub's memory": "open(f'/proc/{hub}/mem', 'rb')",
    "a signal to the Hub": "os.kill(hub, 0)",
    "the cloud's metadata": "connect('169.254.169.254', 80)",
    "becoming root": "os.setuid(0)",
}

PROBE = """
import json, os, socket
home, hub = {home!r}, {hub!r}
def connect(host, port):
    socket.create_connection((host, port), timeout=3).close()
def connect_unix(path):
    s = socket.socket(socket.AF_UNIX); s.connect(path); s.close()
found = {{}}
for name, expression in {attempts!r}.items():
    try:
        eval(expression)
        found[name] = "allowed"
    except Exception as exc:
        found[name] = type(exc).__name__
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(appliance) -> dict[str, str]:
    token = appliance.token("demo-operator")
    appliance.start_server("demo-operator", token)
    hub = next(row.pid for row in rows(appliance) if row.name == "hub")
    code = PROBE.format(home=str(appliance.config.home), hub=hub, attempts=REFUSED)
    return dict(json.loads(appliance.run_in_kernel("demo-operator", token, code)))


def rows(appliance):
    from mavis_hub.supervisor import states

    return states(appliance.config)


@pytest.mark.parametrize("name", REFUSED)
def test_a_kernel_is_refused(found: dict[str, str], name: str) -> None:
    assert found[name] in ("PermissionError", "OSError"), found[name]


def test_the_probe_can_tell_what_is_allowed(appliance) -> None:
    """The same probe, on things that a person may do: the test above can fail."""
    token = appliance.token("demo-operator")
    appliance.start_server("demo-operator", token)
    attempts = {
        "own home": "os.listdir(home + '/homes/demo-operator')",
        "the certificate": "open(home + '/edge/tls/certificate.pem').read()",
        "the public port": f"connect('127.0.0.1', {appliance.config.edge.port})",
    }
    code = PROBE.format(home=str(appliance.config.home), hub=1, attempts=attempts)
    printed = appliance.run_in_kernel("demo-operator", token, code)
    assert set(json.loads(printed).values()) == {"allowed"}


def test_internal_ports_ask_a_kernel_for_a_secret(appliance) -> None:
    token = appliance.token("demo-operator")
    appliance.start_server("demo-operator", token)
    ports = appliance.config.ports
    urls = {
        "prefect": f"http://127.0.0.1:{ports.prefect}/api/admin/version",
        "edge": f"http://127.0.0.1:{ports.edge_api}/api/rawdata",
        "hub": f"http://127.0.0.1:{ports.hub}/hub/api/users",
    }
    code = (
        "import json, urllib.error, urllib.request\n"
        "def get(url):\n"
        "    try: return urllib.request.urlopen(url, timeout=5).status\n"
        "    except urllib.error.HTTPError as exc: return exc.code\n"
        f"print(json.dumps({{k: get(u) for k, u in {urls!r}.items()}}))"
    )
    answers = json.loads(appliance.run_in_kernel("demo-operator", token, code))
    assert set(answers.values()) <= {401, 403}


def test_kernels_have_no_port_that_shows_their_output(appliance) -> None:
    """Whoever connects to a kernel's IOPub port reads along: there must be none.

    ipykernel's one port takes output of subprocesses in, from who knows its random word.
    """
    token = appliance.token("demo-operator")
    appliance.start_server("demo-operator", token)
    code = (
        "import json; from ipykernel.connect import get_connection_info\n"
        "print(get_connection_info())"
    )
    info = json.loads(appliance.run_in_kernel("demo-operator", token, code))
    assert info["transport"] == "ipc"
    assert info["ip"].startswith(str(appliance.config.home / "homes" / "demo-operator"))


def test_each_process_runs_as_its_own_user(appliance) -> None:
    users = {row.name: psutil.Process(row.pid).username() for row in rows(appliance)}
    assert users == {
        "edge": "mavis-edge",
        "hub": "root",
        "api": "mavis-api",
        "prefect": "mavis-prefect",
    }


def test_the_idle_culler_is_not_root(appliance) -> None:
    hub = next(row.pid for row in rows(appliance) if row.name == "hub")
    cullers = [p for p in psutil.Process(hub).children() if "jupyterhub_idle_culler" in p.cmdline()]
    assert [process.username() for process in cullers] == ["mavis-culler"]


def test_homes_are_private_and_people_are_marked(appliance, people) -> None:
    for name in people:
        entry = pwd.getpwnam(name)
        home = appliance.config.home / "homes" / name
        assert entry.pw_gecos == PERSON_MARK
        assert entry.pw_dir == str(home)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert home.stat().st_uid == entry.pw_uid


def test_files_have_the_owners_that_keep_them_apart(appliance) -> None:
    home = appliance.config.home
    wanted = {
        "secrets/api/hub-token": ("mavis-api", 0o600),
        "secrets/worker/vault-private-key": ("mavis-worker", 0o600),
        "secrets/hub/hub-token": ("root", 0o600),
        "edge/dynamic/hub.toml": ("root", 0o640),
        "edge/tls/key.pem": ("root", 0o640),
        "db/mavis.sqlite": ("mavis-api", 0o660),
        "run/supervisor.sock": ("root", 0o600),
        "run/supervisord.conf": ("root", 0o600),
    }
    for path, (user, mode) in wanted.items():
        found = (home / path).stat()
        assert (pwd.getpwuid(found.st_uid).pw_name, stat.S_IMODE(found.st_mode)) == (user, mode)
