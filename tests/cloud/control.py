"""``/_control``: the simulator's own interface, all JSON.

``GET health``; ``GET log?action=&since=&at_least=&timeout=`` (waits until so many calls are
there) and ``DELETE log``; ``POST faults`` (a list, added to those that are there), ``GET`` and
``DELETE`` of the same; ``POST release`` (what is held goes); ``POST reset`` (no faults, no log, an
empty cloud, default settings); ``GET`` and ``POST settings``; ``GET blocks?id=`` (a list of number
and SHA-256), ``POST blocks`` (``{id, blocks: {number: text, or "hex:…"}}``); ``GET digest?id=``;
``GET folder?id=`` (where the scripts of an instance run); ``GET held?timeout=`` (how many calls
are held, as soon as there is one); ``POST save`` and ``POST load`` (``{file}``: the whole cloud as
it is now goes into a file, or comes from one; faults and log are empty after ``load``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from cloud.faults import Faults, parse
from cloud.oracle import Oracle
from cloud.overlay import Overlay, Settings, blocks

_SETTINGS = {name: type(value) for name, value in asdict(Settings()).items()}


class Control:
    """Answers ``/_control``; `forget` empties what is behind the overlay, `load` fills all."""

    def __init__(
        self,
        faults: Faults,
        oracle: Oracle,
        overlay: Overlay,
        forget: Callable[[], None],
        load: Callable[[Path], None],
    ) -> None:
        self._faults = faults
        self._oracle = oracle
        self._overlay = overlay
        self._forget = forget
        self._load_cloud = load
        self._answers: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "health"): self._health,
            ("GET", "log"): self._log,
            ("DELETE", "log"): self._clear_log,
            ("POST", "faults"): self._add_faults,
            ("GET", "faults"): self._list_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "release"): self._release,
            ("POST", "reset"): self._reset,
            ("GET", "settings"): self._settings,
            ("POST", "settings"): self._set,
            ("GET", "blocks"): self._blocks,
            ("POST", "blocks"): self._write,
            ("GET", "digest"): self._digest,
            ("GET", "folder"): self._folder,
            ("GET", "held"): self._held,
            ("POST", "save"): self._save,
            ("POST", "load"): self._load,
        }

    def answer(self, request: Request) -> Response:
        asked = (request.method, request.path.removeprefix("/_control/"))
        try:
            return _json(self._answers[asked](request))
        except KeyError as exc:
            return _json({"error": f"unknown: {exc}"}, 404)
        except ValueError as exc:
            return _json({"error": str(exc)}, 400)

    def _health(self, request: Request) -> Any:
        return {"status": "ok"}

    def _log(self, request: Request) -> Any:
        return self._oracle.listing(
            action=request.args.get("action"),
            since=int(request.args.get("since", 0)),
            at_least=int(request.args.get("at_least", 0)),
            timeout_s=float(request.args.get("timeout", 0)),
        )

    def _clear_log(self, request: Request) -> Any:
        self._oracle.clear()
        return {}

    def _add_faults(self, request: Request) -> Any:
        self._faults.add([parse(item) for item in json.loads(request.get_data())])
        return self._faults.listing()

    def _list_faults(self, request: Request) -> Any:
        return self._faults.listing()

    def _clear_faults(self, request: Request) -> Any:
        self._faults.clear()
        return {}

    def _release(self, request: Request) -> Any:
        self._faults.release()
        return {}

    def _reset(self, request: Request) -> Any:
        self._faults.clear()
        self._forget()
        self._overlay.reset()
        self._oracle.clear()
        return {}

    def _settings(self, request: Request) -> Any:
        return asdict(self._overlay.settings)

    def _set(self, request: Request) -> Any:
        wanted = json.loads(request.get_data())
        for name in set(wanted) - set(_SETTINGS):
            raise ValueError(f"no such setting: {name}; there are {', '.join(_SETTINGS)}")
        values = {name: _SETTINGS[name](value) for name, value in wanted.items()}
        self._overlay.settings = replace(self._overlay.settings, **values)
        return asdict(self._overlay.settings)

    def _blocks(self, request: Request) -> Any:
        found = blocks.listing(self._overlay.store, self._known(request.args["id"]))
        return [[number, digest.hex()] for number, digest in found]

    def _write(self, request: Request) -> Any:
        document = json.loads(request.get_data())
        wanted = {
            int(number): blocks.packed(_content(text))
            for number, text in document["blocks"].items()
        }
        with self._overlay.store.transaction():
            blocks.write(self._overlay.store, self._known(document["id"]), wanted)
        return {}

    def _digest(self, request: Request) -> Any:
        one = self._known(request.args["id"])
        return {"digest": blocks.digest_of(self._overlay.store, one)}

    def _folder(self, request: Request) -> Any:
        return {"folder": str(self._overlay.shells.folder(self._known(request.args["id"])))}

    def _held(self, request: Request) -> Any:
        return {"held": self._faults.held(float(request.args.get("timeout", 0)))}

    def _save(self, request: Request) -> Any:
        self._overlay.store.save(Path(json.loads(request.get_data())["file"]))
        return {}

    def _load(self, request: Request) -> Any:
        self._faults.clear()
        self._load_cloud(Path(json.loads(request.get_data())["file"]))
        self._oracle.clear()
        return {}

    def _known(self, one: str) -> str:
        """Return an id; refuse where there is no such thing, seen or not."""
        table = {"vol": "volume", "snap": "snapshot", "i": "instance"}.get(
            one.split("-", maxsplit=1)[0]
        )
        if table is None or not self._overlay.store.row(f"SELECT 1 FROM {table} WHERE id = ?", one):
            raise KeyError(one)
        return one


def _content(text: str) -> bytes:
    content = bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode()
    if len(content) > blocks.SIZE:
        raise ValueError(f"a block has at most {blocks.SIZE} bytes")
    return content


def _json(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
