"""Expressions: what they mean, how they are written, and what a bad one is told."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.errors import InvalidInput
from mavis_core.protection.plans.expression_text import parse
from mavis_core.protection.plans.expressions import (
    MACHINE_ATTRIBUTES,
    VOLUME_ATTRIBUTES,
    Attribute,
    Comparison,
    Either,
    Every,
    Expression,
    HasTag,
    Machine,
    Negation,
    OneOf,
    Operator,
)

WEB = Machine(
    id="res_1",
    cloud_id="i-0abc",
    name="web-1",
    environment="prod",
    account="123456789012",
    region="eu-central-1",
    state="running",
    tags={"env": "production", "cost centre": "4711 B", "role": "web", "empty": ""},
    details={"instance_type": "t3.large", "platform": "linux", "size_gib": 8},
)


# What they mean


@pytest.mark.parametrize(
    ("text", "true"),
    [
        pytest.param("tag:env = production", True, id="equal"),
        pytest.param("tag:env = Production", False, id="letters have a case"),
        pytest.param("tag:env = prod", False, id="not a part"),
        pytest.param("tag:owner = ada", False, id="no such tag, equal"),
        pytest.param("tag:env != staging", True, id="unequal"),
        pytest.param("tag:env != production", False, id="unequal to itself"),
        pytest.param("tag:owner != ada", True, id="no such tag, unequal"),
        pytest.param("tag:owner ~ *", False, id="no such tag, like anything"),
        pytest.param("tag:owner in (ada, bob)", False, id="no such tag, one of"),
        pytest.param('tag:"cost centre" = "4711 B"', True, id="quoted on both sides"),
        pytest.param('tag:empty = ""', True, id="an empty tag"),
        pytest.param("has tag:empty", True, id="has a tag that is empty"),
        pytest.param("has tag:owner", False, id="has no such tag"),
        pytest.param('has tag:"cost centre"', True, id="has a tag that is quoted"),
        pytest.param("name ~ web-*", True, id="like"),
        pytest.param("name ~ web-?", True, id="like, one letter"),
        pytest.param("name ~ WEB-*", False, id="like has a case"),
        pytest.param("name ~ eb", False, id="like is of the whole"),
        pytest.param('name ~ "web-[0-3]"', True, id="like one of these letters"),
        pytest.param("name = web-*", False, id="equal takes no pattern"),
        pytest.param("id = i-0abc", True, id="the cloud's id"),
        pytest.param("id = res_1", False, id="not Mavis's id"),
        pytest.param("environment = prod", True, id="environment"),
        pytest.param("account = 123456789012", True, id="account"),
        pytest.param("region in (us-east-1, eu-central-1)", True, id="region"),
        pytest.param("region in (us-east-1)", False, id="none of these regions"),
        pytest.param("state = running", True, id="state"),
        pytest.param("type ~ t3.*", True, id="type"),
        pytest.param("platform = linux", True, id="platform"),
        pytest.param("not state = running", False, id="not"),
        pytest.param("not not state = running", True, id="not not"),
        pytest.param("name = a or name = b and name = c or state = running", True, id="or last"),
        pytest.param("state = running or name = b and name = c", True, id="and binds more"),
        pytest.param("(state = running or name = b) and name = c", False, id="brackets bind most"),
        pytest.param("not name = b and name = c", False, id="not binds more than and"),
        pytest.param(
            "NOT name = b AND Has tag:env Or name IN (c)", True, id="keywords in any case"
        ),
        pytest.param("name=web-1 and(state!=stopped)", True, id="spaces are free"),
        pytest.param(
            'tag:env = production and not (tag:role in (cache, build) or name ~ "tmp-*")',
            True,
            id="the documented one",
        ),
    ],
)
def test_an_expression_is_true_or_not(text: str, true: bool) -> None:
    assert parse(text, field="match").matches(WEB) is true


def test_a_machine_without_a_type_has_none() -> None:
    bare = Machine("r", "i", "n", "e", "a", "r", "s", {}, {"instance_type": 3})
    assert not parse("type ~ *", field="match").matches(bare)
    assert parse("platform != linux", field="match").matches(bare)


# How they are written


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("  name  =  x  ", "name = x", id="spaces"),
        pytest.param("name=x", "name = x", id="no spaces"),
        pytest.param('name = "x"', "name = x", id="needless quotes"),
        pytest.param('tag:"env" = x', "tag:env = x", id="needless quotes of a tag"),
        pytest.param('name = "Or"', 'name = "Or"', id="a keyword stays in quotes"),
        pytest.param("tag:or = x", "tag:or = x", id="a tag may be called like a keyword"),
        pytest.param("((name = x))", "name = x", id="needless brackets"),
        pytest.param("(name = x AND name = y) or name = z", "name = x and name = y or name = z",
                     id="brackets that change nothing"),
        pytest.param("name=x and (name=y or name=z)", "name = x and (name = y or name = z)",
                     id="brackets that count"),
        pytest.param("not (name = x)", "not name = x", id="not of one thing"),
        pytest.param("name in(a,b)", "name in (a, b)", id="list"),
        pytest.param(r'name = "a\"b\\c"', r'name = "a\"b\\c"', id="escapes"),
        pytest.param('name = "Käse"', 'name = "Käse"', id="other letters"),
    ],
)  # fmt: skip
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text, field="match")) == canonical


values = st.text(max_size=12) | st.sampled_from(["and", "Or", "in", "has", 'a"b', "a\\", "tag:x"])
tags = st.text(min_size=1, max_size=12) | st.sampled_from(["not", "cost centre", "a:b", '"'])
attributes = st.builds(Attribute, name=st.sampled_from(MACHINE_ATTRIBUTES)) | st.builds(
    Attribute, tag=tags
)
leaves = (
    st.builds(Comparison, attributes, st.sampled_from(list(Operator)), values)
    | st.builds(OneOf, attributes, st.lists(values, min_size=1, max_size=3).map(tuple))
    | st.builds(HasTag, tags)
)


def larger(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Negation, inner) | st.builds(Every, several) | st.builds(Either, several)


expressions: st.SearchStrategy[Expression] = st.recursive(leaves, larger, max_leaves=8)


@settings(max_examples=300)
@given(expression=expressions)
def test_what_is_written_is_read_as_the_same(expression: Expression) -> None:
    assert parse(str(expression), field="match") == expression


@settings(max_examples=200)
@given(pattern=st.text(alphabet="ab*?[]!-^&|~\\", max_size=12))
def test_any_text_is_a_pattern(pattern: str) -> None:
    assert Comparison(Attribute(name="name"), Operator.LIKE, pattern).matches(WEB) in (True, False)


pieces = st.lists(
    st.sampled_from(
        ["and", "or", "not", "in", "has", "(", ")", ",", "=", "!=", "~", "!", '"', "\\", "tag:",
         "tag:x", "name", "id", "x", '"x"', " ", "\n", "ä", "\x00", "["]
    ),
    max_size=20,
)  # fmt: skip
garbage = st.text(max_size=60) | pieces.map(" ".join) | pieces.map("".join)


@settings(max_examples=500)
@given(text=garbage)
def test_garbage_is_refused_as_bad_input_or_is_an_expression(text: str) -> None:
    with suppress(InvalidInput):
        found = parse(text, field="match")
        assert parse(str(found), field="match") == found


# What a bad one is told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "expected one of name, id", id="nothing"),
        pytest.param("tag:env is production", "expected `=`, `!=`, `~` or `in`, at character 9,"
                     " near 'is production'", id="no operator"),
        pytest.param("name =", "expected a value, at the end", id="no value"),
        pytest.param("name = and", 'write "and" in quotes, at character 8', id="a keyword"),
        pytest.param("nme = x", "did you mean name?, at character 1", id="misspelt"),
        pytest.param("tags:env = x", "expected one of name, id", id="no such attribute"),
        pytest.param('"name" = x', "expected one of name", id="a quoted attribute"),
        pytest.param("tag: = x", "a tag's name right after `tag:`, at character 6", id="no tag"),
        pytest.param('tag: "x" = x', "right after `tag:`", id="a space before a tag's name"),
        pytest.param('tag:"" = x', "right after `tag:`", id="an empty tag"),
        pytest.param("has name", "expected tag:NAME, at character 5", id="has no tag"),
        pytest.param("name in a", "expected `(`, at character 9", id="in without brackets"),
        pytest.param("name in ()", "expected a value, at character 10", id="in nothing"),
        pytest.param("name in (a b)", "expected `,` or `)`, at character 12", id="no comma"),
        pytest.param("(name = a", "expected `)`, at the end", id="open bracket"),
        pytest.param("name = a)", "expected `and`, `or` or the end, at character 9", id="too many"),
        pytest.param("name = a name = b", "expected `and`, `or` or the end", id="no and"),
        pytest.param("name = a and", "expected one of name, id", id="nothing after and"),
        pytest.param('name = "abc', "a quoted text has no end", id="open quote"),
        pytest.param(r'name = "a\b"', "a \\ before neither", id="no such escape"),
        pytest.param("name = a&b", "'&' has to stand in quotes, at character 9", id="odd letter"),
        pytest.param("name = Käse", "'ä' has to stand in quotes", id="other letters"),
        pytest.param("(" * 21 + "name = a" + ")" * 21, "at most 20 brackets", id="deep"),
        pytest.param("not " * 5_00 + "name = a", "the expression has 2008 char", id="too long"),
        pytest.param("not " * 21 + "name = a", "at most 20 brackets and `not`", id="not not not"),
        pytest.param(" or ".join(["id=x"] * 249), "the expression has 2486 char",
                     id="too long once written out"),
    ],
)  # fmt: skip
def test_a_bad_expression_is_told_where_and_what(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text, field="selection.match")
    assert told in refused.value.message
    assert refused.value.field == "selection.match"
    assert refused.value.mend


def test_twenty_levels_are_taken() -> None:
    assert str(parse("(" * 20 + "name = a" + ")" * 20, field="match")) == "name = a"
    assert parse("not " * 20 + "name = web-1", field="match").matches(WEB)


def test_of_volumes_only_name_id_and_tags_are_seen() -> None:
    assert parse("tag:x = y or id = v or name = n", field="f", attributes=VOLUME_ATTRIBUTES)
    with pytest.raises(InvalidInput) as refused:
        parse("state = x", field="f", attributes=VOLUME_ATTRIBUTES)
    assert "expected one of name, id, tag:NAME" in refused.value.message
