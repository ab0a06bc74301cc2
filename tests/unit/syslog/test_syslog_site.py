"""The receiver's place on the appliance, and how it reads a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mavis_core import clock
from mavis_core.config import Config, load
from mavis_core.errors import Conflict, InvalidInput, NotFound
from mavis_core.logs import LogClient
from mavis_core.logs.inbox import Receipt
from mavis_core.records import Record
from mavis_hub.folders import folders
from mavis_hub.preflight import local_group
from mavis_hub.processes import Process, processes
from mavis_hub.secrets import SECRETS
from mavis_hub.syslog.clients import Client, Clients, check_name
from mavis_hub.syslog.delivery import Delivery
from mavis_hub.syslog.framing import Counted
from mavis_hub.syslog.pace import Pace
from mavis_hub.syslog.reading import Reading
from mavis_hub.syslog.stories import Source, Story


def config(home: Path, **flags: object) -> Config:
    named = {f"syslog.{name}": value for name, value in flags.items()}
    return load(home / "mavis", environ={}, flags={"appliance.isolation": "users", **named})


def row(config: Config) -> Process | None:
    return next((each for each in processes(config, {}) if each.name == "syslog"), None)


def test_the_receiver_is_off_by_default(tmp_path: Path) -> None:
    assert row(config(tmp_path)) is None
    assert row(config(tmp_path, listen="tls")) is not None


def test_the_receiver_has_a_user_of_its_own_and_does_not_know_the_database(tmp_path: Path) -> None:
    environ = {"MAVIS_DATABASE_URL": "postgresql+psycopg://mavis:password@db/mavis"}
    table = processes(config(tmp_path, listen="both"), environ)
    (receiver,) = [each for each in table if each.name == "syslog"]
    assert receiver.user == "mavis-syslog"
    assert "MAVIS_DATABASE_URL" not in receiver.environment
    assert receiver.capabilities == ()
    low = row(config(tmp_path, listen="tls", port=514))
    assert low is not None
    assert low.capabilities == ("net_bind_service",)


def test_no_folder_but_its_own_is_open_to_the_receiver(tmp_path: Path) -> None:
    site = config(tmp_path, listen="both", local_group="adm")
    table = {each.path: each for each in folders(site)}
    reports = table[site.reports_socket.parent]
    assert (reports.user, reports.group, reports.mode) == ("mavis-logs", "mavis-syslog", 0o2750)
    assert (table[site.syslog_run].user, table[site.syslog_run].group) == ("mavis-syslog", "adm")
    assert table[site.syslog_folder].mode & 0o027 == 0, "it cannot write who may send"
    groups = {each.group for each in table.values() if each.path not in (
        site.reports_socket.parent, site.syslog_folder
    )}  # fmt: skip
    assert "mavis-syslog" not in groups
    held = {each.name for each in SECRETS if "syslog" in each.holders}
    assert held == {"syslog-token"}
    assert table[site.secrets / "authority"].user is None


def test_a_group_that_is_none_is_told_before_the_start(tmp_path: Path) -> None:
    site = config(tmp_path, listen="local", local_group="no-such-group")
    with pytest.raises(InvalidInput, match="no-such-group"):
        local_group(site)


class Kept(LogClient):
    """Keeps records in a list."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), "no secret")
        self.records: list[Record] = []

    def append(self, records: Sequence[Record]) -> Receipt:
        self.records += records
        return Receipt(len(records))


def read(chunks: Sequence[bytes], *, frame_s: float = 30, idle_s: float = 30) -> tuple[str, Kept]:
    """Read a stream that brings `chunks` and stays open."""
    kept = Kept()

    async def whole() -> str:
        reader = asyncio.StreamReader()
        for chunk in chunks:
            reader.feed_data(chunk)
        delivery = Delivery(kept)
        reading = Reading(delivery, Pace(1000), idle_s, frame_s=frame_s)
        story = Story(Source("web-1", "prj_1", "192.0.2.1"))
        try:
            return await reading.read(reader, story, Counted())
        finally:
            delivery.close()

    return asyncio.run(whole()), kept


def test_a_message_that_does_not_end_ends_the_connection() -> None:
    why, kept = read([b"5 <13>a", b"500 <13>half"], frame_s=0)
    assert why == "a message did not end in time"
    assert [each.action for each in kept.records] == [
        "reported.syslog.open",
        "reported.syslog",
        "reported.syslog.close",
    ]


def test_a_connection_that_brings_nothing_is_ended_and_leaves_no_record() -> None:
    why, kept = read([], idle_s=0)
    assert (why, kept.records) == ("nothing came", [])


def client(name: str = "web-1", fingerprint: str = "ab" * 32, project: str = "prj_1") -> Client:
    return Client(
        name, project, "shop", fingerprint, "2030-01-01T00:00:00Z", "2029-01-01T00:00:00Z"
    )


def test_a_client_has_one_project_and_as_many_certificates_as_it_is_given() -> None:
    held = Clients().add(client(), again=False)
    with pytest.raises(Conflict, match="already"):
        held.add(client(fingerprint="cd" * 32), again=False)
    with pytest.raises(Conflict, match="writes to the log of shop"):
        held.add(client(fingerprint="cd" * 32, project="prj_2"), again=True)
    with pytest.raises(Conflict, match="known already"):
        held.add(client(), again=True)
    both = held.add(client(fingerprint="cd" * 32), again=True)
    one = both.revoke("web-1", "AB:AB", clock.now())
    assert one.by_fingerprint("ab" * 32) is None
    assert one.by_fingerprint("cd" * 32) == both.clients[1]
    none = one.revoke("web-1", None, clock.now())
    assert none.named("web-1") == ()
    with pytest.raises(NotFound):
        none.revoke("web-1", None, clock.now())
    again = none.add(replace(client(), fingerprint="ef" * 32), again=False)
    assert len(again.clients) == 3


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "-a", "a-", "a" * 64, "ä", "a\n"])
def test_a_name_that_would_confuse_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)
