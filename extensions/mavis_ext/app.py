"""The REST API as one table of routes, and the Tornado application that serves it."""

from __future__ import annotations

import re
from typing import Any

from tornado.web import Application

from mavis_core.bootstrap import ApiApp
from mavis_ext.auth import Identify, Issue
from mavis_ext.base import API, PREFIX, ApiHandler, Services
from mavis_ext.events import RunEvents
from mavis_ext.handlers import (
    backup_plans,
    contract,
    dashboards,
    devices,
    environments,
    key_rotations,
    keys,
    logins,
    person_certificates,
    person_keys,
    platform,
    point_changes,
    previews,
    projects,
    record_events,
    record_exports,
    record_holds,
    record_questions,
    recordings,
    records,
    recovery_points,
    reports,
    resources,
    restores,
    runs,
    sessions,
)
from mavis_ext.limits import Limits
from mavis_ext.operation import Operation, operations_of
from mavis_ext.pools import Pool
from mavis_ext.seats import Seats

__all__ = [
    "API",
    "FOLLOWED_BY_ONE",
    "PREFIX",
    "ROUTES",
    "TAKEN_BY_ONE",
    "make_application",
    "make_services",
    "operations",
]

FOLLOWED_BY_ONE = 20
"""Streams of records that one person follows at a time."""
TAKEN_BY_ONE = 2
"""Exports of records that one person takes at a time."""

_P = "/projects/{project}"
_PLAN = f"{_P}/backup-plans/{{plan}}"
_POINT = f"{_P}/recovery-points/{{point}}"
_DEVICE = f"{_P}/devices/{{device}}"
_SERVICE = f"{_DEVICE}/access-services/{{service}}"
_SESSION = f"{_P}/sessions/{{session}}"
_DASHBOARD = f"{_P}/dashboards/{{dashboard}}"

ROUTES: tuple[tuple[str, type[ApiHandler]], ...] = (
    ("/health", platform.Health),
    ("/openapi.json", contract.OpenApi),
    ("/me", platform.Me),
    ("/me/ssh-keys", person_keys.PersonKeys),
    ("/me/ssh-keys/{sshkey}", person_keys.PersonKey),
    ("/me/ssh-certificates", person_certificates.PersonCertificates),
    ("/me/ssh-certificates/{sshcertificate}", person_certificates.PersonCertificate),
    ("/ssh-door", person_certificates.SshDoor),
    ("/device-logins", logins.DeviceLogins),
    ("/device-logins/token", logins.DeviceToken),
    ("/keys", keys.Keys),
    ("/keys/{key}", keys.Key),
    ("/keys/{key}/ways", key_rotations.Ways),
    ("/keys/{key}/rotation", key_rotations.Rotation),
    ("/records", records.AllRecords),
    ("/records/events", record_events.AllRecordEvents),
    ("/records/export", record_exports.AllRecordsExport),
    ("/records/sql", record_questions.RecordsSql),
    ("/records/summary", records.AllRecordsSummary),
    ("/records/{record}/context", records.AllRecordsContext),
    ("/projects", projects.Projects),
    (_P, projects.Project),
    (f"{_P}/members", projects.Members),
    (f"{_P}/members/{{subject}}", projects.Member),
    (f"{_P}/environments", environments.Environments),
    (f"{_P}/environments/{{environment}}", environments.Environment),
    (f"{_P}/discoveries", environments.Discoveries),
    (f"{_P}/resources", resources.Resources),
    (f"{_P}/resources/{{resource}}", resources.Resource),
    (f"{_P}/previews", previews.Previews),
    (f"{_P}/previews/{{preview}}", previews.Preview),
    (f"{_P}/previews/{{preview}}/apply", previews.Apply),
    (f"{_P}/backup-plans", backup_plans.Plans),
    (f"{_P}/backup-plans/presets", backup_plans.Presets),
    (_PLAN, backup_plans.Plan),
    (f"{_PLAN}/runs", backup_plans.PlanRuns),
    (f"{_PLAN}/slots", backup_plans.Slots),
    (f"{_PLAN}/calendar", backup_plans.Calendar),
    (f"{_P}/recovery-points", recovery_points.RecoveryPoints),
    (_POINT, recovery_points.RecoveryPoint),
    (f"{_POINT}/explanation", recovery_points.Explanation),
    (f"{_POINT}/copies", point_changes.Copies),
    (f"{_POINT}/verifications", point_changes.Verifications),
    (f"{_POINT}/hold", point_changes.Hold),
    (f"{_POINT}/lock", point_changes.Lock),
    (f"{_P}/restores", restores.Restores),
    (f"{_P}/restores/{{restore}}", restores.Restore),
    (f"{_P}/reports/protection", reports.Protection),
    (f"{_P}/dashboards", dashboards.Dashboards),
    (_DASHBOARD, dashboards.Dashboard),
    (f"{_DASHBOARD}/versions", dashboards.Versions),
    (f"{_DASHBOARD}/versions/{{version}}", dashboards.Version),
    (f"{_DASHBOARD}/versions/{{version}}/activate", dashboards.Activate),
    (f"{_DASHBOARD}/unpublish", dashboards.Unpublish),
    (f"{_P}/runs", runs.Runs),
    (f"{_P}/runs/{{run}}", runs.Run),
    (f"{_P}/runs/{{run}}/cancel", runs.Cancel),
    (f"{_P}/runs/{{run}}/events", runs.Events),
    (f"{_P}/records", records.Records),
    (f"{_P}/records/events", record_events.RecordEvents),
    (f"{_P}/records/export", record_exports.RecordsExport),
    (f"{_P}/records/summary", records.RecordsSummary),
    (f"{_P}/records/{{record}}/context", records.RecordsContext),
    (f"{_P}/record-holds", record_holds.RecordHolds),
    (f"{_P}/record-holds/{{hold}}", record_holds.RecordHold),
    (f"{_P}/record-holds/{{hold}}/release", record_holds.Release),
    (f"{_P}/cells", records.Cells),
    (f"{_P}/devices", devices.Devices),
    (_DEVICE, devices.Device),
    (f"{_DEVICE}/access-services", devices.AccessServices),
    (_SERVICE, devices.AccessService),
    (f"{_SERVICE}/host-keys", devices.HostKeys),
    (f"{_P}/sessions", sessions.Sessions),
    (_SESSION, sessions.Session),
    (f"{_P}/recordings", recordings.Recordings),
    (f"{_SESSION}/recording", recordings.Recording),
    (f"{_SESSION}/return", sessions.Return),
    (f"{_SESSION}/watch", sessions.Watch),
    (f"{_SESSION}/end", sessions.End),
)
_NAME = re.compile(r"\{[a-z]+\}")


def operations() -> tuple[tuple[str, Operation], ...]:
    """Return every operation with its address below the API's prefix, in their order."""
    return tuple(
        (path, operation)
        for path, handler in ROUTES
        for operation in operations_of(handler).values()
    )


def make_services(app: ApiApp, identify: Identify, issue: Issue, *, secret: bytes) -> Services:
    """Return what the handlers work with; close its pools at the end.

    Parameters
    ----------
    secret
        See `Services`; the same over restarts, so that kept answers are found again.
    """
    database = Pool("database", threads=app.config.database.pool_size, waiting=200)
    return Services(
        app=app,
        identify=identify,
        issue=issue,
        database=database,
        logs=Pool("log service", threads=4, waiting=50),
        sql=Pool("questions in SQL", threads=6, waiting=10),
        hub=Pool("JupyterHub", threads=2, waiting=100),
        limits=Limits(app.config.api.rate_per_s, app.config.api.burst),
        events=RunEvents(app.runs, database),
        record_seats=Seats("follows records", most=150, most_of_one=FOLLOWED_BY_ONE),
        export_seats=Seats("takes exports", most=4, most_of_one=TAKEN_BY_ONE),
        secret=secret,
    )


def make_application(services: Services, *more: Any, **settings: Any) -> Application:
    """Return the application.

    Parameters
    ----------
    more
        Rules besides the REST API's: pages, the Prefect proxy.
    settings
        Tornado's own.
    """
    given = {"services": services}
    rules = [(API + _NAME.sub("([^/]+)", path), handler, given) for path, handler in ROUTES]
    unknown = (rf"{PREFIX}/api(?:/.*)?", platform.Unknown, given)
    return Application([*rules, unknown, *more], **settings)
