"""The overlay as a whole: which actions it has, and what becomes of one request."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloud.overlay import (
    attributes,
    groups,
    images,
    instances,
    kms,
    launch,
    locks,
    networks,
    snapshots,
    tags,
    volumes,
    wire,
)
from cloud.overlay.context import Action, Ask, Call, Fate, Reply, Settings
from cloud.overlay.refusals import Refusal
from cloud.overlay.store import Store

_EC2: dict[str, Action] = {
    name: action
    for module in (
        *(instances, launch, volumes, snapshots, attributes, locks, images),
        *(networks, groups, tags),
    )
    for name, action in module.ACTIONS.items()
}
_JSON: dict[str, dict[str, Action]] = {"kms": kms.ACTIONS}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came.

    Parameters
    ----------
    service, action
        ``ec2`` and ``CreateVolume``, say.
    account, region
        Whose key it carries, and where it goes.
    body
        The form of EC2, or JSON.
    """

    service: str
    action: str
    account: str
    region: str
    body: bytes
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; `code` is empty where it went well, `made` are ids."""

    status: int
    body: bytes
    type: str
    code: str = ""
    made: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


class Overlay:
    """Our cloud. Safe for threads.

    Parameters
    ----------
    path
        Where its state is.
    """

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.settings = Settings()

    def knows(self, service: str, action: str) -> bool:
        return action in (_EC2 if service == "ec2" else _JSON.get(service, ()))

    def answer(self, request: Request, fate: Fate) -> Answer:
        """Do what a request asks for."""
        if request.service == "ec2":
            return self._query(request, fate)
        return self._json(request, fate)

    def vanish(self, ids: Sequence[str]) -> None:
        """Let things be gone, as if they had never been."""
        with self.store.transaction():
            for table in self.store.tables.values():
                for one in ids:
                    self.store.run(f"UPDATE {table.name} SET gone = 0 WHERE id = ?", one)

    def reset(self) -> None:
        self.settings = Settings()
        self.store.clear()

    def close(self) -> None:
        self.store.close()

    def _query(self, request: Request, fate: Fate) -> Answer:
        try:
            ask = wire.read_query(request.action, request.body.decode())
            reply, made = self._do(_EC2[request.action], request, ask, fate)
        except Refusal as exc:
            return Answer(exc.status, wire.write_xml_refusal(exc), "text/xml", exc.code)
        return Answer(200, wire.write_xml(request.action, reply), "text/xml", made=made)

    def _json(self, request: Request, fate: Fate) -> Answer:
        kind = "application/x-amz-json-1.1"
        try:
            ask = wire.read_json(request.body)
            reply, made = self._do(_JSON[request.service][request.action], request, ask, fate)
        except Refusal as exc:
            return Answer(exc.status, wire.write_json_refusal(exc), kind, exc.code)
        return Answer(200, wire.write_json(reply), kind, made=made)

    def _do(
        self, action: Action, request: Request, ask: Ask, fate: Fate
    ) -> tuple[Reply, tuple[str, ...]]:
        with self.store.transaction():
            call = Call(
                self.store, request.account, request.region, time.time(), self.settings, fate
            )
            reply = action(call, ask)
            if ask.get("DryRun"):
                raise Refusal(
                    "DryRunOperation",
                    "Request would have succeeded, but DryRun flag is set.",
                    412,
                )
            return reply, tuple(call.made)
