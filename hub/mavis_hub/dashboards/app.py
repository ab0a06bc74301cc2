"""The application of the dashboards process, from its settings."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Self

from jupyter_server.auth import AllowAllAuthorizer
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.web import Application

from mavis_core.config import Config
from mavis_core.errors import MavisError, Unavailable
from mavis_hub.dashboards.addresses import FRAMES
from mavis_hub.dashboards.broker import Broker
from mavis_hub.dashboards.handlers import Parts, rules
from mavis_hub.dashboards.kernels import Kernels
from mavis_hub.dashboards.rendering import Voila
from mavis_hub.dashboards.views import Views
from mavis_hub.isolation import Walls, walls_stand

__all__ = ["Dashboards", "Surroundings", "make_dashboards"]

_log = logging.getLogger("mavis.dashboards")
_PING_S = 20
_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the others are.

    Parameters
    ----------
    site
        Where browsers find the pages that hold frames.
    here
        Where browsers find the frames.
    api
        Where this process asks the api process.
    mavis_url
        Where kernels call the API, and what their links begin with.
    """

    site: str
    here: str
    api: str
    mavis_url: str

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return them as they are on an appliance."""
        return cls(
            site=config.public_url,
            here=config.public_url,
            api=f"http://127.0.0.1:{config.ports.api}",
            mavis_url=f"{config.public_url}/services/mavis",
        )


class Dashboards:
    """The application, and what has to be begun and closed with it."""

    def __init__(
        self, application: Application, views: Views, kernels: Kernels, broker: Broker
    ) -> None:
        self.application = application
        self.views = views
        self.kernels = kernels
        self._broker = broker
        self._telling: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin to heat kernels, and tell the api process; an event loop runs."""
        self._telling = asyncio.ensure_future(self._tell())
        self.kernels.heat()

    async def _tell(self) -> None:
        """Tell the api process that this one has begun, as soon as it answers."""
        while True:
            try:
                await self._broker.began()
                return
            except MavisError:
                await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """End every view and kernel."""
        if self._telling is not None:
            self._telling.cancel()
        await self.views.close()
        await self.kernels.close()
        self._broker.close()


def make_dashboards(config: Config, around: Surroundings, secret: str) -> Dashboards:
    """Return the application.

    Parameters
    ----------
    secret
        With which the api process is asked.

    Raises
    ------
    Unavailable
        Kernels cannot be walled in here, and this appliance promises walls.
    """
    kernels = Kernels(config, _walls(config), mavis_url=around.mavis_url)
    broker = Broker(around.api, secret)
    views = Views(broker, kernels)
    voila = Voila(config.dashboards.cell_timeout_s)
    parts = Parts(views, kernels, voila, site=around.site, here=around.here)
    application = Application(
        rules(parts),
        parts=parts,
        base_url=f"{FRAMES}/",
        kernel_manager=kernels.manager,
        kernel_websocket_connection_class=ZMQChannelsWebsocketConnection,
        authorizer=AllowAllAuthorizer(),  # the handlers decide, by ticket
        websocket_ping_interval=_PING_S,
        websocket_max_message_size=4 * 1024 * 1024,
        autoreload=False,
        serve_traceback=False,
        log_function=lambda _: None,  # addresses hold tickets
    )
    return Dashboards(application, views, kernels, broker)


def _walls(config: Config) -> Walls:
    trial = config.dashboards_run / "trial"
    trial.mkdir(mode=0o700, exist_ok=True)
    why = walls_stand(config.home, trial)
    trial.rmdir()
    if why and config.isolated:
        raise Unavailable(
            f"Kernels of dashboards cannot be kept apart here: {why}",
            mend="Let users make namespaces (sysctl user.max_user_namespaces), then start again.",
        )
    if why:
        _log.warning("kernels have no walls in this try-out: %s", why)
    return Walls(config.home, config.dashboards.kernel_memory_mb, namespaces=not why)
