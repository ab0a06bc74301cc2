"""The overlay as a whole: which actions it has, and what becomes of one request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloud.overlay import (
    attributes,
    ebs_direct,
    groups,
    images,
    instances,
    kms,
    launch,
    locks,
    networks,
    snapshots,
    ssm,
    tags,
    volumes,
    wire,
)
from cloud.overlay.context import Action, Ask, Call, Fate, Reply, Settings
from cloud.overlay.refusals import Refusal
from cloud.overlay.shell import Shells
from cloud.overlay.store import Store

_XML, _JSON, _REST = "text/xml", "application/x-amz-json-1.1", "application/json"
_EC2 = (
    *(instances, launch, volumes, snapshots, attributes, locks, images),
    *(networks, groups, tags),
)
_ACTIONS: dict[str, dict[str, Action]] = {
    "ec2": {name: action for module in _EC2 for name, action in module.ACTIONS.items()},
    "ebs": ebs_direct.ACTIONS,
    "kms": kms.ACTIONS,
    "ssm": ssm.ACTIONS,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came.

    Parameters
    ----------
    service, action
        ``ec2`` and ``CreateVolume``, say.
    account, region
        Whose key it carries, and where it goes.
    said
        What a REST request says in address and headers.
    body
        The form of EC2, JSON, or a block's bytes.
    """

    service: str
    action: str
    account: str
    region: str
    said: Mapping[str, str]
    body: bytes


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
        Where its state is; the folders of its instances are beside it.
    """

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.shells = Shells(path.with_name(f"{path.name}.machines"))
        self.settings = Settings()
        ssm.end_interrupted(self.store)

    def knows(self, service: str, action: str) -> bool:
        return action in _ACTIONS.get(service, ())

    def answer(self, request: Request, fate: Fate) -> Answer:
        """Do what a request asks for."""
        try:
            return _ANSWERS[request.service](self, request, fate)
        except Refusal as exc:
            if request.service == "ec2":
                return Answer(exc.status, wire.write_xml_refusal(exc), _XML, exc.code)
            kind = _REST if request.service == "ebs" else _JSON
            return Answer(exc.status, wire.write_json_refusal(exc), kind, exc.code)

    def vanish(self, ids: Sequence[str]) -> None:
        """Let things be gone, as if they had never been."""
        with self.store.transaction():
            for table in self.store.tables.values():
                for one in ids:
                    self.store.run(f"UPDATE {table.name} SET gone = 0 WHERE id = ?", one)
            for one in ids:
                self.store.run("DELETE FROM token WHERE made LIKE ?", f'%"{one}"%')

    def reset(self) -> None:
        self.settings = Settings()
        self.shells.clear()
        self.store.clear()

    def load(self, path: Path) -> None:
        """Be the cloud of a file that `Store.save` wrote; the folders of instances are empty."""
        self.shells.clear()
        self.store.load(path)
        ssm.end_interrupted(self.store)

    def close(self) -> None:
        self.shells.close()
        self.store.close()

    def _query(self, request: Request, fate: Fate) -> Answer:
        ask = wire.read_query(request.action, request.body.decode())
        reply, made = self._do(request, ask, fate)
        return Answer(200, wire.write_xml(request.action, reply), _XML, made=made)

    def _json(self, request: Request, fate: Fate) -> Answer:
        reply, made = self._do(request, wire.read_json(request.body), fate)
        return Answer(200, wire.write_json(reply), _JSON, made=made)

    def _rest(self, request: Request, fate: Fate) -> Answer:
        ask = ebs_direct.read(request.action, request.said, request.body)
        reply, made = self._do(request, ask, fate)
        body, headers = ebs_direct.write(request.action, reply)
        status = ebs_direct.STATUS.get(request.action, 200)
        kind = "application/octet-stream" if request.action == "GetSnapshotBlock" else _REST
        return Answer(status, body, kind, made=made, headers=headers)

    def _do(self, request: Request, ask: Ask, fate: Fate) -> tuple[Reply, tuple[str, ...]]:
        with self.store.transaction():
            call = Call(
                store=self.store,
                shells=self.shells,
                account=request.account,
                region=request.region,
                now=time.time(),
                settings=self.settings,
                fate=fate,
            )
            reply = _ACTIONS[request.service][request.action](call, ask)
            if ask.get("DryRun"):
                words = "Request would have succeeded, but DryRun flag is set."
                raise Refusal("DryRunOperation", words, 412)
        for each in call.after:
            each()
        return reply, tuple(call.made)


_ANSWERS: dict[str, Callable[[Overlay, Request, Fate], Answer]] = {
    "ec2": Overlay._query,
    "ebs": Overlay._rest,
    "kms": Overlay._json,
    "ssm": Overlay._json,
}
