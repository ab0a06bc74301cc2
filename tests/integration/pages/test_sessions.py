"""The page of sessions tells who looks after them what stands in the way of recordings."""

from __future__ import annotations

import pytest

from mavis_core import clock
from mavis_core.errors import Unavailable
from mavis_core.remote.alarms import Alarm, Hindrance
from pages_service import PagesService

PATH = "/projects/shop/sessions"
ALARM = Alarm(
    Hindrance.STORE,
    clock.parse("2032-06-15T09:00:00Z"),
    "The object store takes no recordings: 3 wait in a spool that is 81 % full",
    "Bring the object store back, or set `remote.spool_mb` higher.",
    "prj_of_others/ses_1 cannot be sent",
)


def test_administrators_and_auditors_are_told_and_nobody_else(
    site: PagesService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.rest.recordings, "standing", (ALARM,))
    for person in ("ada", "as-auditor"):
        page = site.get(person, PATH)
        assert page.status == 200
        text = site.text(page)
        assert f"{ALARM.text}. It began" in text
        assert "Bring the object store back, or set remote.spool_mb higher." in text
        assert "prj_of_others" not in text
    for person in ("olga", "vera"):
        assert "object store" not in site.text(site.get(person, PATH))
    monkeypatch.setattr(site.rest.recordings, "standing", ())
    assert "object store" not in site.text(site.get("ada", PATH))


def test_a_gateway_that_is_silent_is_told_and_the_sessions_are_shown(
    site: PagesService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent() -> tuple[Alarm, ...]:
        raise Unavailable("The gateway does not answer", mend="See `mavisctl status`.")

    monkeypatch.setattr(site.rest.recordings, "alarms", silent)
    page = site.get("ada", PATH)
    assert page.status == 200
    assert "The gateway does not answer. See mavisctl status" in site.text(page)
    assert "Nobody has been at a device yet" in site.text(page)
