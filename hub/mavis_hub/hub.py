"""What the Hub's composition (``jupyterhub_config.py``) needs computed.

*Scopes*: a person's login and tokens hold what their role gives: reading, operating and
destroying, and for members of the administrators' group administering. A single-user server's
token, which every cell of its notebooks can read, holds reading and operating only.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from mavis_core.access import Scope
from mavis_core.config import Config
from mavis_hub.installation import program
from mavis_hub.processes import MARK
from mavis_hub.users import DEMO_PEOPLE, demo_passwords

__all__ = [
    "ADMIN_SCOPES",
    "LOGIN_CALLBACK",
    "LOGIN_CLIENT",
    "SERVER_SCOPES",
    "SERVICE_SCOPES",
    "START_PAGE",
    "TEMPLATES",
    "TRY_OUT_NOTICE",
    "USER_SCOPES",
    "administrators",
    "custom_scopes",
    "gateway_service",
    "idle_culler",
    "login_service",
    "people",
    "program",
    "roles",
    "runtime_dir",
    "server_arguments",
    "server_environment",
    "service",
]

_ACCESS = "access:services!service=mavis"
_ACCESS_LOGIN = "access:services!service=mavis-login"
_CULLER = "idle-culler"
LOGIN_CLIENT = "service-mavis-login"
LOGIN_CALLBACK = "/services/mavis/login/callback"
_LAB_SETTINGS = Path(__file__).with_name("lab_settings")
START_PAGE = "/services/mavis/"
"""Where a login leads, whoever it is of."""
TEMPLATES = str(Path(__file__).with_name("hub_templates"))
"""What the Hub's pages have otherwise than JupyterHub's own."""

TRY_OUT_NOTICE = "Single-user try-out, no isolation: everybody here shares one Unix user."

USER_SCOPES = (
    "self",
    _ACCESS,
    _ACCESS_LOGIN,
    Scope.READ.value,
    Scope.OPERATE.value,
    Scope.DESTROY.value,
)
ADMIN_SCOPES = (
    # People and servers, but neither their tokens nor the inside of their servers: an
    # administrator never acts as somebody else.
    Scope.ADMIN.value,
    "admin-ui",
    "admin:users",
    "admin:groups",
    "admin:servers",
    "read:hub",
    "read:services",
    "list:services",
)
SERVER_SCOPES = (
    "users:activity!user",
    "access:servers!server",
    _ACCESS,
    Scope.READ.value,
    Scope.OPERATE.value,
)
SERVICE_SCOPES = ("list:users", "read:users:name", "read:users:groups", "read:hub")


def custom_scopes() -> dict[str, dict[str, Any]]:
    """Return Mavis's scopes as the Hub wants them defined; each holds the one before."""
    return {
        Scope.READ.value: {"description": "See projects, resources, runs and records."},
        Scope.OPERATE.value: {
            "description": "Discover, start and tag resources, take recovery points.",
            "subscopes": [Scope.READ.value],
        },
        Scope.DESTROY.value: {
            "description": "Apply changes that interrupt or destroy.",
            "subscopes": [Scope.OPERATE.value],
        },
        Scope.ADMIN.value: {
            "description": "Administer the platform: projects, members, keys, environments.",
            "subscopes": [Scope.DESTROY.value],
        },
    }


def administrators(config: Config) -> set[str]:
    """Return the names of the platform's administrators."""
    demo = demo_passwords(config)
    return _names(config.hub.admin_users) | {p.name for p in DEMO_PEOPLE if p.admin} & set(demo)


def people(config: Config) -> set[str]:
    """Return the names of all who may log in."""
    return administrators(config) | _names(config.hub.allowed_users) | set(demo_passwords(config))


def roles(config: Config) -> list[dict[str, Any]]:
    """Return the roles of people, servers and services."""
    return [
        {"name": "user", "scopes": list(USER_SCOPES)},
        {"name": "server", "scopes": list(SERVER_SCOPES)},
        {
            "name": "mavis-administrator",
            "description": "Administers Mavis",
            "scopes": list(ADMIN_SCOPES),
            "groups": [config.hub.admin_group],
        },
        {
            "name": "mavis-service",
            "description": "What the api process asks the Hub",
            "scopes": list(SERVICE_SCOPES),
            "services": ["mavis"],
        },
        {
            "name": "mavis-gateway",
            "description": "What the gateway asks the Hub of people who come with a key",
            "scopes": list(SERVICE_SCOPES),
            "services": ["mavis-gateway"],
        },
        {
            "name": _CULLER,
            "description": "Stops idle servers",
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
            "services": [_CULLER],
        },
    ]


def service(config: Config) -> dict[str, Any]:
    """Return the api process as an externally managed service of the Hub.

    It has no ``url``: the edge proxy's own route leads there, so that a restart of the Hub
    interrupts no call.
    """
    return {
        "name": "mavis",
        "api_token": config.read_secret("hub", "hub-token"),
        "oauth_client_id": "service-mavis",
        "oauth_redirect_uri": f"{config.public_url}/services/mavis/oauth_callback",
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": [_ACCESS, *(scope.value for scope in Scope)],
    }


def login_service(config: Config) -> dict[str, Any]:
    """Return the OAuth client with which the api process makes logins by browser.

    It may manage the tokens of the person whose browser it was sent to by the Hub, and has no
    power of its own; see `mavis_hub.hub_logins`.
    """
    return {
        "name": "mavis-login",
        "api_token": config.read_secret("hub", "hub-login-token"),
        "oauth_client_id": LOGIN_CLIENT,
        "oauth_redirect_uri": f"{config.public_url}{LOGIN_CALLBACK}",
        "oauth_no_confirm": True,  # our page has asked
        "oauth_client_allowed_scopes": ["tokens!user"],
        "display": False,
    }


def gateway_service(config: Config) -> dict[str, Any]:
    """Return the gateway of remote sessions, which asks who people are and of which groups."""
    return {
        "name": "mavis-gateway",
        "api_token": config.read_secret("hub", "gateway-hub-token"),
        "display": False,
    }


def idle_culler(config: Config) -> dict[str, Any]:
    """Return the service that stops idle single-user servers.

    It dies with the Hub, whatever the Hub dies of.
    """
    setpriv = shutil.which("setpriv")
    command = [sys.executable, "-m", "jupyterhub_idle_culler"]
    command += [f"--timeout={config.hub.idle_timeout_s}"]
    return {
        "name": _CULLER,
        "command": [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else command,
        "user": "mavis-culler" if config.isolated else "",
        "cwd": "/",
        "environment": {MARK: str(config.home)},
    }


def runtime_dir(config: Config, name: str) -> str:
    """Return where the sockets of a person's kernels are; short, as Unix sockets want it."""
    return str(config.home / "homes" / name / ".rt")


def server_environment(config: Config) -> dict[str, Any]:
    """Return what a single-user server finds in its environment beside the Hub's own variables."""
    environment: dict[str, Any] = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MAVIS_URL": f"{config.public_url}/services/mavis",
        "JUPYTER_RUNTIME_DIR": lambda spawner: runtime_dir(config, spawner.user.name),
        MARK: str(config.home),
    }
    if config.edge.tls == "self-signed":
        environment["MAVIS_CA_FILE"] = str(config.ca_file)
    return environment


def server_arguments(config: Config) -> list[str]:
    """Return JupyterLab's arguments: no request leaves the machine, no kernel port is open.

    New notebooks get the kernel with Mavis in it; plain Python stays beside it.

    Kernels' TCP ports sign what they receive and show what they send to whoever connects, other
    people on this machine included; Unix sockets in the person's home do not. A try-out without
    isolation keeps TCP: there are no walls, and its state folder's path may be long.
    """
    transport = "ipc" if config.isolated else "tcp"
    return [
        "--LabApp.news_url=None",
        f"--LabApp.app_settings_dir={_LAB_SETTINGS}",  # or Lab asks everybody about news
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        f"--ConnectionFileMixin.transport={transport}",
        "--MultiKernelManager.default_kernel_name=mavis",
    ]


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}
