"""The process that carries out one statement: ``python -I child.py``, in walls, without a name.

It is started with nothing: no environment, no network, no file but the records, which it is handed
open. It imports the standard library and DuckDB, and nothing of ours. The order of what it does is
its safety:

1. the records are read into memory, a table of a schema that the views alone name;
2. DuckDB's own doors are closed and locked: no file, no extension, no setting;
3. the system's are: no file descriptor more (so no file, no socket, whatever DuckDB thinks), no
   byte into any file, no process, bounded CPU. Memory was bounded by who started it;
4. only now the statement is looked at. It becomes a view, which takes one SELECT and nothing that
   writes, and is read in a transaction that may only read.

Standard input has the order, as JSON. Standard output has ``ready`` when the doors are closed; then
a line of JSON, with the columns or with what went wrong; then the rows, as one JSON array.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

_VIEWS = {
    "records": "",
    "audit": " WHERE kind = 'audit'",
    "operations": " WHERE kind = 'operation'",
}
_MOST_COLUMNS = 1000
_MOST_WORDS = 2000  # characters of an error
_BATCH = 500
_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_FLOATS = ("FLOAT", "DOUBLE")


class Over(Exception):
    """The answer is larger than it may be."""


def main() -> None:
    """Carry out one order."""
    order = json.loads(sys.stdin.buffer.readline())
    with suppress(OSError):  # where memory is short, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        database = opened(order["memory_mb"])
        load(database, order["records"])
    except (duckdb.OutOfMemoryException, MemoryError):
        tell({"failed": "records"})
        return
    lock(database)
    close_doors(order["cpu_s"])
    put(b"ready\n")
    answer(database, order)


def opened(memory_mb: int) -> duckdb.DuckDBPyConnection:
    """Return a database in memory."""
    database = duckdb.connect(
        config={
            "threads": "1",
            "memory_limit": f"{memory_mb}MiB",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
        }
    )
    database.execute("SET temp_directory = ''")  # what does not fit is an error, and no file
    database.execute("SET TimeZone = 'UTC'")
    return database


def load(database: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """Read the records, and make the views of them."""
    database.execute("CREATE SCHEMA kept")
    database.execute(
        "CREATE TABLE kept.rows AS"
        " SELECT * REPLACE (time AT TIME ZONE 'UTC' AS time) FROM read_parquet(?)",
        [paths],
    )
    for name, condition in _VIEWS.items():
        database.execute(
            f"CREATE VIEW {name} AS SELECT * REPLACE (data::JSON AS data)"  # noqa: S608 - texts of ours
            f" FROM kept.rows{condition}"
        )


def lock(database: duckdb.DuckDBPyConnection) -> None:
    """Close DuckDB's own doors, for good."""
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def close_doors(cpu_s: int) -> None:
    """Let this process open nothing, write no file, start nothing; for good."""
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_NOFILE, 0),  # those that are open stay so
    ):
        resource.setrlimit(limit, (most, most))


def answer(database: duckdb.DuckDBPyConnection, order: dict[str, Any]) -> None:
    """Carry out the statement, and tell what it gave or what went wrong."""
    try:
        check(database, order["sql"])
    except duckdb.Error as exc:
        tell({"failed": "sql", "message": str(exc)[:_MOST_WORDS]})
        return
    try:
        columns, rows = result(database, order)
    except Over as exc:
        tell({"failed": str(exc)})
    except (duckdb.OutOfMemoryException, MemoryError):
        tell({"failed": "memory"})
    except duckdb.Error as exc:
        tell({"failed": "sql", "message": words(exc)})
    else:
        tell({"columns": columns, "count": len(rows)})
        put(b"[" + b",\n".join(rows) + b"]")


def check(database: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Return where `sql` is one SELECT.

    Raises
    ------
    duckdb.Error
        It is not, or cannot be read.
    """
    found = database.extract_statements(sql)  # the module's own would open another database
    if len(found) != 1:
        raise duckdb.ParserException(
            f"One statement is carried out at a time, and these are {len(found)}"
            if found
            else "There is no statement"
        )
    kind = found[0].type
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):
        raise duckdb.ParserException(
            f"Records can be read only, by SELECT and what is like it; this is {kind.name}"
        )


def result(
    database: duckdb.DuckDBPyConnection, order: dict[str, Any]
) -> tuple[list[tuple[str, str]], list[bytes]]:
    """Return the columns, and the rows as JSON."""
    # A view: its columns have names that differ, and its parser knows no statement but SELECT.
    database.execute("CREATE VIEW kept.answer AS\n" + order["sql"])
    database.execute("BEGIN TRANSACTION READ ONLY")
    database.execute("SELECT * FROM kept.answer LIMIT 0")
    columns = [(str(each[0]), str(each[1])) for each in database.description or ()]
    if len(columns) > _MOST_COLUMNS:
        raise Over("columns")
    members = ", ".join(member(name, kind) for name, kind in columns)
    database.execute(f"SELECT json_array({members})::VARCHAR FROM kept.answer")  # noqa: S608 - quoted
    rows: list[bytes] = []
    size = 0
    while batch := database.fetchmany(_BATCH):
        rows += (row[0].encode() for row in batch)
        size += sum(map(len, rows[-len(batch) :]))
        if len(rows) > order["rows"]:
            raise Over("rows")
        if size > order["bytes"]:
            raise Over("bytes")
    return columns, rows


def member(name: str, kind: str) -> str:
    """Return a column in SQL, with what no JSON number can say as NULL."""
    quoted = '"' + name.replace('"', '""') + '"'
    return f"CASE WHEN isfinite({quoted}) THEN {quoted} END" if kind in _FLOATS else quoted


def words(error: duckdb.Error) -> str:
    """Return what DuckDB says, as if no line had stood above the statement."""
    text = str(error)[:_MOST_WORDS]
    return _LINE.sub(lambda found: f"LINE {max(1, int(found[1]) - 1)}:", text)


def tell(header: dict[str, Any]) -> None:
    """Write a line of JSON."""
    put(json.dumps(header).encode() + b"\n")


def put(content: bytes) -> None:
    """Write all of `content`."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    main()
