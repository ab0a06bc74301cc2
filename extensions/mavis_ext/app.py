"""The REST API as one table of routes, and the Tornado application that serves it."""

from __future__ import annotations

from typing import Any

from tornado.web import Application

from mavis_core.bootstrap import ApiApp
from mavis_ext.auth import Identify
from mavis_ext.base import ApiHandler, Services
from mavis_ext.handlers import (
    backup_plans,
    environments,
    keys,
    platform,
    point_changes,
    previews,
    projects,
    records,
    recovery_points,
    reports,
    resources,
    restores,
    runs,
)
from mavis_ext.pools import Pool

__all__ = ["API", "PREFIX", "ROUTES", "make_application", "make_services"]

PREFIX = "/services/mavis"
API = f"{PREFIX}/api/v1"
_P = r"/projects/([^/]+)"

ROUTES: tuple[tuple[str, type[ApiHandler]], ...] = (
    (r"/health", platform.Health),
    (r"/me", platform.Me),
    (r"/keys", keys.Keys),
    (r"/keys/([^/]+)", keys.Key),
    (r"/records", records.AllRecords),
    (r"/projects", projects.Projects),
    (_P, projects.Project),
    (rf"{_P}/members", projects.Members),
    (rf"{_P}/members/([^/]+)", projects.Member),
    (rf"{_P}/environments", environments.Environments),
    (rf"{_P}/environments/([^/]+)", environments.Environment),
    (rf"{_P}/discoveries", environments.Discoveries),
    (rf"{_P}/resources", resources.Resources),
    (rf"{_P}/resources/([^/]+)", resources.Resource),
    (rf"{_P}/previews", previews.Previews),
    (rf"{_P}/previews/([^/]+)/apply", previews.Apply),
    (rf"{_P}/backup-plans", backup_plans.Plans),
    (rf"{_P}/backup-plans/presets", backup_plans.Presets),
    (rf"{_P}/backup-plans/([^/]+)", backup_plans.Plan),
    (rf"{_P}/backup-plans/([^/]+)/runs", backup_plans.PlanRuns),
    (rf"{_P}/backup-plans/([^/]+)/slots", backup_plans.Slots),
    (rf"{_P}/backup-plans/([^/]+)/calendar", backup_plans.Calendar),
    (rf"{_P}/recovery-points", recovery_points.RecoveryPoints),
    (rf"{_P}/recovery-points/([^/]+)", recovery_points.RecoveryPoint),
    (rf"{_P}/recovery-points/([^/]+)/explanation", recovery_points.Explanation),
    (rf"{_P}/recovery-points/([^/]+)/copies", point_changes.Copies),
    (rf"{_P}/recovery-points/([^/]+)/verifications", point_changes.Verifications),
    (rf"{_P}/recovery-points/([^/]+)/hold", point_changes.Hold),
    (rf"{_P}/recovery-points/([^/]+)/lock", point_changes.Lock),
    (rf"{_P}/restores", restores.Restores),
    (rf"{_P}/restores/([^/]+)", restores.Restore),
    (rf"{_P}/reports/protection", reports.Protection),
    (rf"{_P}/runs", runs.Runs),
    (rf"{_P}/runs/([^/]+)", runs.Run),
    (rf"{_P}/runs/([^/]+)/cancel", runs.Cancel),
    (rf"{_P}/records", records.Records),
)


def make_services(app: ApiApp, identify: Identify) -> Services:
    """Return what the handlers work with; close its pools at the end."""
    return Services(
        app=app,
        identify=identify,
        database=Pool("database", threads=app.config.database.pool_size, waiting=200),
        logs=Pool("log service", threads=4, waiting=50),
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
    rules = [(API + path, handler, given) for path, handler in ROUTES]
    unknown = (rf"{PREFIX}/api(?:/.*)?", platform.Unknown, given)
    return Application([*rules, unknown, *more], **settings)
