"""What dashboards are written with: tables, figures and states as HTML, and parts that stay fresh.

>>> from mavis_kernel.dashboards import Live, table
>>> Live(lambda: table(("Machine",), [("web-1",)]))        # doctest: +SKIP

Whatever is shown is escaped. In a published dashboard `project()` is the project that it is
published for, and `Mavis()` reads that project and nothing else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from mavis_kernel.errors import MavisError
from mavis_kernel.tones import BAD, GOOD, WAITING, tone_of

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["Html", "Live", "ago", "figures", "project", "state", "table"]

_CSS = """
.mv { font: 15px/1.5 system-ui, sans-serif; color: light-dark(#1a1f26, #e7eaef); }
.mv table { border-collapse: collapse; width: 100%; margin: 0; font-size: inherit; }
.mv-wide { overflow-x: auto; } .mv-wide table { min-width: 48rem; }
.mv code { font: .95em ui-monospace, monospace; background: none; color: inherit; padding: 0; }
.mv th, .mv td { text-align: left; padding: .5rem .9rem .5rem 0; vertical-align: top;
  border-top: 1px solid light-dark(#d6dae0, #333a44); white-space: normal; }
.mv thead th { color: light-dark(#525c69, #a9b2be); font-weight: 600; border-top: 0; }
.mv tbody tr { background: none !important; }
.mv-soft { color: light-dark(#525c69, #a9b2be); }
.mv-figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0 0 1rem; padding: 0;
  list-style: none; }
.mv-figures li { flex: 1 1 8rem; padding: .75rem 1rem; border-radius: .5rem; margin: 0;
  background: light-dark(#fff, #191d23); border: 1px solid light-dark(#d6dae0, #333a44); }
.mv-figures b { display: block; font-size: 1.6rem; line-height: 1.2; }
.mv-state { white-space: nowrap; } .mv-state svg { width: .8em; height: .8em;
  margin-right: .4em; stroke-width: 3; fill: none; stroke: currentColor; }
.mv-age { margin-left: .5rem; }
.mv-good { color: light-dark(#17743b, #6cd08f); } .mv-bad { color: light-dark(#b3261e, #ff9d94); }
.mv-busy { color: light-dark(#0a5aa8, #8cbcf2); }
"""
# Twice the class, which is more than Lab's own rules for tables of outputs have.
_STYLE = f"<style>{_CSS.replace('.mv ', '.mv.mv ')}</style>"
_SHAPES = {
    "good": "M2 8.5l4 4 8-9",
    "bad": "M3 3l10 10M13 3L3 13",
    "busy": "M8 2a6 6 0 1 1-.1 0",
    "soft": "M3 8h10",
}
_LOOKS = {GOOD: "good", BAD: "bad", WAITING: "busy"}
_SECONDS = ((86400, "d"), (3600, "h"), (60, "min"))
_FRESH_S = 60.0


class Html(str):
    """Text that is HTML already. Everything else that is shown is escaped."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f'{_STYLE}<div class="mv">{self}</div>'


def project() -> str:
    """Return the project that this dashboard is published for.

    Raises
    ------
    LookupError
        It runs outside of a dashboard, and ``MAVIS_PROJECT`` names none.
    """
    name = os.environ.get("MAVIS_PROJECT", "")
    if not name:
        raise LookupError("No project is named: set MAVIS_PROJECT before you run this notebook.")
    return name


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "None."
) -> Html:
    """Return a table.

    Parameters
    ----------
    columns
        The words at its top; they name it for those who hear it, too.
    rows
        A value a column; `Html` stays as it is.
    empty
        What to say where there is no row, in a sentence.
    """
    body = "".join(
        f"<tr>{''.join(f'<td>{_shown(value)}</td>' for value in row)}</tr>" for row in rows
    )
    if not body:
        return Html(f'<p class="mv-soft">{escape(empty)}</p>')
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in columns)
    label = escape(", ".join(columns))
    return Html(
        f'<div class="mv-wide" role="region" tabindex="0" aria-label="{label}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figures(values: Iterable[tuple[object, str]]) -> Html:
    """Return a row of figures, each with what it counts."""
    told = "".join(f"<li><b>{_shown(value)}</b>{escape(what)}</li>" for value, what in values)
    return Html(f'<ul class="mv-figures">{told}</ul>')


def state(word: str) -> Html:
    """Return a state as word, shape and colour."""
    look = _LOOKS.get(tone_of(word) or "", "soft")
    shape = f'<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{_SHAPES[look]}"/></svg>'
    return Html(f'<span class="mv-state mv-{look}">{shape}{escape(word.replace("_", " "))}</span>')


def ago(moment: datetime | None, *, never: str = "never") -> Html:
    """Return how long ago a moment was, with the moment itself for those who point at it."""
    if moment is None:
        return Html(escape(never))
    seconds = (datetime.now(UTC) - moment).total_seconds()
    count, unit = next(
        ((seconds // size, unit) for size, unit in _SECONDS if seconds >= size), (0, "")
    )
    text = f"{count:.0f} {unit} ago" if unit else "just now"
    return Html(f'<time title="{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC">{text}</time>')


def _shown(value: object) -> str:
    """Return a value as HTML; what stands between backticks is code."""
    if isinstance(value, Html):
        return value
    parts = escape("" if value is None else str(value)).split("`")
    if len(parts) % 2 == 0:  # one of them is no pair's
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))


class Live:
    """A part of a dashboard that is made anew every minute, or when somebody asks for it.

    Parameters
    ----------
    make
        Makes its HTML, from `table` and `figures`.
    every_s
        Seconds between two.
    """

    def __init__(self, make: Callable[[], Html], *, every_s: float = _FRESH_S) -> None:
        from ipywidgets import HTML, Button, HBox, VBox  # noqa: PLC0415 - the client needs none

        self._make = make
        self._every_s = every_s
        self._content = HTML()
        self._age = HTML()
        self._button = Button(description="Refresh", tooltip="Ask again now")
        self._button.on_click(lambda _: self.refresh())
        self.widget: VBox = VBox([self._content, HBox([self._button, self._age])])
        self.refresh()
        self._schedule()

    def refresh(self) -> None:
        """Make it anew. What was shown stays where that fails, and its age says so."""
        try:
            self._content.value = self._make()._repr_html_()
        except MavisError as exc:
            said = f"{exc.message} {exc.mend}"
            self._age.value = Html(f'<span role="alert">{escape(said)}</span>')._repr_html_()
            return
        now = f"{datetime.now(UTC):%H:%M:%S} UTC"
        self._age.value = Html(
            f'<span class="mv-soft mv-age" role="status">as of {now}</span>'
        )._repr_html_()

    def _schedule(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # no kernel: nobody would see it
        loop.call_later(self._every_s, self._again)

    def _again(self) -> None:
        self.refresh()
        self._schedule()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)
