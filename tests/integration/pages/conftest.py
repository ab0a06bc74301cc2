"""Fixtures for the pages of the api process.

- `site`: they are served, over the project ``shop`` for all tests of a module
- `scene`: addresses of what there is in it, of each kind one
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core_double import KERNEL, PERSON, PLATFORM, call, plan_document, wait_until
from mavis_core.errors import CloudDenied
from mavis_core.scheduling.model import Run
from mavis_core.testing.cloud.rules import refuse
from pages_service import PagesService, pages_serving
from rest_service import caller


@dataclass(frozen=True)
class Scene:
    """Ids of what there is."""

    done: str
    failed: str
    queued: str
    story: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesService]:
    with pages_serving(tmp_path_factory.mktemp("pages")) as found:
        found.hub.known["nina"] = caller("nina", PERSON)  # in no project
        found.hub.known["emil"] = caller("as-enduser", PERSON)
        found.hub.known["notebook"] = caller("olga", KERNEL)  # as her kernels are
        yield found


@pytest.fixture(scope="module")
def scene(site: PagesService) -> Scene:
    core = site.rest.core
    core.backup_plans.create(call("ada", PLATFORM), "shop", "nightly", plan_document())

    def start(action: str, resource: str | None = None, **arguments: object) -> Run:
        return core.runs.start(
            call("olga"), "shop", action=action, resource=resource, arguments=arguments
        )

    done = start("recovery_point.create", "web-1")
    assert core.carry_out() is None
    site.rest.cloud.rules.append(refuse("tags.put", CloudDenied("may not ec2:CreateTags <b>")))
    failed = start("resource.tag", "web-1", tags={"a": "<i>"})
    assert core.carry_out() is not None
    queued = start("inventory.discover")
    story = f"/stories/{done.correlation_id}"
    wait_until(lambda: b"cloud.CreateSnapshots" in site.get("olga", story).content)
    return Scene(done.id, failed.id, queued.id, done.correlation_id)
