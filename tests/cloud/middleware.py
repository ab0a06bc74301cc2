"""The middleware before the overlay and moto: logs every call and lets faults happen."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from moto.iam.models import get_account_id_from
from moto.moto_api._internal.models import moto_api_backend
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

from cloud import answers, overlay, sessions
from cloud.control import Control
from cloud.faults import NEVER, REFUSED, Effect, Fault, Faults
from cloud.oracle import Call, Oracle, error_code, made_by, scope
from cloud.overlay import Fate, Overlay, ebs_direct

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class Middleware:
    """A WSGI application around ours and moto's.

    moto's calls run one at a time: they are CPU work, and its maps of resources are not made
    for threads. Delays and held replies wait outside of every lock.
    """

    def __init__(self, application: Application, cloud: Overlay) -> None:
        self._application = application
        self._cloud = cloud
        self._moto = threading.Lock()
        self.faults = Faults()
        self.oracle = Oracle()
        sessions.restore(cloud)
        self._control = Control(self.faults, self.oracle, cloud, self._forget, self._load)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_control/"):
            return self._control.answer(Request(environ))(environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        if len(body) < length:
            raise ConnectionAbortedError("who called has died, and half a request is none")
        environ["wsgi.input"] = io.BytesIO(body)
        call = self._begin(environ, body)
        if self._cloud.settings.latency_s:
            time.sleep(self._cloud.settings.latency_s)
        self.faults.let_late_pass(call.service)
        fault = self.faults.take(call.action, call.region, call.account, call.service)
        if fault is not None and fault.effect is Effect.LATE:
            response = self._late(call, fault, environ, body)
        else:
            response = self._answer(call, fault, environ, body)
        self.oracle.note(call, status=response.status_code, code=error_code(response))
        return response(environ, start_response)

    def _begin(self, environ: Environ, body: bytes) -> Call:
        key, region, service = scope(environ.get("HTTP_AUTHORIZATION", ""))
        action, params = _asked(service, environ, body)
        return self.oracle.begin(
            service=service,
            action=action,
            region=region,
            access_key_id=key,
            account=get_account_id_from(key),
            params=params,
            user_agent=environ.get("HTTP_USER_AGENT", ""),
        )

    def _answer(self, call: Call, fault: Fault | None, environ: Environ, body: bytes) -> Response:
        if fault is None:
            return self._effect(call, environ, body, Fate())
        self.oracle.note(call, fault=fault.effect.value)
        if fault.effect in REFUSED:
            return answers.refusal(fault.effect, call)
        self._before(call, fault, environ)
        response = self._effect(call, environ, body, fault.fate)
        if fault.effect is Effect.VANISHED:
            self._cloud.vanish(call.made)
        elif fault.effect is Effect.ONE_VANISHED:
            self._cloud.vanish(call.made[-1:])
        elif fault.effect is Effect.HOLD_REPLY:
            self.faults.hold(fault.seconds)
        elif fault.effect is Effect.ERROR500_AFTER:
            return answers.refusal(Effect.ERROR500, call)
        elif fault.effect is Effect.LOST_REPLY:
            self._hang_up(call, environ)
        return response

    def _late(self, call: Call, fault: Fault, environ: Environ, body: bytes) -> Response:
        late = self.faults.begin_late()
        try:
            return self._answer(call, fault, environ, body)
        finally:
            late.done.set()

    def _before(self, call: Call, fault: Fault, environ: Environ) -> None:
        if fault.effect is Effect.DELAY:
            time.sleep(fault.seconds)
        elif fault.effect in (Effect.HOLD_BEFORE, Effect.HOLD_INSTEAD, Effect.LATE):
            self.faults.hold(fault.seconds)
        if fault.effect in NEVER:
            self._hang_up(call, environ)

    def _hang_up(self, call: Call, environ: Environ) -> NoReturn:
        self.oracle.note(call, status=0)
        with suppress(OSError):  # who called may be gone
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("a fault: there is no answer")

    def _effect(self, call: Call, environ: Environ, body: bytes, fate: Fate) -> Response:
        """Let it be done, by us or by moto, and note what was made."""
        if self._cloud.knows(call.service, call.action):
            response, made = self._ours(call, body, fate)
        else:
            response, made = self._motos(call, environ)
        self.oracle.note(call, made=made, happened=True)
        return response

    def _ours(self, call: Call, body: bytes, fate: Fate) -> tuple[Response, list[str]]:
        request = overlay.Request(
            service=call.service,
            action=call.action,
            account=call.account,
            region=call.region,
            said=call.params,
            body=body,
        )
        answer = self._cloud.answer(request, fate)
        headers = {"Content-Type": answer.type, **answer.headers}
        if answer.code:
            headers["x-amzn-errortype"] = answer.code
        return Response(answer.body, answer.status, headers), list(answer.made)

    def _motos(self, call: Call, environ: Environ) -> tuple[Response, list[str]]:
        with self._moto:
            chunks, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        response = Response(b"".join(chunks), status, headers)
        if response.status_code >= 300 or not call.action:
            return response, []
        text = response.get_data(as_text=True)
        if call.action == "AssumeRole":
            sessions.keep(self._cloud, call, text)
        return response, made_by(call.action, call.params, text)

    def _forget(self) -> None:
        with self._moto:
            moto_api_backend.reset()

    def _load(self, path: Path) -> None:
        self._cloud.load(path)
        with self._moto:
            sessions.restore(self._cloud)


def _asked(service: str, environ: Environ, body: bytes) -> tuple[str, dict[str, str]]:
    """Return the action of a request, and its parameters as texts."""
    if service == "ebs":
        request = Request(environ)
        said = ebs_direct.asked(
            request.method, request.path, dict(request.args), dict(request.headers)
        )
        return ebs_direct.action_of(request.method, request.path), dict(said)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        document = json.loads(body or b"{}")
        return target.rpartition(".")[2], {name: _text(value) for name, value in document.items()}
    params = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    action = params.pop("Action", "")
    params.pop("Version", None)
    return action, params


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
