"""The state: one SQLite file, one connection, one lock.

A call holds the lock for the milliseconds of its transaction; nobody waits inside.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from cloud.overlay import things
from cloud.overlay.context import Call
from cloud.overlay.things import Thing

T = TypeVar("T", bound=Thing)

_INDEXES = {
    things.Instance: ("reservation", "subnet"),
    things.Volume: ("snapshot",),
    things.Attachment: ("instance",),
    things.Snapshot: ("volume", "ready"),
    things.Image: ("name",),
    things.Vpc: (),
    things.Subnet: ("vpc",),
    things.Group: ("vpc",),
    things.Rule: ("group",),
    things.Key: (),
    things.Alias: ("key",),
    things.Grant: ("key",),
    things.Command: (),
    things.Invocation: ("command", "instance"),
}
# What a call is said to have made; the rest is about these
_ANNOUNCED = {
    *(things.Instance, things.Volume, things.Snapshot, things.Image),
    *(things.Vpc, things.Subnet, things.Group, things.Key),
}
_MORE = """
CREATE TABLE IF NOT EXISTS tag (
    id TEXT, key TEXT, value TEXT, account TEXT, region TEXT, PRIMARY KEY (id, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tag_value ON tag (account, region, key, value);
CREATE TABLE IF NOT EXISTS permission (id TEXT, grantee TEXT, PRIMARY KEY (id, grantee))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS permission_grantee ON permission (grantee);
CREATE TABLE IF NOT EXISTS image_snapshot (
    snapshot TEXT, image TEXT, PRIMARY KEY (snapshot, image)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token (
    account TEXT, region TEXT, action TEXT, token TEXT, digest TEXT, made TEXT,
    PRIMARY KEY (account, region, action, token)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block (
    owner TEXT, number INTEGER, digest BLOB, PRIMARY KEY (owner, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS put (
    snapshot TEXT, number INTEGER, PRIMARY KEY (snapshot, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS data (digest BLOB PRIMARY KEY, bytes BLOB);
CREATE TABLE IF NOT EXISTS session (key TEXT PRIMARY KEY, role TEXT, name TEXT) WITHOUT ROWID;
"""


class Store:
    """Everything that is in the cloud. Safe for threads.

    Parameters
    ----------
    path
        The file; it is made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._database = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None, cached_statements=512
        )
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-65536"):
            self._database.execute(f"PRAGMA {pragma}")
        self.tables: dict[type[Thing], Table[Any]] = {
            kind: Table(self, kind, indexes) for kind, indexes in _INDEXES.items()
        }
        for table in self.tables.values():
            self._database.executescript(table.schema)
        self._database.executescript(_MORE)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do the block's changes all or not at all, one block after the other."""
        with self._lock:
            self._database.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(sql, tuple(values)).fetchall()

    def row(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        with self._lock:
            found: tuple[Any, ...] | None = self._database.execute(sql, values).fetchone()
            return found

    def run(self, sql: str, *values: Any) -> int:
        """Change something; return how many rows it changed."""
        with self._lock:
            return self._database.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._lock:
            self._database.executemany(sql, rows)

    def table(self, kind: type[T]) -> Table[T]:
        return self.tables[kind]

    def clear(self) -> None:
        """Empty the cloud."""
        with self.transaction():
            names = self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (name,) in names:
                self.run(f'DELETE FROM "{name}"')

    def save(self, path: Path) -> None:
        """Write everything into a new file."""
        with self._lock, closing(sqlite3.connect(path)) as file:
            self._database.backup(file)

    def load(self, path: Path) -> None:
        """Have what a file has that `save` wrote, instead of what is here."""
        with self._lock, closing(sqlite3.connect(path)) as file:
            file.backup(self._database)

    def close(self) -> None:
        with self._lock:
            self._database.close()


class Table(Generic[T]):
    """The things of one kind."""

    def __init__(self, store: Store, kind: type[T], indexes: Sequence[str]) -> None:
        self._store = store
        self._kind = kind
        self.name = f'"{kind.__name__.lower()}"'
        self._fields = fields(kind)
        self._names = [each.name for each in self._fields]
        self._json = [bool(each.metadata.get("json")) for each in self._fields]
        self._boolean = [each.type in ("bool", bool) for each in self._fields]
        self._tuple = ["tuple" in str(each.type) for each in self._fields]
        self.columns = ", ".join(f'"{name}"' for name in self._names)
        marks = ", ".join("?" * len(self._names))
        self._insert = f"INSERT INTO {self.name} ({self.columns}) VALUES ({marks})"
        self._indexes = indexes

    @property
    def schema(self) -> str:
        name = self.name[1:-1]
        columns = ", ".join(f'"{each}"' for each in self._names if each != "id")
        lines = [
            f'CREATE TABLE IF NOT EXISTS "{name}" (n INTEGER PRIMARY KEY, id TEXT, {columns})',
            f'CREATE INDEX IF NOT EXISTS "{name}_id" ON "{name}" (id)',
            f'CREATE INDEX IF NOT EXISTS "{name}_place" ON "{name}" (account, region, n)',
        ]
        lines += [
            f'CREATE INDEX IF NOT EXISTS "{name}_{each}" ON "{name}" ("{each}")'
            for each in self._indexes
        ]
        return ";\n".join(lines) + ";"

    def insert(self, call: Call, thing: T) -> T:
        """Add a thing, with the fate of its call."""
        if call.fate.hidden_s:
            thing = replace(thing, shown=call.now + call.fate.hidden_s)
        self._store.run(self._insert, *self._row(thing))
        if self._kind in _ANNOUNCED:
            call.made.append(thing.id)
        return thing

    def change(self, thing: T, **changes: Any) -> T:
        """Change a thing, and return it as it is now."""
        changed = replace(thing, **changes)
        row = dict(zip(self._names, self._row(changed), strict=True))
        sets = ", ".join(f'"{name}" = ?' for name in changes)
        values = [row[name] for name in changes]
        self._store.run(
            f"UPDATE {self.name} SET {sets} WHERE id = ? AND gone = ?",
            *values,
            thing.id,
            thing.gone,
        )
        return changed

    def find(self, now: float, where: str, *values: Any) -> list[T]:
        """Return what is there at `now`, in the order of its making."""
        sql = (
            f"SELECT {self.columns} FROM {self.name}"
            f" WHERE ({where}) AND shown <= ? AND gone > ? ORDER BY n"
        )
        return [self.thing(row) for row in self._store.rows(sql, (*values, now, now))]

    def unseen(self, now: float, where: str, *values: Any) -> list[T]:
        """Return what is there at `now`, whether it is shown or not: a name is taken by both."""
        sql = f"SELECT {self.columns} FROM {self.name} WHERE ({where}) AND gone > ? ORDER BY n"
        return [self.thing(row) for row in self._store.rows(sql, (*values, now))]

    def get(self, call: Call, one: str) -> T | None:
        """Return a thing by its id where it can be seen, whosesoever and wheresoever it is."""
        found = self.find(call.now, "id = ?", one)
        return found[0] if found else None

    def made(self, *ids: str) -> list[T]:
        """Return things by their ids, whether they are to be seen or not."""
        marks = ", ".join("?" * len(ids))
        sql = f"SELECT {self.columns} FROM {self.name} WHERE id IN ({marks}) ORDER BY n"
        return [self.thing(row) for row in self._store.rows(sql, ids)]

    def thing(self, row: Sequence[Any]) -> T:
        values: list[Any] = list(row)
        for index, value in enumerate(values):
            if self._json[index]:
                decoded = json.loads(value)
                values[index] = tuple(decoded) if self._tuple[index] else decoded
            elif self._boolean[index]:
                values[index] = bool(value)
        return self._kind(**dict(zip(self._names, values, strict=True)))

    def _row(self, thing: T) -> list[Any]:
        return [
            json.dumps(getattr(thing, name)) if packed else getattr(thing, name)
            for name, packed in zip(self._names, self._json, strict=True)
        ]
