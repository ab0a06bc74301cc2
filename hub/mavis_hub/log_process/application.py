"""The routes of the log process."""

from __future__ import annotations

import logging

from tornado.web import Application, HTTPError, RequestHandler

from mavis_hub.log_process.arrivals import Arrivals
from mavis_hub.log_process.exports import Exports
from mavis_hub.log_process.handler import Handler, Parts
from mavis_hub.log_process.questions import ContextOf, HealthOf, Sql, SummaryOf
from mavis_hub.log_process.records import Records
from mavis_hub.log_process.reports import Aside, Reports

__all__ = ["make_application", "make_reports_application"]

logger = logging.getLogger(__name__)


def make_application(parts: Parts) -> Application:
    """Return what answers at the socket."""
    given = {"parts": parts}
    return Application(
        [
            ("/arrivals", Arrivals, given),
            ("/context", ContextOf, given),
            ("/export", Exports, given),
            ("/health", HealthOf, given),
            ("/records", Records, given),
            ("/sql", Sql, given),
            ("/summary", SummaryOf, given),
        ],
        default_handler_class=_Unknown,
        default_handler_args=given,
        log_function=_log_request,
    )


def make_reports_application(parts: Parts) -> Application:
    """Return what answers at the socket of the syslog receiver."""
    given = {"parts": parts}
    return Application(
        [("/quarantine", Aside, given), ("/records", Reports, given)],
        default_handler_class=_Unknown,
        default_handler_args=given,
        log_function=_log_request,
    )


class _Unknown(Handler):
    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(404)


def _log_request(handler: RequestHandler) -> None:
    logger.debug("request.done path=%s status=%d", handler.request.path, handler.get_status())
