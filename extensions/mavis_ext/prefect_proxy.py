"""Prefect's pages for administrators, for reading.

A browser's request is let in (`prefect_guard`), found on the list (`prefect_routes`), and asked
anew of Prefect with the secret that only this process has. Nothing is passed through by default:
of the request go method, path, query, a JSON body and five headers; of the answer come status,
body and seven headers. Cookies and tokens go in neither direction.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.routing import URLSpec
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.web import stream_request_body

from mavis_core.errors import Forbidden, InvalidInput, MavisError, TooLarge, Unavailable
from mavis_ext.prefect_events import EventsHandler, Sockets
from mavis_ext.prefect_guard import Gate, GuardedHandler, Identify, Login, refused
from mavis_ext.prefect_routes import EVENTS, Kind, Route, find

__all__ = ["prefect_rules"]

_MAX_BODY = 1024 * 1024
_MAX_ANSWER = 32 * 1024 * 1024
_AT_A_TIME = 16
_WAITING = 240  # a page loads some eighty files, over HTTP/2 all at once
_CONNECT_TIMEOUT_S = 5.0
_TIMEOUT_S = 60.0

_SENT_ON = ("Accept", "If-None-Match", "If-Modified-Since")
_HANDED_BACK = (
    "Content-Type",
    "Content-Disposition",
    "Content-Encoding",
    "ETag",
    "Last-Modified",
    "Retry-After",
    "Vary",
)


def prefect_rules(
    *,
    prefix: str,
    upstream: str,
    secret: str,
    identify: Identify,
    login: Login | None = None,
    recheck_s: float = 20.0,
) -> list[URLSpec]:
    """Return the rules of Prefect's pages for a Tornado application.

    Parameters
    ----------
    prefix
        Where the pages are: ``/services/mavis/prefect``. Prefect's own setting
        ``PREFECT_SERVER_UI_SERVE_BASE`` says the same.
    upstream
        Prefect's address: ``http://127.0.0.1:PORT``.
    secret
        ``PREFECT_SERVER_API_AUTH_STRING``.
    identify
        Finds out who asks, at each call anew.
    login
        Sends a browser that opens a page to log in; None: it gets 401.
    recheck_s
        Seconds after which an open WebSocket asks again who is there.
    """
    gate = Gate(prefix.rstrip("/"), upstream.rstrip("/"), secret, identify, login, recheck_s)
    below = re.escape(gate.prefix)
    return [
        URLSpec(f"{below}{re.escape(EVENTS)}", EventsHandler, {"gate": gate, "sockets": Sockets()}),
        URLSpec(f"{below}(?:/.*)?", _PagesHandler, {"gate": gate, "prefect": _Prefect(gate)}),
    ]


class _Prefect:
    """Asks Prefect, a bounded number of questions at a time."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._client: SimpleAsyncHTTPClient | None = None
        self._inside = 0
        self._authorization = "Basic " + base64.b64encode(gate.secret.encode()).decode("ascii")

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> HTTPResponse:
        """Return what Prefect answers.

        Raises
        ------
        Unavailable
            It does not, or too many ask already.
        """
        if self._inside >= _AT_A_TIME + _WAITING:
            raise Unavailable("Too many requests wait for Prefect", retry_after_s=1)
        request = HTTPRequest(
            f"{self._gate.upstream}{target}",
            method=method,
            headers={**headers, "Authorization": self._authorization},
            body=body,
            connect_timeout=_CONNECT_TIMEOUT_S,
            request_timeout=_TIMEOUT_S,
            follow_redirects=False,
            decompress_response=False,  # what is packed goes on packed
        )
        self._inside += 1
        try:
            answer = await self._asker().fetch(request, raise_error=False)
        except (HTTPClientError, OSError) as exc:
            raise Unavailable(
                f"Prefect did not answer: {type(exc).__name__}", retry_after_s=5
            ) from exc
        finally:
            self._inside -= 1
        # A browser that sees 401 asks for a password, which is not the administrator's to know.
        if answer.code == 401 or (300 <= answer.code < 400 and answer.code != 304):
            raise Unavailable(f"Prefect answered {answer.code}, which it never should")
        return answer

    def _asker(self) -> SimpleAsyncHTTPClient:
        if self._client is None:  # belongs to the loop that runs when the first request comes
            self._client = SimpleAsyncHTTPClient(
                force_instance=True, max_clients=_AT_A_TIME, max_buffer_size=_MAX_ANSWER
            )
        return self._client


@stream_request_body
class _PagesHandler(GuardedHandler):
    """All of Prefect's pages but their WebSocket."""

    def initialize(self, gate: Gate, prefect: _Prefect) -> None:  # type: ignore[override]  # Tornado passes what the rule names
        super().initialize(gate)
        self._prefect = prefect
        self._body = bytearray()
        self._body_size = 0
        self._refusal: MavisError | None = None

    async def prepare(self) -> None:
        said = self.request.headers.get("Content-Length", "")
        self._check_size(int(said) if said.isdecimal() else 0)  # Tornado refuses what is no number
        try:
            await self._admit()
        except MavisError as exc:  # said when the request is read: before, the answer may get lost
            self._refusal = exc

    async def _admit(self) -> None:
        self.ctx = await self.who()
        method, target = self.request.method or "", self.request.uri or ""
        route = find(method, target, prefix=self.gate.prefix)
        if route is None:
            raise refused(f"{method[:20]} {target.partition('?')[0][:200]}")
        self._route: Route = route
        self._check_site()

    def data_received(self, chunk: bytes) -> None:
        self._body_size += len(chunk)
        if self._body_size <= _MAX_BODY and self._refusal is None:
            self._body += chunk

    async def _answer(self) -> None:
        if self._refusal is not None:
            self.refuse(self._refusal)
            return
        self._check_size(self._body_size)
        match self._route.kind:
            case Kind.HOME:
                self.redirect(f"{self.gate.prefix}/v2/")
            case Kind.SETTINGS:
                self._tell(_settings(self.gate.prefix))
            case Kind.SERVER_SETTINGS:
                self._tell(_SERVER_SETTINGS)
            case _:
                await self._pass()

    get = post = put = patch = delete = head = options = _answer

    async def _pass(self) -> None:
        asked = self.request.headers
        body = bytes(self._body) if self.request.method == "POST" else None
        kind = asked.get("Content-Type", "").partition(";")[0].strip().lower()
        if body and kind != "application/json":
            raise InvalidInput("The body is not said to be JSON")
        headers = {name: asked[name] for name in _SENT_ON if name in asked}
        headers["Accept-Encoding"] = (
            "gzip" if "gzip" in asked.get("Accept-Encoding", "") else "identity"
        )
        if body:
            headers["Content-Type"] = "application/json"
        answer = await self._prefect.ask(self.request.method or "", self._target(), headers, body)
        self.set_status(answer.code)
        for name in _HANDED_BACK:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        if self._route.kind is Kind.ASSET and answer.code in (200, 304):
            self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        if answer.code == 304:
            self.finish()
        else:
            self.finish(answer.body)

    def _target(self) -> str:
        """Return what to ask for: Prefect has pages below the prefix and its API at the root."""
        target = self.request.uri or ""
        match self._route.kind:
            case Kind.API:
                return target.removeprefix(self.gate.prefix)
            case Kind.PAGE:
                return f"{self.gate.prefix}/v2/"
            case _:
                return target

    def _check_site(self) -> None:
        """Refuse what a page of another site sends: the cookie comes along with that, too.

        People may come to a page from anywhere, and may type an address of the API.
        """
        site = self.request.headers.get("Sec-Fetch-Site")
        allowed = ("same-origin",) if self.request.method == "POST" else ("same-origin", "none")
        if site is None or site in allowed or self._route.kind in (Kind.HOME, Kind.PAGE):
            return
        raise Forbidden(
            "A page of another site may not ask Prefect", mend="Open Prefect's pages from Mavis."
        )

    def _check_size(self, size: int) -> None:
        if size > _MAX_BODY:
            raise TooLarge(f"The body has over {_MAX_BODY} bytes")

    def _tell(self, value: Mapping[str, Any]) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(value))


def _settings(prefix: str) -> dict[str, Any]:
    """Return the pages' settings, in Prefect's form (``UISettings``).

    Prefect's own would say ``BASIC``, and the pages would ask for a password.
    """
    return {
        "api_url": f"{prefix}/api",
        "csrf_enabled": False,
        "auth": None,
        "flags": [],
        "default_ui": "v2",
        "available_uis": ["v2"],
        "v1_base_url": None,
        "v2_base_url": f"{prefix}/v2",
    }


_SERVER_SETTINGS: dict[str, Any] = {
    "server": {"analytics_enabled": False, "ui": {"show_promotional_content": False}}
}
"""Prefect's own has all settings, with addresses of databases among them."""
