"""Fixtures of the whole appliance, started once for all tests here.

- `state_folder`, `unix_users`: what it makes, gone at the end
- `appliance`: it runs, with the demo people and with a cloud simulator
- `tokens`: a login of each of the demo people
- `admin`, `operator`, `enduser`: their clients
- `shop`: the project "shop" with both accounts of the simulated world, its people and what was
  discovered
- `secret`: the secret access key that is in the vault

Not root: the appliance runs without isolation, and the tests of isolation are not collected.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.client import running as running_simulator
from cloud.seed import seed
from e2e.appliance import Appliance, mavisctl
from e2e.appliance import running as running_appliance
from mavis_hub import leftovers
from mavis_hub.users import PERSON_MARK, SERVICE_MARK
from mavis_kernel import Mavis

collect_ignore = [] if os.geteuid() == 0 else ["test_isolation.py"]


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    """A path that is short enough for Unix sockets, and that other users may pass."""
    folder = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder / "h"
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def unix_users(state_folder: Path) -> Iterator[None]:
    """The users that the appliance makes go at the end, unless they were there before."""
    before = users()
    yield
    if os.geteuid() == 0 and not before:
        removed = mavisctl({**os.environ, "MAVIS_HOME": str(state_folder)}, "users", "remove")
        assert removed.returncode == 0, removed.stderr
        assert not users()


def users() -> list[str]:
    """Return the Unix users that Mavis made."""
    return [each.pw_name for each in pwd.getpwall() if each.pw_gecos in (PERSON_MARK, SERVICE_MARK)]


@pytest.fixture(scope="session")
def appliance(state_folder: Path, unix_users: None) -> Iterator[Appliance]:
    with running_simulator() as simulator:
        with running_appliance(state_folder, simulator, seed(simulator.url)) as found:
            yield found
        assert leftovers.find(found.config) == []


@pytest.fixture(scope="session")
def tokens(appliance: Appliance) -> dict[str, str]:
    return {name: appliance.token(name) for name in appliance.people}


@pytest.fixture(scope="session")
def admin(appliance: Appliance, tokens: dict[str, str]) -> Iterator[Mavis]:
    with appliance.client(tokens["demo-admin"]) as client:
        yield client


@pytest.fixture(scope="session")
def operator(appliance: Appliance, tokens: dict[str, str]) -> Iterator[Mavis]:
    with appliance.client(tokens["demo-operator"]) as client:
        yield client


@pytest.fixture(scope="session")
def enduser(appliance: Appliance, tokens: dict[str, str]) -> Iterator[Mavis]:
    with appliance.client(tokens["demo-enduser"]) as client:
        yield client


@pytest.fixture(scope="session")
def secret() -> str:
    return f"e2e/{secrets.token_hex(18)}"


@pytest.fixture(scope="session")
def shop(appliance: Appliance, admin: Mavis, operator: Mavis, secret: str) -> str:
    """Return the project's name."""
    world = appliance.world
    main, partner = world.accounts
    role = {"role_arn": world.role_arn, "external_id": world.external_id}
    admin.projects.create("shop", title="Web shop")
    admin.keys.add("shop", {"access_key_id": "AKIAE2E0000000000000", "secret_access_key": secret})
    for name, account, options in (("main", main, {}), ("partner", partner, role)):
        admin.environments.add(
            "shop", name, account=account, regions=world.regions, key="shop", options=options
        )
    admin.members.grant("shop", "user:demo-operator", "operator")
    admin.members.grant("shop", "user:demo-enduser", "enduser")
    operator.runs.wait("shop", operator.environments.discover("shop").id)
    return "shop"
