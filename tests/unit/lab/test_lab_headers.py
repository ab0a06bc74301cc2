"""Which headers go on; the rest is tested with a real server (tests/integration/lab)."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from mavis_ext.lab.addresses import Addresses
from mavis_ext.lab.answers import foreign
from mavis_ext.lab.headers import incoming, outgoing
from mavis_ext.lab.problems import HeadersTooLarge

ADDRESSES = Addresses("/user/ada/mavis/api", "https://a", "/services/mavis/api")


def headers(*pairs: tuple[str, str]) -> HTTPHeaders:
    made = HTTPHeaders()
    for name, value in pairs:
        made.add(name, value)
    return made


def test_a_header_that_is_for_the_next_hop_goes_in_neither_direction() -> None:
    """RFC 9110 section 7.6.1: Connection may name any header."""
    named = ("Connection", "close, If-Match,  etag ,X-Own")
    asked = headers(named, ("If-Match", '"a"'), ("If-None-Match", '"b"'))
    assert outgoing(asked, 100) == {"If-None-Match": '"b"'}
    answered = headers(named, ("ETag", '"a"'), ("X-Own", "1"), ("X-Other", "2"), ("X-Other", "3"))
    assert list(incoming(answered, ADDRESSES)) == [("X-Other", "2"), ("X-Other", "3")]


def test_addresses_in_headers_are_those_below_this_server() -> None:
    answered = headers(
        ("Location", "/services/mavis/api/v1/a"),
        ("Content-Location", "https://b/services/mavis/api"),
    )
    assert dict(incoming(answered, ADDRESSES)) == {"Location": "/user/ada/mavis/api/v1/a"}


def test_a_long_header_is_refused_only_where_it_would_go_on() -> None:
    assert outgoing(headers(("Cookie", "x" * 200), ("Accept", "x" * 100)), 100)
    with pytest.raises(HeadersTooLarge, match="Accept has over 100"):
        outgoing(headers(("Accept", "x" * 101)), 100)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, ""), (206, "text/csv"), (304, ""), (404, "application/problem+json; charset=utf-8")],
)
def test_the_api_s_own_answers_are_no_foreign_ones(status: int, kind: str) -> None:
    assert foreign(status, headers(("Content-Type", kind)), ADDRESSES) is None


@pytest.mark.parametrize(("said", "seconds"), [("3", 3), ("", 1), ("soon", 1), ("9" * 30, 1)])
def test_a_rate_limit_without_a_plain_number_is_a_second(said: str, seconds: float) -> None:
    problem = foreign(429, headers(("Retry-After", said)), ADDRESSES)
    assert problem is not None
    assert problem.retry_after_s == seconds
