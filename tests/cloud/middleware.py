"""The middleware before moto: logs every call, lets faults happen, answers ``/_control``.

Control, all JSON: ``GET /_control/health``; ``GET /_control/log?action=&since=&at_least=&timeout=``
(waits until so many calls are there); ``DELETE /_control/log``; ``POST /_control/faults`` (a list,
added to those that are there), ``GET`` and ``DELETE`` of the same; ``POST /_control/release`` (held
replies go); ``POST /_control/reset`` (no faults, no log, an empty cloud).
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from moto.iam.models import get_account_id_from
from moto.moto_api._internal.models import moto_api_backend
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

from cloud import answers
from cloud.faults import Effect, Fault, Faults, parse
from cloud.oracle import Call, Oracle, error_code, made_by, scope

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
_INSTEAD = {Effect.THROTTLE, Effect.ERROR500, Effect.EXPIRED_CREDENTIALS, Effect.DENY}


class Middleware:
    """A WSGI application around moto's.

    moto's calls run one at a time: they are CPU work, and its maps of resources are not made
    for threads. Delays and held replies wait outside of that lock.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._moto = threading.Lock()
        self.faults = Faults()
        self.oracle = Oracle()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_control/"):
            return self._control(Request(environ))(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        params = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        call = self._begin(environ, params)
        response = self._answer(call, self.faults.take(call.action, call.region), environ)
        self.oracle.note(call, status=response.status_code, code=_refused(response))
        return response(environ, start_response)

    def _begin(self, environ: Environ, params: dict[str, str]) -> Call:
        key, region, service = scope(environ.get("HTTP_AUTHORIZATION", ""))
        return self.oracle.begin(
            service=service,
            action=params.pop("Action", ""),
            region=region,
            access_key_id=key,
            account=get_account_id_from(key),
            params={name: value for name, value in params.items() if name != "Version"},
            user_agent=environ.get("HTTP_USER_AGENT", ""),
        )

    def _answer(self, call: Call, fault: Fault | None, environ: Environ) -> Response:
        if fault is None:
            return self._effect(call, environ)
        self.oracle.note(call, fault=fault.effect.value)
        if fault.effect in _INSTEAD:
            return answers.refusal(fault.effect, call)
        if fault.effect is Effect.DELAY:
            time.sleep(fault.seconds)
            return self._effect(call, environ)
        gate = self.faults.gate()
        response = self._effect(call, environ)
        if fault.effect is Effect.HOLD_REPLY:
            gate.wait(fault.seconds)
        elif fault.effect is Effect.ERROR500_AFTER:
            return answers.refusal(Effect.ERROR500, call)
        elif fault.effect is Effect.LOST_REPLY:
            self.oracle.note(call, status=0)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("a fault: the reply is lost")
        return response

    def _effect(self, call: Call, environ: Environ) -> Response:
        """Let moto do it, and note what it made."""
        with self._moto:
            chunks, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        response = Response(b"".join(chunks), status, headers)
        if response.status_code < 300 and call.action:
            made = made_by(call.action, call.params, response.get_data(as_text=True))
            self.oracle.note(call, made=made)
        self.oracle.note(call, happened=True)
        return response

    def _control(self, request: Request) -> Response:
        asked = (request.method, request.path.removeprefix("/_control/"))
        try:
            return _json(self._controls[asked](self, request))
        except KeyError as exc:
            return _json({"error": f"unknown: {exc}"}, 404)
        except ValueError as exc:
            return _json({"error": str(exc)}, 400)

    def _health(self, request: Request) -> Any:
        return {"status": "ok"}

    def _log(self, request: Request) -> Any:
        return self.oracle.listing(
            action=request.args.get("action"),
            since=int(request.args.get("since", 0)),
            at_least=int(request.args.get("at_least", 0)),
            timeout_s=float(request.args.get("timeout", 0)),
        )

    def _clear_log(self, request: Request) -> Any:
        self.oracle.clear()
        return {}

    def _add_faults(self, request: Request) -> Any:
        self.faults.add([parse(item) for item in json.loads(request.get_data())])
        return self.faults.listing()

    def _list_faults(self, request: Request) -> Any:
        return self.faults.listing()

    def _clear_faults(self, request: Request) -> Any:
        self.faults.clear()
        return {}

    def _release(self, request: Request) -> Any:
        self.faults.release()
        return {}

    def _reset(self, request: Request) -> Any:
        self.faults.clear()
        with self._moto:
            moto_api_backend.reset()
        self.oracle.clear()
        return {}

    _controls: ClassVar[dict[tuple[str, str], Callable[[Middleware, Request], Any]]] = {
        ("GET", "health"): _health,
        ("GET", "log"): _log,
        ("DELETE", "log"): _clear_log,
        ("POST", "faults"): _add_faults,
        ("GET", "faults"): _list_faults,
        ("DELETE", "faults"): _clear_faults,
        ("POST", "release"): _release,
        ("POST", "reset"): _reset,
    }


def _refused(response: Response) -> str:
    return error_code(response.get_data(as_text=True)) if response.status_code >= 300 else ""


def _json(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
