"""The api process: ``python -m mavis_hub.api``. REST API, start page, Prefect behind the login."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from dataclasses import replace

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from mavis_core import config
from mavis_core.bootstrap import ApiApp, api_app
from mavis_core.config import Config
from mavis_core.errors import MavisError
from mavis_core.heap import settle_heap
from mavis_ext.app import PREFIX, make_application, make_services
from mavis_ext.base import Services
from mavis_ext.prefect_proxy import prefect_rules
from mavis_hub.dashboard_broker import broker_rules
from mavis_hub.hub_identity import HubIdentity, hub_oauth
from mavis_hub.hub_logins import HubLogins
from mavis_hub.pages.api_docs import docs_rules
from mavis_hub.pages.dashboards import dashboard_rules
from mavis_hub.pages.handlers import Site, send_to_login
from mavis_hub.pages.login import login_rules
from mavis_hub.pages.rules import page_rules
from mavis_hub.server_broker import server_rules
from mavis_hub.serving import end_connections
from mavis_hub.view_identity import ViewIdentity

__all__ = ["main"]

_log = logging.getLogger("mavis.api")
_READ_AT_MOST = 17 * 1024 * 1024  # more than the edge lets through: whoever sends it gets an answer


def main() -> int:
    """Serve until told to stop; return the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        settings = config.load()
        app = api_app(settings)
    except MavisError as exc:
        sys.stderr.write(f"{exc.message}\n{exc.mend}\n")
        return 1
    try:
        asyncio.run(_serve(settings, app))
    except OSError as exc:
        sys.stderr.write(f"The port {settings.ports.api} cannot be used: {exc.strerror}\n")
        return 1
    finally:
        app.close()
    return 0


async def _serve(settings: Config, app: ApiApp) -> None:
    identity = HubIdentity(hub_oauth(settings))
    secret = settings.read_secret("api", "api-cookie-secret").encode()
    logins = HubLogins(settings)
    services = make_services(app, identity, logins, secret=secret)
    known = ViewIdentity(app.views, services.database, identity)
    services = replace(services, identify=known)
    server = HTTPServer(
        _application(settings, services, identity, logins),
        xheaders=True,
        trusted_downstream=["127.0.0.1"],
        max_body_size=_READ_AT_MOST,
        idle_connection_timeout=120,
        body_timeout=60,
    )
    server.listen(settings.ports.api, "127.0.0.1")
    settle_heap()
    _log.info("REST API on port %d", settings.ports.api)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()
    services.events.close()
    await end_connections(server)
    services.close()


def _application(
    settings: Config, services: Services, identity: HubIdentity, logins: HubLogins
) -> Application:
    def login(handler: RequestHandler) -> None:
        send_to_login(handler, identity.auth)

    prefect = prefect_rules(
        prefix=f"{PREFIX}/prefect",
        upstream=f"http://127.0.0.1:{settings.ports.prefect}",
        secret=settings.read_secret("api", "prefect-auth"),
        identify=identity.browser,
        login=login,
    )
    site = Site(settings.appliance.name, services, identity)
    return make_application(
        services,
        *prefect,
        *docs_rules(settings.appliance.name, identity.browser, login),
        *login_rules(site, logins),
        *dashboard_rules(site, frames=settings.public_url),
        *broker_rules(services, settings.read_secret("api", "dashboards-token")),
        *server_rules(services, settings.read_secret("api", "servers-token")),
        *page_rules(site),
        cookie_secret=settings.read_secret("api", "api-cookie-secret"),
        autoreload=False,
        serve_traceback=False,
        log_function=_log_request,
    )


def _log_request(handler: object) -> None:
    """Do nothing: the edge proxy writes the access log; errors are logged where they happen."""


if __name__ == "__main__":
    sys.exit(main())
