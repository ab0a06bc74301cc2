"""No page reads a table that grows from its beginning to its end: an index finds what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from pages_service import PagesService

from .conftest import Scene

_SMALL = {"projects", "members", "environments", "keys", "backup_plans", "dashboards", "plan_rules"}
"""Tables of a few dozen rows, which are read as a whole with good reason."""
_SCAN = re.compile(r"SCAN (?!CONSTANT ROW)(\w+)")


@contextmanager
def asked(site: PagesService) -> Iterator[list[tuple[str, Any]]]:
    """Collect the questions to the database that the block sets off."""
    engine, found = site.rest.app.database.engine, list[tuple[str, Any]]()

    def note(_conn: Any, _cursor: Any, text: str, given: Any, _context: Any, many: bool) -> None:
        if text.startswith("SELECT") and not many:
            found.append((text, given))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def plans(site: PagesService, questions: list[tuple[str, Any]]) -> list[list[str]]:
    """Return the steps by which SQLite answers each question."""
    with site.rest.app.database.read() as tx:
        return [
            [step[-1] for step in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)]
            for text, given in questions
        ]


def scanned(site: PagesService, questions: list[tuple[str, Any]]) -> set[str]:
    """Return the tables that grow and are read as a whole."""
    steps = [step for plan in plans(site, questions) for step in plan]
    return {match[1] for step in steps if (match := _SCAN.match(step))} - _SMALL


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="start"),
        pytest.param("/projects/shop", id="project"),
        pytest.param("/projects/shop/runs", id="Runs"),
        pytest.param("/projects/shop/runs?state=failed", id="Runs in a state"),
        pytest.param("/projects/shop/runs/{done}", id="Run"),
        pytest.param("/projects/shop/schedules", id="schedules"),
        pytest.param("/stories/{story}", id="story"),
        pytest.param("/projects/shop/preview-groups/{group}", id="many plans"),
        pytest.param("/projects/shop/recovery-points", id="recovery points"),
        pytest.param("/projects/shop/recovery-points?instance=web-1", id="of one instance"),
        pytest.param("/projects/shop/recovery-points?state=complete", id="in a state"),
        pytest.param("/projects/shop/recovery-points/{point}", id="recovery point"),
        pytest.param("/projects/shop/restores", id="restores"),
        pytest.param("/projects/shop/restores?state=failed", id="restores in a state"),
        pytest.param("/dashboards", id="gallery"),
    ],
)
def test_an_index_finds_what_a_page_shows(site: PagesService, scene: Scene, path: str) -> None:
    group = "pgr_" + "0" * 26
    body = {"action": "resource.stop", "resource": "web-1", "group": group}
    assert site.rest.ask("POST", "/projects/shop/previews", "olga", body).status == 201
    (point, *_) = site.rest.ask("GET", "/projects/shop/recovery-points").json["items"]
    given = {"done": scene.done, "story": scene.story, "group": group, "point": point["id"]}
    with asked(site) as questions:
        page = site.get("olga", path.format(**given))
    assert page.status == 200
    assert questions
    assert scanned(site, questions) == set()


@pytest.mark.parametrize(
    ("path", "table", "index"),
    [
        pytest.param("/stories/{story}", "runs", "ix_runs_correlation_id", id="Runs of a story"),
        pytest.param(
            "/projects/shop/schedules", "slots", "ix_slots_plan_id_begun_at", id="last slots"
        ),
    ],
)
def test_what_is_shown_in_an_order_comes_in_it(
    site: PagesService, scene: Scene, path: str, table: str, index: str
) -> None:
    with asked(site) as questions:
        assert site.get("olga", path.format(story=scene.story)).status == 200
    of_it = [steps for steps in plans(site, questions) if any(table in each for each in steps)]
    assert of_it
    for steps in of_it:
        assert any(f"USING INDEX {index} " in each for each in steps)
        assert not any("TEMP B-TREE" in each for each in steps)
