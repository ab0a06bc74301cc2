"""What the syslog receiver may ask: to have its reports kept, and what it cannot read put aside.

It has a socket and a secret of its own. What it gives is taken for what it is: no record from there
can look like something that the platform saw, or that a person did.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from tornado.web import HTTPError, stream_request_body

from mavis_core.errors import InvalidInput
from mavis_core.logs.inbox import MAX_PARCEL_BYTES
from mavis_core.records.model import Kind, Origin, Phase, Record
from mavis_hub.inner_http import http1
from mavis_hub.log_process.handler import Handler
from mavis_hub.log_process.records import Records
from mavis_hub.syslog.stories import ACTION, PREFIX

__all__ = ["Aside", "Reports"]


class Reports(Records):
    """``POST /records``, for reports of syslog alone."""

    async def get(self) -> None:
        raise HTTPError(404)

    def check(self, record: Record) -> None:
        """Raise where a record is no report of a client of syslog."""
        report = (
            record.kind is Kind.OPERATION
            and record.phase is Phase.EVENT
            and record.origin is Origin.REPORTED
            and record.project is not None
            and f"{record.action}.".startswith(f"{ACTION}.")
            and record.source.startswith(PREFIX)
            and record.person == record.source
            and (record.stream or "").startswith(f"{record.source}:")
        )
        if not report:
            raise InvalidInput("this caller gives reports of syslog only")


@stream_request_body
class Aside(Handler):
    """``POST /quarantine``: what a client has sent and nobody can read."""

    def prepare(self) -> None:
        self._body = bytearray()
        super().prepare()
        http1(self.request.connection).set_max_body_size(MAX_PARCEL_BYTES)

    def data_received(self, chunk: bytes) -> None:
        self._body += chunk

    async def post(self) -> None:
        lines, sender = _read(bytes(self._body))
        quarantine = self.parts.service.log.quarantine
        await self.parts.taking.run(lambda: quarantine.refuse_lines(lines, sender))
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"accepted": len(lines), "refused": []}))


def _read(body: bytes) -> tuple[list[tuple[int, str, bytes]], str]:
    try:
        value: Any = json.loads(body)
        sender = str(value["sender"])
        lines = [
            (number, str(each["reason"])[:300], b64decode(each["data"], validate=True))
            for number, each in enumerate(value["lines"], start=1)
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise InvalidInput("This is nothing to be put aside") from exc
    if not sender.startswith(PREFIX):
        raise InvalidInput("this caller puts aside what clients of syslog have sent only")
    return lines, sender[:100]
