"""The style sheet and the script of the pages. Anybody may have them: they tell nothing."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from importlib import resources

from tornado.web import RequestHandler

from mavis_core.errors import NotFound
from mavis_ext.app import PREFIX

__all__ = ["Static", "address_of", "kept", "static_rules"]

_PLACE = f"{PREFIX}/static"
_CSS, _JS = "text/css; charset=utf-8", "text/javascript; charset=utf-8"
_MEDIA = {
    "mavis.css": _CSS,
    "mavis.js": _JS,
    "dashboard.css": _CSS,
    "dashboard.js": _JS,
    "remote.css": _CSS,
    "terminal.css": _CSS,
    "terminal.js": _JS,
    "player.css": _CSS,
    "player.js": _JS,
}
_BUILT = frozenset({"terminal.css", "terminal.js", "player.css", "player.js"})
"""What `make assets` has bundled with what it took from npm."""
_KEPT_S = 31_536_000


@dataclass(frozen=True, slots=True)
class _File:
    digest: str
    content: bytes = field(repr=False)


@functools.cache
def _file(name: str) -> _File:
    if name in _BUILT:
        place = resources.files("mavis_ext").joinpath("static", "remote", name)
    else:
        place = resources.files("mavis_hub.pages").joinpath("static", name)
    content = place.read_bytes()
    return _File(hashlib.sha256(content).hexdigest()[:16], content)


def address_of(name: str) -> str:
    """Return the address of a file, with its digest: what it leads to never changes."""
    return f"{_PLACE}/{name}?v={_file(name).digest}"


def kept(known: bool) -> str:
    """Return how long a browser keeps a file whose address does, or does not, have its digest."""
    return f"private, max-age={_KEPT_S}, immutable" if known else "private, no-cache"


class Static(RequestHandler):
    """Sends one of the files."""

    def set_default_headers(self) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.clear_header("Server")

    def get(self, name: str) -> None:
        """Send it."""
        if name not in _MEDIA:
            raise NotFound(f"There is no file {name[:40]} here")
        file = _file(name)
        self.set_header("Cache-Control", kept(self.get_query_argument("v", "") == file.digest))
        self.set_header("Content-Type", _MEDIA[name])
        self.finish(file.content)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        error = (kwargs.get("exc_info") or (None, None))[1]  # type: ignore[index]  # Tornado's form
        self.set_status(error.status if isinstance(error, NotFound) else status_code)
        self.finish()

    def log_exception(self, *about: object) -> None:
        """Do nothing: a file that is not there is no event."""


def static_rules() -> list[tuple[str, type[Static]]]:
    """Return the rule of the files."""
    return [(rf"{_PLACE}/([a-z.-]+)", Static)]
