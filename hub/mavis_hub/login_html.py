"""What the page for logins by browser says, in each state of a login. Pure: values in, HTML out."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

from mavis_core.logins.model import TOKEN_LIFETIME, DeviceLogin, State
from mavis_ext.handlers.logins import LOGIN_PAGE
from mavis_hub.pages import STYLE, header, page

__all__ = ["answered", "ask", "question"]

_TITLE = "Log in a command line"
_STYLE = """
main { max-width: 40rem; } h2 { font-size: 1.25rem; } p { margin: .75rem 0; }
.code { font: 700 clamp(1.7rem, 9vw, 2.4rem)/1.2 ui-monospace, monospace; letter-spacing: .12em;
  text-align: center; margin: 1rem 0; padding: .8rem .5rem; border: 1px dashed var(--line);
  border-radius: .4rem; background: var(--ground); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.25rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
section .notice { margin: 1.25rem 0; background: var(--ground); }
svg { fill: none; stroke-width: 2.5; stroke-linecap: round; vertical-align: -.1em; }
.yes { stroke: light-dark(#17743b, #6cd08f); } .no { stroke: light-dark(#b3261e, #ff9d94); }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1.25rem 0 0; }
label { flex: 1 1 100%; }
button, input { font: inherit; min-height: 2.75rem; padding: .5rem 1.5rem; border-radius: .4rem;
  border: 1px solid var(--accent); background: var(--card); color: var(--accent); }
button { flex: 1 1 8rem; cursor: pointer; }
button:hover { text-decoration: underline; }
button.main { background: var(--accent); color: var(--on-accent); }
input { flex: 2 1 12rem; min-width: 0; padding: .5rem .75rem; color: var(--ink);
  font: 1.1rem ui-monospace, monospace; letter-spacing: .08em; text-transform: uppercase; }
button:focus-visible, input:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
"""
_HEAD = f"<style>{STYLE}{_STYLE}</style>"
_MARK = '<svg class={} viewBox="0 0 16 16" width=18 height=18 aria-hidden=true><path d="{}"/></svg>'
_YES = _MARK.format("yes", "M2 8.5l4 4 8-9")
_NO = _MARK.format("no", "M3 3l10 10M13 3L3 13")
_BACK = "Go back to it; you may close this page."
_HOURS = int(TOKEN_LIFETIME.total_seconds() // 3600)


def ask(person: str, *, wrong: str = "", typed: str = "") -> str:
    """Return the page that asks for a code.

    Parameters
    ----------
    wrong
        What was wrong with the last one, and what to do.
    typed
        The last one.
    """
    alert = f"<p class=notice role=alert>{escape(wrong)}</p>" if wrong else ""
    return _page(
        person,
        f"<h2>Enter the code</h2>{alert}"
        "<p>The command line that you want to log in shows a code of eight letters.</p>"
        f'<form action="{LOGIN_PAGE}"><label for=code>Code</label>'
        f'<input id=code name=user_code value="{escape(typed[:20])}" placeholder="WDJB-MJHT"'
        " maxlength=20 required autofocus autocomplete=off autocapitalize=characters"
        " spellcheck=false><button class=main>Go on</button></form>",
    )


def question(login: DeviceLogin, person: str, *, browser: str, xsrf: str, now: datetime) -> str:
    """Return the page that asks whether to allow a login.

    Parameters
    ----------
    browser
        The address of the browser that asks for the page.
    xsrf
        What the answer must bring along.
    """
    code, who = escape(login.user_code), _who(login)
    return _page(
        person,
        f"<h2>Does {who} show this code?</h2><p class=code>{code}</p>"
        f"<p>It asks to act as <strong>{escape(person)}</strong> for {_HOURS} hours, with"
        " everything that you may do.</p>"
        f"<dl><dt>Machine</dt><dd>{escape(login.client)}"
        f" <span class=soft>(as it calls itself)</span></dd>"
        f"<dt>Command</dt><dd><code>{escape(login.program)} login</code></dd>"
        f"<dt>Address</dt><dd>{escape(login.source)} {_beside(login.source, browser)}</dd>"
        f"<dt>Asked</dt><dd>{_ago(now - login.created_at)}"
        f" <span class=soft>({_time(login.created_at)})</span></dd>"
        f"<dt>Waits until</dt><dd>{_time(login.expires_at)}</dd></dl>"
        "<p class=notice role=note>Allow it only if <strong>you have just started it"
        " yourself</strong>. If somebody sent you the code or a link to this page, by mail, in a"
        " chat or on the telephone, they want to act as you: deny it.</p>"
        f'<form method=post action="{LOGIN_PAGE}">'
        f'<input type=hidden name=_xsrf value="{escape(xsrf)}">'
        f"<input type=hidden name=user_code value={code}>"
        # The first button is the one that Enter presses.
        "<button name=answer value=deny autofocus>Deny</button>"
        "<button class=main name=answer value=allow>Allow</button></form>",
    )


def answered(login: DeviceLogin, person: str) -> str:
    """Return the page that says what became of a login."""
    who, mine = _who(login), login.person == person
    match login.state:
        case State.ALLOWED if mine:
            head = "Allowed"
            text = f"{who} will be logged in as {escape(person)} in a moment. {_BACK}"
        case State.USED if mine:
            head = "Allowed"
            text = f"{who} has been logged in as {escape(person)}. {_BACK}"
        case State.DENIED if mine:
            head = "Denied"
            text = f"{who} gets no login. If you did not start it, nothing else is to be done."
        case State.EXPIRED:
            head = "Expired"
            text = "Nobody answered in time. Start the login again on the command line."
        case _:
            head = "Answered already"
            text = "Somebody has answered this code. Start the login again on the command line."
    end = (
        f"<p>It ends after {_HOURS} hours, with <code>mavis logout</code> there, or on the"
        ' Hub\'s <a href="/hub/token">page of tokens</a>.</p>'
        if head == "Allowed"
        else ""
    )
    mark = _YES if head == "Allowed" else _NO
    return _page(person, f"<h2>{mark} {head}</h2><p role=status>{text}</p>{end}")


def _page(person: str, content: str) -> str:
    return page(_TITLE, f"{header(_TITLE, person)}<main><section>{content}</section></main>", _HEAD)


def _who(login: DeviceLogin) -> str:
    return f"<code>{escape(login.program)}</code> on {escape(login.client)}"


def _beside(source: str, browser: str) -> str:
    words = (
        "the same as this browser's"
        if source == browser
        else f"this browser's is {browser}; they differ where you work on another machine"
    )
    return f"<span class=soft>({escape(words)})</span>"


def _ago(passed: timedelta) -> str:
    seconds = passed.total_seconds()
    if seconds < 3:
        return "just now"
    return f"{seconds:.0f} seconds ago" if seconds < 90 else f"{seconds / 60:.0f} minutes ago"


def _time(moment: datetime) -> str:
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%H:%M:%S} UTC</time>'
