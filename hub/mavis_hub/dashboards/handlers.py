"""Everything that this process answers: the page of a view, its kernel's channels, its files.

An address begins with a ticket, and whatever does not name one that goes on is 404. There are no
other addresses: neither contents nor files, terminals, lists of kernels, or notebooks by path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jupyter_server.auth import User
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler, StaticFileHandler
from voila.static_file_handler import MultiStaticFileHandler, TemplateStaticFileHandler
from voila.utils import get_voila_labextensions_path

from mavis_core.errors import MavisError, NotFound
from mavis_hub.dashboards import html
from mavis_hub.dashboards.addresses import FRAMES
from mavis_hub.dashboards.kernels import Kernels
from mavis_hub.dashboards.rendering import BASE, EXTENSIONS, Rendering, Voila
from mavis_hub.dashboards.views import View, Views

__all__ = ["Parts", "rules"]

_TICKET = r"([A-Za-z0-9_-]{43})"
_KERNEL = r"([0-9a-f]{32})"
_FILE = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
_EXTENSION = "|".join(re.escape(name) for name in EXTENSIONS)
_KEEP_ALIVE_S = 10.0
_log = logging.getLogger("mavis.dashboards")


class Parts:
    """What the handlers work with.

    Parameters
    ----------
    site
        Where the page is that holds the frame, and no other may: scheme, host and port.
    here
        Where these frames are, in the same form.
    """

    def __init__(
        self, views: Views, kernels: Kernels, voila: Voila, *, site: str, here: str
    ) -> None:
        self.views = views
        self.kernels = kernels
        self.voila = voila
        self.site = site
        self.here = here

    def policy(self, ticket: str) -> str:
        """Return the Content-Security-Policy of a frame.

        Sandboxed without ``allow-same-origin``, its scripts are of no origin: no cookie, no
        storage, no page of Mavis is theirs, whatever a publisher wrote. They reach their own
        addresses and nothing else. Widgets need code from text: ``eval`` and ``blob:``.
        """
        own = f"{self.here}{FRAMES}/{ticket}/"
        sockets = own.replace("http", "ws", 1)
        return (
            "sandbox allow-scripts allow-forms allow-downloads allow-popups"
            " allow-popups-to-escape-sandbox; default-src 'none';"
            f" script-src {own} 'unsafe-inline' 'unsafe-eval' blob: data:;"
            f" style-src {own} 'unsafe-inline'; img-src {own} data: blob:; font-src {own} data:;"
            f" media-src data: blob:; connect-src {own} {sockets} blob: data:;"
            f" base-uri 'none'; form-action 'none'; frame-ancestors {self.site}"
        )


def _headers(handler: RequestHandler) -> None:
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Referrer-Policy", "no-referrer")
    # A page of no origin is another site to its own files.
    handler.set_header("Cross-Origin-Resource-Policy", "cross-origin")
    handler.clear_header("Server")


class Frame(RequestHandler):
    """The page of a view."""

    def initialize(self, parts: Parts) -> None:
        """Take what the application hands over."""
        self._parts = parts

    def set_default_headers(self) -> None:
        _headers(self)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/html; charset=utf-8")

    async def get(self, ticket: str) -> None:
        """Show it, with a kernel of its own."""
        self.set_header("Content-Security-Policy", self._parts.policy(ticket))
        view = await self._parts.views.open(ticket)
        kernel_id = await self._parts.views.new_kernel(view)
        rendering = Rendering(self._parts.voila, view.start, f"{FRAMES}/{ticket}/")
        try:
            async for piece in _with_signs(rendering.pieces(self._parts.kernels, kernel_id)):
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return  # the page is gone; its view ends by itself

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, MavisError):
            status_code = error.status
            if error.retry_after_s is not None:
                self.set_header("Retry-After", str(int(error.retry_after_s)))
        self.set_status(status_code)
        self.finish(html.failed(error if isinstance(error, MavisError) else None))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, MavisError):
            _log.info("a frame: %s: %s", value.code, value)
        else:
            super().log_exception(typ, value, tb)


async def _with_signs(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield `pieces`, and a sign of life where the next one takes long: proxies lose patience."""
    iterator = aiter(pieces)
    coming: asyncio.Future[str] = asyncio.ensure_future(_next(iterator))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=_KEEP_ALIVE_S)
            if not done:
                yield "<!-- still there -->\n"
                continue
            try:
                yield coming.result()
            except _End:
                return
            coming = asyncio.ensure_future(_next(iterator))
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, _End):
            await coming


async def _next(iterator: AsyncIterator[str]) -> str:
    try:
        return await anext(iterator)
    except StopAsyncIteration as exc:
        raise _End from exc


class _End(Exception):
    """There is no further piece."""


class Channels(KernelWebsocketHandler):
    """The channels of the kernel of a view; those of another's are not there."""

    def initialize(self, parts: Parts) -> None:
        """Take what the application hands over."""
        self._parts = parts
        self._view: View | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # nobody logs in here
        ticket, kernel_id = self.path_args
        try:
            view = self._parts.views.get(ticket)
        except MavisError as exc:
            raise HTTPError(exc.status) from exc
        if view.kernel_id != kernel_id:
            raise HTTPError(404)
        if not self.check_origin():  # Tornado asks only where a browser names one
            raise HTTPError(403)
        self._view = view
        self.current_user = User(username=view.start.view)

    async def get(self, ticket: str, kernel_id: str) -> None:  # type: ignore[override]  # as above
        """Open them."""
        del ticket
        self.kernel_id = kernel_id
        await self.pre_get()  # type: ignore[no-untyped-call]
        await super(KernelWebsocketHandler, self).get(kernel_id=kernel_id)

    async def open(self, kernel_id: str) -> None:
        """Join the sockets of the view."""
        if self._view is not None:
            self._view.sockets.add(self)
        await super().open(kernel_id)  # type: ignore[no-untyped-call]

    def on_close(self) -> None:
        """Leave the sockets of the view."""
        if self._view is not None:
            self._view.sockets.discard(self)
        if getattr(self, "connection", None) is not None:
            super().on_close()  # type: ignore[no-untyped-call]

    def check_origin(self, origin: str | None = None) -> bool:
        """Whether a sandboxed page asks: such have no origin, and the ticket is what they know."""
        return (origin or self.request.headers.get("Origin")) == "null"

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        self.set_status(status_code)
        self.finish()


class Kernel(RequestHandler):
    """What the page of a view asks of its kernel before it opens the channels."""

    def initialize(self, parts: Parts) -> None:
        """Take what the application hands over."""
        self._parts = parts

    def set_default_headers(self) -> None:
        _headers(self)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Access-Control-Allow-Origin", "null")

    def get(self, ticket: str, kernel_id: str) -> None:
        """Say that it is there."""
        try:
            view = self._parts.views.get(ticket)
        except MavisError as exc:
            raise HTTPError(exc.status) from exc
        if view.kernel_id != kernel_id:
            raise HTTPError(404)
        self.finish({"id": kernel_id, "name": "python3"})

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        self.set_status(status_code)
        self.finish()


class _Guarded(RequestHandler):
    """A file for the page of a view. It is a package's, and the same for all."""

    def prepare(self) -> None:
        """Look whether the view goes on; take its ticket out of the way of the file's handler."""
        try:
            self.settings["parts"].views.get(self.path_args[0])
        except MavisError as exc:
            raise HTTPError(exc.status) from exc
        del self.path_args[0]

    def set_default_headers(self) -> None:
        _headers(self)
        self.set_header("Access-Control-Allow-Origin", "null")  # scripts of a page of no origin

    def set_extra_headers(self, path: str) -> None:
        """Let a browser keep it as long as it likes: the address ends with the view."""
        del path
        self.set_header("Cache-Control", "private, max-age=86400, immutable")

    def check_xsrf_cookie(self) -> None:
        """Do nothing: there are no cookies."""

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        self.set_status(status_code)
        self.finish()


class StaticFile(_Guarded, MultiStaticFileHandler):  # type: ignore[misc]  # voila has no types
    """A file of Voila's pages."""


class TemplateFile(_Guarded, TemplateStaticFileHandler):  # type: ignore[misc]  # as above
    """A file of Voila's templates."""


class ExtensionFile(_Guarded, StaticFileHandler):
    """A file of an extension that pages load."""

    def initialize(self, roots: list[str]) -> None:  # type: ignore[override]  # it has several
        """Take where extensions are installed."""
        self._roots = roots
        super().initialize(path=roots[0])

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Return where it is below `root`; `validate_absolute_path` looks at the other roots."""
        return StaticFileHandler.get_absolute_path(root, path)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the file, in the first of the roots that has it."""
        relative = Path(absolute_path).relative_to(root)
        for each in self._roots:
            if (Path(each) / relative).is_file():
                self.root = each
                return super().validate_absolute_path(each, str(Path(each) / relative))
        raise HTTPError(404)


class Unknown(RequestHandler):
    """Whatever else is asked for."""

    def set_default_headers(self) -> None:
        _headers(self)

    def prepare(self) -> None:
        """Say that there is nothing."""
        self.set_status(404)
        self.finish(html.failed(NotFound("There is nothing here")))


class Health(RequestHandler):
    """Says that the process answers, for this machine only: the edge leads nobody here."""

    def get(self) -> None:
        """Say so."""
        parts: Parts = self.settings["parts"]
        self.write({"status": "ok", "used": parts.kernels.used, "ready": parts.kernels.ready})


def rules(parts: Parts) -> list[tuple[Any, ...]]:
    """Return the rules: all that there are."""
    given = {"parts": parts}
    view = rf"{FRAMES}/{_TICKET}"
    extensions = get_voila_labextensions_path()
    return [
        (r"/health", Health),
        (rf"{view}/", Frame, given),
        (rf"{view}/api/kernels/{_KERNEL}", Kernel, given),
        (rf"{view}/api/kernels/{_KERNEL}/channels", Channels, given),
        (rf"{view}/voila/static/({_FILE})", StaticFile, {"paths": parts.voila.static_paths}),
        (rf"{view}/voila/templates/({BASE}/static/{_FILE})", TemplateFile),
        (
            rf"{view}/voila/labextensions/((?:{_EXTENSION})/static/{_FILE})",
            ExtensionFile,
            {"roots": extensions},
        ),
        (r".*", Unknown),
    ]
