"""What dashboards are written with: escaped, labelled, and fresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mavis_kernel.dashboards import Html, Live, ago, figures, project, state, table
from mavis_kernel.errors import Forbidden


def test_whatever_is_shown_is_escaped() -> None:
    bad = '<script>alert("x")</script>'
    for shown in (
        table((bad,), [(bad,)]),
        figures([(bad, bad)]),
        state(bad),
        table((), [], empty=bad),
    ):
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown
    assert Html("<b>x</b>") in table(("A",), [(Html("<b>x</b>"),)])


def test_a_table_is_one_for_those_who_hear_it_and_scrolls_inside_itself() -> None:
    made = table(("Machine", "State"), [("web-1", state("running")), ("db-1", None)])
    assert made.count('scope="col"') == 2
    assert 'role="region" tabindex="0" aria-label="Machine, State"' in made
    assert made.count("<tr>") == 3
    assert (
        table(("Machine",), [], empty="No machines yet.")
        == '<p class="mv-soft">No machines yet.</p>'
    )


def test_what_stands_between_backticks_is_code() -> None:
    assert "<code>mavis run list</code>" in table(("Mend",), [("See `mavis run list`.",)])
    assert "a ` b" in table(("Mend",), [("a ` b",)])


@pytest.mark.parametrize(
    ("word", "look"),
    [
        ("running", "good"),
        ("failed", "bad"),
        ("queued", "busy"),
        ("rpo_missed", "bad"),
        ("?", "soft"),
    ],
)
def test_a_state_is_a_word_a_shape_and_a_colour(word: str, look: str) -> None:
    made = state(word)
    assert word.replace("_", " ") in made
    assert f"mv-{look}" in made
    assert "<path" in made


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "just now"), (59, "just now"), (61, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_a_moment_is_told_by_its_age(seconds: int, told: str) -> None:
    assert told in ago(datetime.now(UTC) - timedelta(seconds=seconds, milliseconds=50))


def test_no_moment_is_told_in_words() -> None:
    assert ago(None) == "never"


def test_the_project_is_the_dashboard_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    assert project() == "shop"
    monkeypatch.delenv("MAVIS_PROJECT")
    with pytest.raises(LookupError, match="MAVIS_PROJECT"):
        project()


def test_a_part_keeps_what_it_showed_where_it_cannot_be_made_anew() -> None:
    answers: list[Html | Forbidden] = [Html("first"), Forbidden("No <role>."), Html("third")]

    def make() -> Html:
        answer = answers.pop(0)
        if isinstance(answer, Forbidden):
            raise answer
        return answer

    live = Live(make)
    content, (_, age) = live.widget.children[0], live.widget.children[1].children
    assert "first" in content.value
    assert "as of" in age.value
    live.refresh()
    assert "first" in content.value
    assert "No &lt;role&gt;." in age.value
    live.refresh()
    assert "third" in content.value
    assert "alert" not in age.value
