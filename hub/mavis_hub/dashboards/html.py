"""What a frame shows where there is no dashboard to show. Pure: values in, HTML out."""

from __future__ import annotations

from html import escape

from mavis_core.errors import MavisError
from mavis_hub.dashboards.kernels import Full

__all__ = ["failed"]

_STYLE = """
:root { color-scheme: light dark; --ground: light-dark(#f4f5f7, #101317);
  --card: light-dark(#fff, #191d23); --ink: light-dark(#1a1f26, #e7eaef);
  --soft: light-dark(#525c69, #a9b2be); --line: light-dark(#d6dae0, #333a44);
  --accent: light-dark(#0a5aa8, #8cbcf2); --on-accent: light-dark(#fff, #0d1420); }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 2rem 1rem;
  background: var(--ground); color: var(--ink); }
main { max-width: 34rem; margin: 0 auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: 1.25rem; }
h1 { font-size: 1.2rem; margin: 0 0 .5rem; } p { margin: .5rem 0; color: var(--soft); }
button { font: inherit; min-height: 2.75rem; padding: .5rem 1.5rem; border-radius: .4rem;
  border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent);
  cursor: pointer; margin-top: .5rem; }
button:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
"""
_AGAIN = '<button type=button onclick="location.reload()">Try again</button>'


def failed(error: MavisError | None) -> str:
    """Return the page that says why nothing is shown; None: nobody foresaw it."""
    again = ""
    match error:
        case None:
            head, text, mend = "Something went wrong", "This page could not be made.", ""
            again = _AGAIN
        case Full():
            head, text, mend = "All places are taken", error.message, error.mend
            again = _AGAIN
        case _:
            head, text, mend = "This dashboard is not shown", error.message, error.mend
            again = _AGAIN if error.retry_after_s is not None else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{head}</title><style>{_STYLE}</style>"
        f"<main><h1>{head}</h1><p role=alert>{escape(text)}.</p><p>{escape(mend)}</p>{again}</main>"
    )
