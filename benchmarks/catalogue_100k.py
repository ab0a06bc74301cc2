"""100,000 recovery points of 1,000 machines in SQLite: a page of them, and what retention says.

Beside what one would take instead: for a list the cloud itself, whose DescribeSnapshots knows no
order, so that the newest 50 are known when all pages are read (one page of 1,000 is measured, CPU
of boto3 alone, and taken 200 times); for retention a query of SQL with window functions.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import sqlalchemy as sa
from contenders import questions
from contenders.catalogue import PROJECT, Catalogue, instance_id
from contenders.measuring import Stretch, goal, stretched

from cloud.client import running
from mavis_core.db import tables
from mavis_core.db.paging import Order, PageRequest, fetch
from mavis_core.protection.deletion import keeping
from mavis_core.protection.points.service import RecoveryPoints
from mavis_core.protection.retention.policy import Fate, at_most

PAGES, DECISIONS = 20, 5  # for the median
_LIMIT = 50
_FILTERS: dict[str, dict[str, str]] = {
    "of all": {},
    "instance by id": {"instance": instance_id(500)},
    "instance by name": {"instance": "machine-500"},
    "plan of 990": {"plan": "hourly"},
    "plan of 10": {"plan": "small"},
    "state failed": {"state": "failed"},
    "state that none has": {"state": "running"},
}

_COLUMNS = {
    "created_at": tables.recovery_points.c.created_at,
    "taken_at": tables.recovery_points.c.taken_at,
    "instance": tables.recovery_points.c.instance_name,
    "state": tables.recovery_points.c.state,
}
_SORTS = tuple(f"{minus}{name}" for name in RecoveryPoints.SORTS for minus in ("", "-"))


def page_ms(
    catalogue: Catalogue, want: PageRequest, filters: dict[str, str]
) -> tuple[float, float, int]:
    """Return the median and the worst of the milliseconds for a page, and its length."""
    service, took, items = RecoveryPoints(catalogue.database, catalogue.projects), [], 0
    for _ in range(PAGES):
        with stretched("page") as page:
            items = len(service.list(catalogue.admin, PROJECT, want, **filters).items)
        took.append(page().wall_s * 1000)
    return statistics.median(took), max(took), items


def middle(catalogue: Catalogue, sort: str | None) -> str | None:
    """Return the cursor of about the middle of the list."""
    table = tables.recovery_points
    by = table.c.id if sort is None else _COLUMNS[sort.removeprefix("-")]
    order = Order(table.c.id, newest_first=True, columns=_COLUMNS)
    with catalogue.database.read() as tx:
        values = tx.scalars(sa.select(by).order_by(by)).all()
        half = sa.select(table).where(by == values[len(values) // 2])
        if sort is None:
            half = sa.select(table).where(by <= values[len(values) // 2])
        return fetch(tx, half, order, PageRequest(1, None, sort), lambda row: row["id"]).next


def decision(catalogue: Catalogue) -> tuple[Stretch, int, int]:
    """Return what deciding over the large plan takes, its copies, and how many of them stay."""
    plan = catalogue.plan
    with catalogue.database.read() as tx, stretched("decide") as took:
        groups = keeping.groups_of(tx, plan.id, plan.definition)
        verdicts = keeping.verdicts_of(groups, plan.definition.zone)
        at_most(verdicts.values(), plan.definition.max_delete_share, len(verdicts))
    kept = sum(verdict.fate is Fate.KEEP for verdict in verdicts.values())
    return took(), len(verdicts), kept


def lists(catalogue: Catalogue) -> None:
    """Print what pages take."""
    first, later = PageRequest(_LIMIT), PageRequest(_LIMIT, middle(catalogue, None))
    wanted = [(f"first page, {name}", first, filters) for name, filters in _FILTERS.items()]
    wanted += [(f"from the middle, {name}", later, filters) for name, filters in _FILTERS.items()]
    for sort in _SORTS:
        wanted.append((f"first page by {sort}", PageRequest(_LIMIT, None, sort), {}))
        from_there = PageRequest(_LIMIT, middle(catalogue, sort), sort)
        wanted.append((f"from the middle by {sort}", from_there, {}))
    slowest = 0.0
    print(f"{'':42}{'median ms':>10}{'worst ms':>10}{'points':>8}")
    for name, want, filters in wanted:
        median, worst, items = page_ms(catalogue, want, filters)
        slowest = max(slowest, median)
        print(f"{name:42}{median:10.1f}{worst:10.1f}{items:8}")
    goal("a page of 50", slowest, 50.0, " ms")


def retention(catalogue: Catalogue, folder: Path) -> None:
    """Print what deciding takes, beside plain SQL."""
    times, copies, kept = zip(*(decision(catalogue) for _ in range(DECISIONS)), strict=True)
    wall_s = statistics.median(took.wall_s for took in times)
    cpu_s = statistics.median(took.cpu_s for took in times)
    kept_by_sql, sql = questions.kept_by_sql(folder, catalogue.plan.id)
    print(f"retention of {copies[-1]:,}: {wall_s:.2f} s, CPU {cpu_s:.2f} s, keeps {kept[-1]:,}")
    print(f"window functions: {sql.wall_s:.2f} s, CPU {sql.cpu_s:.2f} s, keep {kept_by_sql:,}")
    goal("deciding over a plan", wall_s, 2.0, " s")


def main() -> None:
    """Fill the catalogue, measure, and print figures and goals."""
    with tempfile.TemporaryDirectory() as name:
        catalogue = Catalogue(Path(name))
        with stretched("fill") as filled:
            number = catalogue.fill()
        print(f"{number:,} recovery points written in {filled().wall_s:.0f} s")
        lists(catalogue)
        with running() as simulator:
            page = questions.page_of_the_cloud(simulator)
        pages = 2 * number // questions.PAGE
        print(f"the cloud's {pages} pages by boto3: {pages * page.cpu_s:.0f} s of CPU alone")
        retention(catalogue, Path(name))
        catalogue.database.close()


if __name__ == "__main__":
    main()
