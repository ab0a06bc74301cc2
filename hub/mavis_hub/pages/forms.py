"""Who may send a form: the page itself, opened by the person, and nothing else.

Whoever could press a button in somebody's browser could act as them. These hold against it:

- *Another site*: the form's XSRF token, and ``Origin`` and Fetch Metadata, by which the browser
  says who sends it (https://www.w3.org/TR/fetch-metadata/). The pages stand in no frame
  (``frame-ancestors``), and a window that opened one has no hold of it
  (``Cross-Origin-Opener-Policy``).
- *A script of the same site*, such as a notebook's where people's servers have no hosts of their
  own. It may read the cookie of the XSRF token, and may send a form that looks as if ours had
  sent it. So a form that changes something carries a *ticket*: a signature over what it is for
  and whose it is. Tickets are given only to a page that the browser shows in a window of its
  own, never to a script's ``fetch`` nor to a frame, and there no script of another page can read
  it.
- *A token*: a notebook has one. These pages take the cookie of a browser.
"""

from __future__ import annotations

from tornado.web import RequestHandler

from mavis_core.errors import Forbidden

__all__ = ["check_sent_by_page", "check_ticket", "is_window", "ticket"]

_MEND = "Open the page again, and answer there."
_DAYS = 0.5  # a preview ends much earlier
_NAME = "form of "


def is_window(handler: RequestHandler) -> bool:
    """Whether the browser asks for a page to show it in a window, as far as it says."""
    said = handler.request.headers
    return (
        said.get("Sec-Fetch-Mode", "navigate") == "navigate"
        and said.get("Sec-Fetch-Dest", "document") == "document"
    )


def ticket(handler: RequestHandler, person: str, purpose: str) -> str:
    """Return what a form for `purpose` must bring back; call it where `is_window` only."""
    return handler.create_signed_value(f"{_NAME}{purpose}", person).decode("ascii")


def check_ticket(handler: RequestHandler, person: str, purpose: str) -> None:
    """Return where the form was made for `person` and `purpose`.

    Raises
    ------
    Forbidden
        It was not.
    """
    brought = handler.get_body_argument("ticket", "")
    signed = handler.get_signed_cookie(f"{_NAME}{purpose}", brought, max_age_days=_DAYS)
    if signed is None or signed.decode("utf-8", "replace") != person:
        raise Forbidden("This answer does not come from the page that asks", mend=_MEND)


def check_sent_by_page(handler: RequestHandler, here: str) -> None:
    """Return where the browser says that a page of `here` has sent this form.

    Browsers say so where TLS or loopback is used, and an appliance listens nowhere else.

    Parameters
    ----------
    here
        The appliance's origin, as browsers name it.

    Raises
    ------
    Forbidden
        It does not.
    """
    said = handler.request.headers
    if (
        said.get("Origin") != here
        or said.get("Sec-Fetch-Site") != "same-origin"
        or said.get("Sec-Fetch-Mode") != "navigate"
    ):
        raise Forbidden("This answer does not come from the page that asks", mend=_MEND)
