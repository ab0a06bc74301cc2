"""Addresses below this server, and what they are at the appliance.

What is passed on is what both sides cannot read in two ways: plain segments between single
slashes. An address with an escaped slash, a segment that goes up or stays, a backslash or a
control character is refused, however often it is escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus, urlsplit

from mavis_ext.lab.problems import InvalidInput

__all__ = ["Addresses"]

# RFC 3986: a path's segment is made of unreserved and escaped characters, sub-delims, ":", "@".
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]|-]|%[0-9A-Fa-f]{2})*")
_HIDDEN = re.compile(r"[/\\\x00-\x1f\x7f]")
# Where Jupyter finds its own: a token, the XSRF token, a wish about the culling of servers.
_JUPYTERS = frozenset({"token", "_xsrf", "no_track_activity"})
# What JupyterLab's ServerConnection puts at the end of each address, against caches.
_MOMENT = re.compile(r"\d{10,20}")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The two prefixes.

    Parameters
    ----------
    own
        Where the api appears to be: ``/user/ada/mavis/api``.
    origin
        The appliance's scheme, host and port.
    theirs
        Where the api is there: ``/services/mavis/api``.
    """

    own: str
    origin: str
    theirs: str

    def target(self, uri: str) -> str:
        """Return what to ask the appliance for: path and query.

        Raises
        ------
        InvalidInput
            `uri` is no plain address below the own prefix.
        """
        path, _, query = uri.partition("?")
        rest = path.removeprefix(self.own)
        if rest == path or not _is_plain(rest):
            raise InvalidInput(f"The address is none of the API's: {_shown(path)}")
        if not _QUERY.fullmatch(query):
            raise InvalidInput("The query holds characters that must be escaped")
        passed = "&".join(part for part in query.split("&") if not _is_jupyters(part))
        return self.theirs + rest + (f"?{passed}" if passed else "")

    def location(self, text: str) -> str | None:
        """Return what a ``Location`` of the api is below this server; None where it is outside."""
        try:
            parts = urlsplit(text)
        except ValueError:
            return None
        if (parts.scheme or parts.netloc) and f"{parts.scheme}://{parts.netloc}" != self.origin:
            return None
        rest = parts.path.removeprefix(self.theirs)
        if rest == parts.path or not _is_plain(rest) or not _QUERY.fullmatch(parts.query):
            return None
        return self.own + rest + (f"?{parts.query}" if parts.query else "")


def _is_plain(rest: str) -> bool:
    """Return whether what follows the prefix is nothing, or plain segments."""
    if not rest:
        return True
    first, *segments = rest.split("/")
    return not first and all(map(_is_plain_segment, segments))


def _is_plain_segment(segment: str) -> bool:
    if not _SEGMENT.fullmatch(segment):
        return False
    while (bare := unquote(segment)) != segment:
        segment = bare
    return segment not in (".", "..") and not _HIDDEN.search(segment)


def _is_jupyters(part: str) -> bool:
    name, sign, _ = part.partition("=")
    return unquote_plus(name) in _JUPYTERS or (not sign and bool(_MOMENT.fullmatch(name)))


def _shown(path: str) -> str:
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in path
    )[:200]
