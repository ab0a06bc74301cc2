"""The addresses of the pages."""

from __future__ import annotations

from typing import Any

from mavis_ext.app import PREFIX
from mavis_hub.pages.assets import static_rules
from mavis_hub.pages.audit import Audit
from mavis_hub.pages.devices import DevicesPage
from mavis_hub.pages.handlers import Callback, Site
from mavis_hub.pages.home import Home
from mavis_hub.pages.members import Members
from mavis_hub.pages.new_project import NewProject
from mavis_hub.pages.preview_groups import GroupConfirmation
from mavis_hub.pages.previews import Confirmation
from mavis_hub.pages.projects import ProjectPage
from mavis_hub.pages.record_parts import Around, RecordEvents, RecordsFile
from mavis_hub.pages.recovery_points import PointPage, PointsPage
from mavis_hub.pages.restores import RestoresPage
from mavis_hub.pages.runs import RunEvents, RunPage, RunsPage
from mavis_hub.pages.schedules import Schedules
from mavis_hub.pages.searches import SavedSearches
from mavis_hub.pages.sessions import (
    CastFile,
    FoundPage,
    SessionPage,
    SessionsPage,
    TerminalPage,
    WatchPage,
)
from mavis_hub.pages.stories import Story

__all__ = ["page_rules"]

_ANY = "([^/]+)"


def page_rules(site: Site) -> list[tuple[Any, ...]]:
    """Return the rules of the pages and of what they load."""
    given = {"site": site}
    return [
        (rf"{PREFIX}/?", Home, given),
        (rf"{PREFIX}/projects/{_ANY}/?", ProjectPage, given),
        (rf"{PREFIX}/new-project", NewProject, given),
        (rf"{PREFIX}/records", Audit, given),
        (rf"{PREFIX}/records/searches", SavedSearches, given),
        (rf"{PREFIX}/records/events", RecordEvents, given),
        (rf"{PREFIX}/records/export", RecordsFile, given),
        (rf"{PREFIX}/records/(rec_[^/]+)", Around, given),
        (rf"{PREFIX}/projects/{_ANY}/members", Members, given),
        (rf"{PREFIX}/projects/{_ANY}/preview-groups/{_ANY}", GroupConfirmation, given),
        (rf"{PREFIX}/projects/{_ANY}/previews/{_ANY}", Confirmation, given),
        (rf"{PREFIX}/projects/{_ANY}/recovery-points", PointsPage, given),
        (rf"{PREFIX}/projects/{_ANY}/recovery-points/{_ANY}", PointPage, given),
        (rf"{PREFIX}/projects/{_ANY}/restores", RestoresPage, given),
        (rf"{PREFIX}/projects/{_ANY}/runs", RunsPage, given),
        (rf"{PREFIX}/projects/{_ANY}/runs/{_ANY}", RunPage, given),
        (rf"{PREFIX}/projects/{_ANY}/runs/{_ANY}/events", RunEvents, given),
        (rf"{PREFIX}/projects/{_ANY}/schedules", Schedules, given),
        (rf"{PREFIX}/projects/{_ANY}/devices", DevicesPage, given),
        (rf"{PREFIX}/projects/{_ANY}/sessions", SessionsPage, given),
        (rf"{PREFIX}/projects/{_ANY}/sessions/{_ANY}", SessionPage, given),
        (rf"{PREFIX}/projects/{_ANY}/recordings", FoundPage, given),
        (rf"{PREFIX}/projects/{_ANY}/sessions/{_ANY}/cast", CastFile, given),
        (rf"{PREFIX}/projects/{_ANY}/sessions/{_ANY}/terminal", TerminalPage, given),
        (rf"{PREFIX}/projects/{_ANY}/sessions/{_ANY}/watch", WatchPage, given),
        (rf"{PREFIX}/stories/{_ANY}", Story, given),
        *static_rules(),
        (rf"{PREFIX}/oauth_callback", Callback, {"auth": site.identity.auth}),
    ]
