"""Records and questions for tests of the log, and the answers of a walk over all records."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from mavis_core.ids import new_id
from mavis_core.logs import Page, Query
from mavis_core.records import Kind, Origin, Outcome, Phase, Record

START = datetime(2030, 1, 31, 12, tzinfo=UTC)
PROJECTS = ("prj_a", "prj_b", "prj_c", None)
PEOPLE = ("alice", "bob", "o'brien", "straße", "%", "_")
ACTIONS = ("snapshot.create", "snapshot.delete", "resource.stop", "ec2.CreateSnapshots", "a%b")
WORDS = (
    "Server",
    "STRASSE",
    "100%",
    "it's",
    'a "quote"',
    "back\\slash",
    "ΣΊΣΥΦΟΣ",
    "snow ☃",
    "_x_",
)

WORD_QUESTIONS = (
    "server",
    "server it",
    "STRASSE quote",
    "sno*",
    "x y",
    "nothing",
    "cor_3",
    "slash",
)
EXACT = ("correlation_id", "object", "error_code", "source", "kind", "phase", "outcome", "origin")
EXPRESSIONS = (*(r"^ser.er", r"_x_$", r"[^\W\d]{7}", r"s\.c|p.d", "SN.W", r"[^A-S\n]_x", r"\d%"),)
FLAGS = re.IGNORECASE | re.MULTILINE | re.ASCII  # as RE2 understands \w and \d
T = TypeVar("T")


def make_record(rng: random.Random) -> Record:
    phase = rng.choice(list(Phase))
    return Record(
        kind=rng.choice(list(Kind)),
        phase=phase,
        action=rng.choice(ACTIONS),
        person=rng.choice(PEOPLE),
        object=" ".join(rng.sample(WORDS, 1)),
        summary=" ".join(rng.sample(WORDS, 3)),
        correlation_id=f"cor_{rng.randrange(20)}",
        project=rng.choice(PROJECTS),
        outcome=None if phase is Phase.INTENT else rng.choice(list(Outcome)),
        error_code=rng.choice([None, "cloud_denied"]),
        request_id=rng.choice([None, "req_1"]),
        source=rng.choice(["unknown", "10.0.0.7"]),
        origin=rng.choice(list(Origin)),
        id=new_id("rec"),
        data=rng.choice([{}, {"n": 2**70, "list": [1.5, None, "x\n\u0000y"]}]),
        # Few different times, so that many records share one and the id decides.
        time=START + timedelta(microseconds=rng.randrange(60)),
    )


class Asked(Protocol):
    """Whatever answers questions."""

    def search(self, query: Query) -> Page:
        """Return a page."""


def held(record: Record, words: str) -> bool:
    """Return whether `record` holds all of `words`, which are single ones here."""
    texts = [record.summary, record.object, record.person, record.action, record.correlation_id]
    there = {word for text in (*texts, *_texts(record.data)) for word in _plain(text)}
    return all(
        any(each.startswith(word) if part.endswith("*") else each == word for each in there)
        for part in words.split()
        for word in _plain(part)
    )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _plain(text: str) -> list[str]:
    letters = unicodedata.normalize("NFD", text.lower())
    return re.findall(r"\w+", "".join(each for each in letters if not unicodedata.combining(each)))


def everything(asked: Asked, query: Query) -> list[Record]:
    """Return the records of all pages."""
    found: list[Record] = []
    while True:
        page = asked.search(query)
        assert len(page.items) <= query.limit
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == query.limit
        query = replace(query, cursor=page.next)


def walk(records: list[Record], query: Query) -> list[Record]:
    """Answer `query` by looking at every record."""

    def fits(record: Record) -> bool:
        data = json.dumps(dict(record.data), ensure_ascii=False, separators=(",", ":"))
        texts = (record.summary, record.object, record.person, record.action, data)
        return (
            (query.projects is None or record.project in query.projects)
            and (query.since is None or record.time >= query.since)
            and (query.until is None or record.time < query.until)
            and (not query.people or record.person in query.people)
            and (not query.actions or record.action.startswith(query.actions))
            and all(getattr(query, name) in (None, getattr(record, name)) for name in EXACT)
            and (query.words is None or held(record, query.words))
            and (query.q is None or any(query.q.lower() in text.lower() for text in texts))
            and (
                query.regex is None
                or any(re.search(query.regex, text.lower(), FLAGS) for text in texts)
            )
        )

    return sorted(filter(fits, records), key=lambda r: (r.time, r.id), reverse=True)


def make_query(rng: random.Random, *, words: bool = False) -> Query:
    def maybe(value: T) -> T | None:
        return value if rng.random() < 0.15 else None

    return Query(
        projects=rng.choice([None, None, frozenset(rng.sample(PROJECTS[:3], rng.randrange(4)))]),
        since=maybe(START + timedelta(microseconds=rng.randrange(60))),
        until=maybe(START + timedelta(microseconds=rng.randrange(60))),
        person=maybe(rng.choice((*PEOPLE, "nobody", "alice,bob", "%,_,o'brien"))),
        action=maybe(
            rng.choice(("snapshot.", "snapshot.create", "a%", "a_", "ec2", "'", "a%, ec2.", "x,y"))
        ),
        object=maybe(rng.choice(WORDS)),
        error_code=maybe("cloud_denied"),
        kind=maybe(rng.choice(list(Kind))),
        phase=maybe(rng.choice(list(Phase))),
        outcome=maybe(rng.choice(list(Outcome))),
        origin=maybe(rng.choice(list(Origin))),
        source=maybe(rng.choice(("unknown", "10.0.0.7"))),
        correlation_id=maybe(f"cor_{rng.randrange(21)}"),
        q=maybe(
            rng.choice((*WORDS, "strasse", "%", "_", "'", '"', "\\", "☃", "SS", "er s", "'; --"))
        ),
        regex=maybe(rng.choice(EXPRESSIONS)),
        words=maybe(rng.choice(WORD_QUESTIONS)) if words else None,
        limit=rng.choice([7, 50, 200] if words else [1, 7, 50, 200]),
    )
