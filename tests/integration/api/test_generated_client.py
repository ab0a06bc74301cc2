"""A client that others generate from the description does the main job, with its own types."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mavis_ext
from core_double import REGION
from mavis_ext.app import API
from rest_service import RestService

DESCRIPTION = Path(mavis_ext.__file__).with_name("openapi.json")
ACCOUNT = "444444444444"
NAME = "client_of_others"
OVERRIDES = {"application/x-asciicast": "application/octet-stream"}
"""Forms that the generator does not know, and as what it shall take them."""


class Client:
    """The generated package: its operations by id, its models by name."""

    def __init__(self, package: str, address: str, token: str) -> None:
        self._package = package
        self.models: ModuleType = importlib.import_module(f"{package}.models")
        client = importlib.import_module(f"{package}.client")
        self._client = client.AuthenticatedClient(
            base_url=address, token=token, raise_on_unexpected_status=True
        )

    def call(self, tag: str, operation: str, *names: str, **given: Any) -> Any:
        """Return what an operation answers, as it was parsed."""
        module = importlib.import_module(f"{self._package}.api.{tag}.{operation}")
        return module.sync(*names, client=self._client, **given)

    def close(self) -> None:
        self._client.get_httpx_client().close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Generate the client; return the name by which it is imported."""
    folder = tmp_path_factory.mktemp("generated")
    bin_folder = Path(sys.executable).parent  # where the generator finds ruff
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"content_type_overrides": OVERRIDES}))
    options = ["--path", DESCRIPTION, "--meta", "none", "--output-path", folder / NAME]
    options += ["--config", settings]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", *options, "--fail-on-warning"],
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield NAME
    sys.path.remove(str(folder))
    for name in [each for each in sys.modules if each.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.fixture
def worker(rest: RestService) -> Iterator[None]:
    """Carry Runs out as they come."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            rest.core.carry_out()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join(20)


def test_every_operation_and_every_schema_is_in_it(package: str) -> None:
    from contract import contract

    for operation in contract().operations:
        (tag,) = (each.replace("-", "_") for each in operation.told["tags"])
        assert importlib.import_module(f"{package}.api.{tag}.{operation.id}").sync_detailed
    models = importlib.import_module(f"{package}.models")
    made = {name.lower() for name in dir(models)}
    objects = {
        name
        for name, schema in contract().document["components"]["schemas"].items()
        if schema.get("type") == "object" or "enum" in schema
    }
    assert {name for name in objects if name.lower() not in made} == set()


@pytest.fixture
def client(rest: RestService, package: str) -> Iterator[Client]:
    made = Client(package, f"http://127.0.0.1:{rest.port}{API}", "ada")
    yield made
    made.close()


def test_it_does_the_main_job(rest: RestService, worker: None, client: Client) -> None:
    rest.cloud.launch(ACCOUNT, REGION, "till-1", sizes=(8,))
    models, call = client.models, client.call

    project = call("projects", "create_project", body=models.NewProject(name="cafe", title="Café"))
    assert isinstance(project, models.Project)
    assert (project.name, project.title, project.role) == ("cafe", "Café", models.Role.ADMIN)

    value = models.NewKeyValue.from_dict({"access_key_id": "A", "secret_access_key": "B"})
    key = call("keys", "create_key", body=models.NewKey(name="till", kind="fake", value=value))
    assert isinstance(key, models.Key)

    place = models.NewEnvironment(
        name="floor", kit="fake", account=ACCOUNT, regions=[REGION], key="till"
    )
    environment = call("environments", "create_environment", "cafe", body=place)
    assert isinstance(environment, models.Environment)
    assert environment.key == "till"

    looked = call("environments", "create_discovery", "cafe", body=models.Discovery())
    assert isinstance(looked, models.Run)
    follow(client, looked)
    listed = call("resources", "list_resources", "cafe", kind=models.ResourceKind.INSTANCE)
    assert isinstance(listed, models.ResourcePage)
    (machine,) = listed.items
    assert (machine.name, machine.region, machine.gone) == ("till-1", REGION, False)

    body = models.NewRecoveryPoint(resource=machine.id, description="before the upgrade")
    shown = call(
        "recovery_points",
        "create_recovery_point",
        "cafe",
        body=models.NewRecoveryPoint(resource=machine.id, dry_run=True),
    )
    assert isinstance(shown, models.Preview)
    begun = call("recovery_points", "create_recovery_point", "cafe", body=body, idempotency_key="1")
    again = call("recovery_points", "create_recovery_point", "cafe", body=body, idempotency_key="1")
    assert isinstance(begun, models.Run)
    assert again.id == begun.id
    done = follow(client, begun)
    assert done.finished_at.tzinfo is not None

    (point,) = call("recovery_points", "list_recovery_points", "cafe").items
    whole = call("recovery_points", "get_recovery_point", "cafe", point.id)
    assert isinstance(whole, models.RecoveryPointDetail)
    assert whole.state == models.PointState.COMPLETE
    assert [disk.size_gib for disk in whole.manifest.disks] == [8]

    refused = call("projects", "create_project", body=models.NewProject(name="cafe"))
    assert isinstance(refused, models.Problem)
    assert refused.code == "conflict"


def follow(client: Client, run: Any) -> Any:
    """Return a Run when it has succeeded."""
    end = time.monotonic() + 20
    state = client.models.RunState
    while run.state not in (state.SUCCEEDED, state.FAILED, state.REFUSED, state.CANCELLED):
        assert time.monotonic() < end, run
        time.sleep(0.05)
        run = client.call("runs", "get_run", run.project, run.id)
    assert run.state == state.SUCCEEDED, run.error
    return run
