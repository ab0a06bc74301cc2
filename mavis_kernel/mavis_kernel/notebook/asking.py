"""``%%opslog``: a cell in SQL, asked of the records."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mavis_kernel.cli.options import in_project
from mavis_kernel.cli.record_sql import reach_options
from mavis_kernel.errors import BadSettings
from mavis_kernel.notebook.state import NotebookState

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["opslog"]

_EXAMPLE = """\b
Example:
  %%opslog --since 1w -o who
  SELECT person, count(*) AS calls FROM audit GROUP BY ALL ORDER BY calls DESC"""


@click.command(epilog=_EXAMPLE)
@in_project
@click.option("--all-projects", is_flag=True, help="Wherever you may read records.")
@reach_options
@click.option("-o", "--output", "name", metavar="NAME", help="Keep the answer as this variable.")
@click.option("--arrow", is_flag=True, help="As a table of Arrow, not as a frame of pandas.")
@click.pass_obj
def opslog(
    state: NotebookState,
    all_projects: bool,
    since: datetime | None,
    until: datetime | None,
    name: str | None,
    arrow: bool,
) -> pd.DataFrame | Any:
    """Ask the records in SQL: the cell is one SELECT of DuckDB.

    It sees the views records, audit and operations, with the records of the project in that time,
    and nothing else. Returns a frame of pandas; with -o it is kept and not shown.
    """
    if name is not None and not name.isidentifier():
        raise BadSettings(f"{name!r} is no name of a variable.", mend="Use letters, as in -o who.")
    sql = state.cell or ""
    if not sql.strip():
        raise BadSettings(
            "The cell has no SQL.", mend="Write it below %%opslog: SELECT count(*) FROM records"
        )
    project = None if all_projects else state.project
    answer = state.client().records.sql(sql, project=project, since=since, until=until)
    table = answer.to_arrow() if arrow else answer.to_pandas()
    if name is None:
        return table
    state.session.put(name, table)
    rows = len(answer.rows)
    click.echo(f"{name}: {rows:,} row{'' if rows == 1 else 's'} from {answer.records:,} records")
    return None
