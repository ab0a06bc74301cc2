"""Periods of recordings in the gateway: what goes is recorded, and is replayed no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core_double import KERNEL, PLATFORM, Core, call
from mavis_core import clock
from mavis_core.access import Permission
from mavis_core.db import tables
from mavis_core.logs.holds import RecordHolds
from mavis_core.remote.devices import Devices
from mavis_core.remote.model import EndReason, Policy, Protocol
from mavis_core.remote.recording import ScreenTexts
from mavis_core.remote.sessions import Sessions
from mavis_hub.gateway.keeping import Keeping
from recording_scene import HEADER, KEY, Scene

ADA, OLGA = call("ada", PLATFORM), call("olga", KERNEL)


@pytest.mark.parametrize("held", [False, True])
def test_what_is_over_its_period_goes_but_for_what_is_on_hold(
    core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    core.shop()
    session = _session(core)
    scene = Scene(tmp_path)
    try:
        _record(scene, core, session)
    finally:
        scene.recordings.close()
    if held:
        RecordHolds(core.database, core.projects).place(ADA, "shop", "case 7")
    texts = ScreenTexts(tmp_path / "texts.sqlite")
    keeping = Keeping(core.database, scene.store, KEY, texts, keep_days=30)
    assert keeping.look().erased == ()
    later = clock.now() + timedelta(days=31)
    monkeypatch.setattr(clock, "now", lambda: later)
    outcome = keeping.look()
    assert (outcome.erased, outcome.held) == (((), (session,)) if held else ((session,), ()))
    with core.database.read() as tx:
        table = tables.sessions
        kept = tx.scalar(sa.select(table.c.recording).where(table.c.id == session))
    assert kept is held
    told = [each for each in core.records() if each.action == "recording.erase"]
    assert [each.data["erased"] for each in told] == ([] if held else [[session]])


def _session(core: Core) -> str:
    devices = Devices(core.database, core.projects)
    devices.create(ADA, "shop", name="web-1", address="10.0.3.17")
    devices.allow(
        ADA,
        "shop",
        "web-1",
        name="ssh",
        protocol=Protocol.SSH,
        port=22,
        login="admin",
        key=None,
        policy=Policy(),
    )
    made = Sessions(core.database, core.projects).ask(OLGA, "shop", "web-1").session
    table = tables.sessions
    with core.database.write() as tx:
        tx.execute(sa.update(table).where(table.c.id == made.id).values(recording=True))
    return made.id


def _record(scene: Scene, core: Core, session: str) -> None:
    project_id = core.projects.authorize(ADA, "shop", Permission.PROJECT_READ).project.id
    header = replace(HEADER, session_id=session, project_id=project_id, started_at=clock.now())
    recorder = scene.recordings.open(header)
    recorder.output(b"hello\r\n")
    recorder.close(0, EndReason.EXITED)
    scene.manifest(f"{project_id}/{session}/")
