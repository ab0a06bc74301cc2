"""Addresses below a person's server and those at the appliance are each other's."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_ext.lab.addresses import Addresses
from mavis_ext.lab.problems import InvalidInput

OWN, THEIRS = "/user/ada/mavis/api", "/services/mavis/api"
ADDRESSES = Addresses(OWN, "https://mavis.example:8443", THEIRS)

names = st.text(
    st.characters(exclude_characters="/\\", exclude_categories=("Cc", "Cs")), min_size=1
)


def plain(name: str) -> bool:
    while (bare := unquote(name)) != name:
        name = bare
    return name not in (".", "..") and not re.search(r"[/\\\x00-\x1f\x7f]", name)


@given(st.lists(names.filter(plain), max_size=4), st.text(st.characters(codec="utf-8")))
def test_whatever_a_name_is_it_comes_there_and_back(path: list[str], query: str) -> None:
    rest = "".join("/" + quote(name, safe=":@") for name in path)
    query = f"?q={quote(query)}"
    assert ADDRESSES.target(OWN + rest + query) == THEIRS + rest + query
    assert ADDRESSES.location(THEIRS + rest + query) == OWN + rest + query


@given(st.text(st.characters(max_codepoint=255)))
def test_whatever_is_asked_nothing_outside_is_named(rest: str) -> None:
    try:
        target = ADDRESSES.target(OWN + rest)
    except InvalidInput:
        return
    path = target.partition("?")[0]
    assert target.isascii()
    assert path == THEIRS or path.startswith(f"{THEIRS}/")
    for _ in range(5):
        assert not re.search(r"//|\\|/\.{1,2}(/|$)|[\x00-\x20\x7f]", path) or "%" in target
        path = unquote(path)


@given(
    st.lists(
        st.sampled_from(["..", ".", "%2e", "%2E%2e", "%252e.", "a", "%2f", "%5C", "%25%32%66", ""])
        | names,
        min_size=1,
        max_size=6,
    )
)
def test_no_reading_of_an_address_leads_up_or_adds_a_segment(path: list[str]) -> None:
    rest = "".join("/" + segment for segment in path)
    try:
        target = ADDRESSES.target(OWN + rest)
    except InvalidInput:
        return
    read = target.removeprefix(THEIRS)
    for _ in range(6):
        segments = read.split("?")[0].split("/")
        assert len(segments) == len(rest.split("?")[0].split("/"))
        assert not {".", ".."} & set(segments)
        read = unquote(read)


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("", ""),
        ("?", ""),
        ("?a=b", "?a=b"),
        ("?a=b&a=c&", "?a=b&a=c&"),
        ("?1732672800000", ""),
        ("?a=b&1732672800000", "?a=b"),
        ("?1732672800000=1", "?1732672800000=1"),
        ("?123", "?123"),
        ("?token=t&a=b", "?a=b"),
        ("?_xsrf=x", ""),
        ("?t%6Fken=t", ""),
        ("?tokens=t", "?tokens=t"),
        ("?q=token=t", "?q=token=t"),
    ],
)
def test_jupyter_s_words_are_taken_out_of_the_query(asked: str, passed: str) -> None:
    assert ADDRESSES.target(f"{OWN}/v1/me{asked}") == f"{THEIRS}/v1/me{passed}"


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://[",
        "https://mavis.example/services/mavis/api/v1",
        "https:///services/mavis/api/x",
    ],
)
def test_a_location_elsewhere_is_none(location: str) -> None:
    assert ADDRESSES.location(location) is None
