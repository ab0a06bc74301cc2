"""The part of ``mavis login`` that sends the person to a browser, and waits for them."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
import webbrowser
from collections.abc import Mapping

import click

from mavis_kernel import device_login
from mavis_kernel.cli.output import say
from mavis_kernel.cli.progress import Interrupted
from mavis_kernel.cli.tables import printable
from mavis_kernel.cli.times import duration
from mavis_kernel.errors import ApiError
from mavis_kernel.hub import Login
from mavis_kernel.settings import Trust

__all__ = ["by_browser", "has_browser"]

_TICK_S = 1.0
_LONGEST_NAME = 100


def by_browser(url: str, trust: Trust, *, opens: bool | None) -> Login:
    """Return the login that the person allows in a browser.

    Parameters
    ----------
    opens
        Whether to open one here; None: ask, where there is one.

    Raises
    ------
    NotLoggedIn
        It was denied, or nobody answered in time.
    Interrupted
        Ctrl-C.
    """
    waiting = device_login.begin(url, trust, _machine())
    say("Open this address in a browser, on this machine or on another, and log in there:")
    say(f"\n  {waiting.page}\n")
    say(f"Allow the login only if the page shows this code: {waiting.user_code}\n")
    if opens or (opens is None and has_browser() and _is_wanted()):
        _open(waiting.page)
    display = _Countdown(waiting.lasts_s)
    try:
        return device_login.fetch(
            url, trust, waiting, wait=display.wait, on_trouble=display.trouble
        )
    except KeyboardInterrupt as exc:
        raise Interrupted(
            "You are not logged in.", mend="The code ends by itself; begin again: mavis login."
        ) from exc
    finally:
        display.close()


def has_browser(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a browser of this machine would be before the person.

    ``BROWSER`` is set where one is, also where an editor leads it to the person's own machine.
    """
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _is_wanted() -> bool:
    return click.confirm("Open it in a browser of this machine?", default=True, err=True)


def _open(page: str) -> None:
    if not webbrowser.open(page):
        say("No browser could be opened here; open the address yourself.")


def _machine() -> str:
    name = "".join(letter for letter in platform.node() if letter.isprintable())
    return name.strip()[:_LONGEST_NAME] or "a machine without a name"


class _Countdown:
    """Says how long there is to wait, on one line that is drawn again."""

    def __init__(self, lasts_s: float) -> None:
        self._until = time.monotonic() + lasts_s
        self._in_place = os.environ.get("TERM") != "dumb"
        self._trouble = ""
        if not self._in_place:
            say("Waiting for you to allow it there. Ctrl-C ends it.")

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._draw()
            time.sleep(min(left, _TICK_S))
        self._trouble = ""

    def trouble(self, error: ApiError) -> None:
        self._trouble = f"{printable(error.detail)} Asking again. "

    def close(self) -> None:
        """Take the line away."""
        if self._in_place:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _draw(self) -> None:
        if self._in_place:
            left = duration(max(0.0, self._until - time.monotonic()))
            text = f"{self._trouble}Waiting for you to allow it there, {left} left. Ctrl-C ends it."
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[K{text[:width]}", nl=False, err=True)
