"""HTML from templates, by Jinja, which comes with JupyterHub.

Whatever is put into a template is escaped; a name that nobody has given it is an error, so that
a page never shows less than it should. Templates hold no script and no style: the pages' policy
would not let them run.
"""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from mavis_core import clock
from mavis_core.scheduling.model import Run
from mavis_ext.app import PREFIX
from mavis_hub.pages import moments
from mavis_hub.pages.assets import address_of
from mavis_hub.pages.states import look_of

__all__ = ["environment", "render", "run_address"]


def render(template: str, **values: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Its file below ``templates``.
    values
        What it shows. ``person`` is None where nobody is known to be logged in.
    """
    return environment().get_template(template).render(now=clock.now(), **values)


@functools.cache
def environment() -> Environment:
    """Return the templates with all that they may use; made once."""
    made = Environment(
        loader=PackageLoader("mavis_hub.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"prefix": PREFIX, "address_of": address_of, "run_address": run_address}
    made.filters |= {
        "ago": _ago,
        "clock": _clock,
        "duration": moments.duration,
        "exact": moments.exact,
        "state": _state,
        "took": _took,
        "when": _when,
        "words": _words,
    }
    return made


def run_address(run: Run) -> str:
    """Return the address of the page of a Run."""
    return f"{PREFIX}/projects/{run.plan.project_name}/runs/{run.id}"


def _state(state: str) -> Markup:
    """Return a state as a word, a shape and a colour."""
    look = look_of(state)
    return Markup(
        '<span class="state {}"><svg class="{}" viewBox="0 0 16 16" aria-hidden="true">'
        '<path d="{}"/></svg>{}</span>'
    ).format(look.tone, look.shape, look.path, look.word)


@pass_context
def _when(context: Context, moment: datetime | None) -> Markup:
    """Return a moment, absolute and relative; a script shows it in the reader's zone."""
    if moment is None:
        return Markup('<span class="soft">never</span>')
    exact = _time(moment, moments.short(moment), "local")
    if not moments.relative(moment, context["now"]):
        return Markup('<span class="nowrap">{}</span>').format(exact)
    return Markup('<span class="nowrap">{}</span> <span class="soft nowrap">({})</span>').format(
        exact, _ago(context, moment)
    )


def _clock(moment: datetime) -> Markup:
    """Return a moment to the second, for lists of what happened one after the other."""
    return Markup('<span class="nowrap">{}</span>').format(
        _time(moment, moments.exact(moment), "seconds")
    )


@pass_context
def _ago(context: Context, moment: datetime) -> Markup:
    """Return how long ago a moment is, or in how long; a date where that says more."""
    told = moments.relative(moment, context["now"])
    if not told:
        return _time(moment, moments.short(moment), "local")
    return _time(moment, told, "ago")


def _time(moment: datetime, text: str, told: str) -> Markup:
    return Markup('<time datetime="{}" title="{}" data-told="{}">{}</time>').format(
        clock.iso(moment), moments.exact(moment), told, text
    )


@pass_context
def _took(context: Context, started_at: datetime | None, finished_at: datetime | None) -> Markup:
    """Return how long something took, or takes already: then a script counts on."""
    text = moments.took(started_at, finished_at, context["now"])
    if started_at is None or finished_at is not None:
        return escape(text)
    return Markup('<time datetime="{}" data-told="elapsed">{}</time>').format(
        clock.iso(started_at), text
    )


def _words(text: str) -> Markup:
    """Return a sentence in which what stands between backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one of them is no pair's
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    )
