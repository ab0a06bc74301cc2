"""Fixtures of the whole appliance, started once for all tests here.

- `state_folder`, `unix_users`: what it makes, gone at the end
- `appliance`: it runs, with the demo people and with a cloud simulator
- `tokens`: a login of each of the demo people
- `admin`, `operator`, `enduser`: their clients
- `shop`: the project "shop" with both accounts of the simulated world, its people and what was
  discovered
- `secret`: the secret access key that is in the vault
- `browser`, `visit`: Chromium, and a page in a profile of its own, logged in or not
- `outside`: every address on another machine that a page asked for

Not root: the appliance runs without isolation; the tests of isolation, and those with a Unix user
of a device, are not collected.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from cloud.client import running as running_simulator
from cloud.seed import seed
from e2e.appliance import Appliance, mavisctl
from e2e.appliance import running as running_appliance
from e2e.browsing import ARGUMENTS, CHROMIUM, SLOW_MS
from e2e.looks import is_here
from mavis_hub import leftovers
from mavis_hub.users import PERSON_MARK, SERVICE_MARK
from mavis_kernel import Mavis

collect_ignore = (
    []
    if os.geteuid() == 0
    else [
        "test_isolation.py",
        "test_terminal.py",
        "test_terminal_in_lab.py",
    ]
)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=SLOW_MS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture(scope="module")
def outside() -> list[str]:
    """Every address on another machine that a page asked for."""
    return []


@pytest.fixture(scope="module")
def visit(appliance: Appliance, browser: Browser, outside: list[str]) -> Callable[..., Any]:
    """Open a page in a profile of its own, logged in as somebody where a name is given."""

    def note(request: Request) -> None:
        # What a page's own security policy blocks was not sent.
        if not is_here(request.url) and request.failure != "csp":
            outside.append(request.url)

    @contextmanager
    def visit(name: str | None, path: str, **options: Any) -> Iterator[Page]:
        given: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(
            ignore_https_errors=True, base_url=appliance.config.public_url, **given
        )
        context.set_default_timeout(SLOW_MS)
        context.on("requestfinished", note)
        context.on("requestfailed", note)
        page = context.new_page()
        page.on("websocket", lambda s: None if is_here(s.url) else outside.append(s.url))
        page.goto(path)
        if name is not None:
            page.get_by_label("Username").fill(name)
            page.get_by_label("Password").fill(appliance.people[name])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda url: "/hub/login" not in url)
        yield page
        context.close()

    return visit
