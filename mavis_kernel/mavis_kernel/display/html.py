"""HTML that a cell shows: escaped texts, states, moments, ids.

The style comes with each output, because an output may be shown alone: in Voila, or in what
nbconvert makes. Its colours are Lab's where there is Lab, and the browser's own elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from mavis_kernel.cli.tables import printable
from mavis_kernel.cli.times import relative
from mavis_kernel.tones import tone_of

__all__ = ["STYLE", "code", "items", "link", "moment", "prose", "state", "text", "wrapped"]

_LONGEST = 400
_ID = re.compile(r"\b[a-z]{1,8}(?:-[0-9a-f]{8,}|_[0-9a-z]{20,})\b")  # a cloud's, or one of ours
_CSS = """
.mavis-d{--m-line:var(--jp-border-color2,rgba(128,128,128,.4));font-size:var(--jp-ui-font-size1,13px);
font-family:var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color0,inherit);
line-height:1.5;max-width:100%}
.mavis-d .m-scroll{overflow-x:auto;max-width:100%}
.mavis-d .m-head{display:flex;flex-wrap:wrap;gap:.2em .8em;align-items:baseline;margin:0 0 .3em}
.mavis-d .m-kind{font-weight:600}
.mavis-d .m-kind::first-letter{text-transform:uppercase}
.mavis-d table{border-collapse:collapse;border:0;margin:.2em auto .2em 0;font-size:inherit;
color:inherit;table-layout:auto}
.mavis-d tr,.mavis-d tbody tr:nth-child(odd),.mavis-d tbody tr:hover{background:none}
.mavis-d th,.mavis-d td{border:0;border-bottom:1px solid var(--m-line);padding:.25em 1.1em .25em 0;
text-align:left;vertical-align:top;line-height:1.5;max-width:36em;white-space:normal;overflow-wrap:break-word}
.mavis-d .m-rows{width:max-content}
.mavis-d .m-rows td{max-width:24em}
.mavis-d th{font-weight:600;white-space:nowrap}
.mavis-d .m-card th{font-weight:400;color:var(--jp-ui-font-color1,inherit)}
.mavis-d .m-n{text-align:right;font-variant-numeric:tabular-nums}
.mavis-d caption{caption-side:bottom;text-align:left;padding:.3em 0;color:inherit}
.mavis-d code{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:.95em;
background:none;color:inherit;padding:0;white-space:nowrap}
.mavis-d time,.mavis-d .m-s{white-space:nowrap}
.mavis-d .m-s svg{width:.85em;height:.85em;vertical-align:-.08em;margin-right:.35em}
.mavis-d .m-good svg{color:#2c9a4b}.mavis-d .m-waiting svg{color:#b7791f}
.mavis-d .m-bad svg{color:#d9453d}.mavis-d .m-over svg{color:#808080}
.mavis-d a{color:var(--jp-content-link-color,LinkText);text-decoration:underline}
.mavis-d .m-scroll:focus-visible,.mavis-d a:focus-visible,
.mavis-d summary:focus-visible{outline:2px solid;outline-offset:2px}
.mavis-d ul{margin:0;padding:0 0 0 1.2em}
.mavis-d details{margin:.4em 0}
.mavis-d summary{cursor:pointer}
"""
# Three times the class, which is more than Lab's own rules for tables of outputs have.
STYLE = f"<style>{_CSS.replace('.mavis-d', '.mavis-d.mavis-d.mavis-d')}</style>"
_SHAPES = {
    "good": '<circle cx="8" cy="8" r="8"/><path d="M4.2 8.3l2.6 2.7 5-5.6" fill="none"'
    ' stroke="#fff" stroke-width="2"/>',
    "waiting": '<path d="M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0zm0 2v12A6 6 0 0 1 8 2z"'
    ' fill-rule="evenodd"/>',
    "bad": '<path d="M8 0l8 15.5H0z"/><path d="M8 5.2v5M8 11.8v1.8" stroke="#fff"'
    ' stroke-width="1.8"/>',
    "over": '<circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="2"/>'
    '<path d="M4.5 8h7" stroke="currentColor" stroke-width="2"/>',
}


def text(value: object) -> str:
    """Return `value` as text of a page, on one line and not without end."""
    said = printable(str(value))
    return escape(said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…")


def prose(value: object) -> str:
    """Return `value` as text with the ids in it set off."""
    return _ID.sub(r"<code>\g<0></code>", text(value))


def code(value: object, page: str | None = None) -> str:
    """Return an id, with the address of its page where it has one."""
    return link(f"<code>{text(value)}</code>", page)


def link(content: str, page: str | None) -> str:
    """Return `content`, which is HTML, as a link to `page`."""
    if page is None:
        return content
    return f'<a href="{escape(page)}" target="_blank" rel="noopener">{content}</a>'


def items(contents: Sequence[str], are_long: bool) -> str:
    """Return several contents, which are HTML, one after the other or one below the other."""
    if not are_long:
        return ", ".join(contents)
    return f"<ul>{''.join(f'<li>{each}</li>' for each in contents)}</ul>"


def state(word: str) -> str:
    """Return a state as a word, a shape and a colour."""
    tone = tone_of(word) or "over"
    shape = _SHAPES[tone]
    icon = f'<svg viewBox="0 0 16 16" aria-hidden="true" fill="currentColor">{shape}</svg>'
    return f'<span class="m-s m-{tone}">{icon}{text(word)}</span>'


def moment(at: datetime) -> str:
    """Return a moment: when, how long ago it was as this is shown, and UTC to hover for."""
    utc = at.astimezone(UTC)
    local = f"{at.astimezone():%Y-%m-%d %H:%M %Z}"
    ago = relative(at)
    said = local if local.startswith(ago) else f"{ago} · {local}"
    return (
        f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}" title="{utc:%Y-%m-%d %H:%M:%S} UTC">'
        f"{text(said)}</time>"
    )


def wrapped(content: str) -> str:
    """Return `content` as an output of a cell."""
    return f'<div class="mavis-d">{STYLE}{content}</div>'
