"""The templates of the pages, and their words for states, moments and undo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib import resources
from pathlib import Path

import click
import pytest
from jinja2 import UndefinedError
from jinja2.meta import find_undeclared_variables

from core_double import Core, sqlite_url
from mavis_core.changes.model import Severity
from mavis_core.projects.model import EnvironmentState
from mavis_core.protection.reports import Finding
from mavis_core.records import Outcome, Phase
from mavis_core.scheduling.model import RunState, StepState
from mavis_core.testing.cloud import FakeCloud
from mavis_hub.pages import moments, states
from mavis_hub.pages.templates import environment, render
from mavis_hub.pages.undo import UNDO_OF
from mavis_kernel.cli import times
from mavis_kernel.cli.root import root

TEMPLATES = sorted(environment().list_templates(filter_func=lambda name: name.endswith(".html")))
NOW = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)
ERROR = {
    "site": "Mavis <&>",
    "nonce": "n",
    "person": "olga <b>",
    "status": 404,
    "title": "Not Found",
    "mend": "Ask for `mavis <x>`.",
    "request_id": "req_1",
}


def source(name: str) -> str:
    return resources.files("mavis_hub.pages").joinpath("templates", name).read_text("utf-8")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_holds_no_way_around_escaping_nor_script_nor_style(name: str) -> None:
    text = source(name)
    assert not re.search(r"\|\s*safe|autoescape|Markup", text)
    assert not re.search(r"<style|\son[a-z]+=|\sstyle=|javascript:|https?:", text)
    assert not re.search(r"\s[\w-]+=\{\{", text), "a value in an attribute stands between quotes"
    assert all("nonce=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(
        r"<(?:a|form|link|script|img)[^>]* (?:href|src|action)=\"(?:https?:)?//", text
    )
    environment().get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_input_of_a_form_has_a_label(name: str) -> None:
    text = source(name)
    for tag in re.findall(r"<input(?![^>]*hidden)[^>]*>", text):
        (found,) = re.findall(r'\sid="([^"]+)"', tag)
        assert f'<label for="{found}">' in text


def test_templates_use_no_name_that_all_of_them_would_lack() -> None:
    known = set(environment().globals) | {"site", "nonce", "person", "now"}
    for name in ("layout.html", "error.html"):
        unknown = find_undeclared_variables(environment().parse(source(name))) - known
        assert unknown <= set(ERROR) | {"message"}


def test_whatever_is_put_into_a_page_is_escaped() -> None:
    html = render("error.html", message='<script>alert(1)</script> `a<b` it\'s "so"', **ERROR)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <code>a&lt;b</code> it&#39;s &#34;so&#34;" in html
    assert "olga &lt;b&gt;" in html
    assert "Mavis &lt;&amp;&gt;" in html
    assert "<code>mavis &lt;x&gt;</code>" in html


def test_a_name_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="message"):
        render("error.html", **ERROR)


@pytest.mark.parametrize("text", ["`", "a ` b", "``", "a `b` c ` d <i>"])
def test_a_backtick_without_its_pair_is_one(text: str) -> None:
    html = render("error.html", message=text, **ERROR)
    assert "<i>" not in html
    if text.count("`") % 2:
        assert text.replace("<i>", "&lt;i&gt;") in html


@pytest.mark.parametrize(
    "kind", [RunState, StepState, EnvironmentState, Finding, Outcome, Phase, Severity]
)
def test_every_state_has_a_word_a_shape_and_a_colour_of_its_own(kind: type[StrEnum]) -> None:
    shown = [Phase.INTENT] if kind is Phase else list(kind)  # others come with an outcome
    looks = [states.look_of(each) for each in shown]
    assert all(each.value in states._LOOKS for each in shown)
    assert len({look.word for look in looks}) == len(looks)
    assert all(look.path for look in looks)
    good = {look.shape for look in looks if look.tone == "good"}
    assert good.isdisjoint(look.shape for look in looks if look.tone in ("bad", "warn"))


def test_a_state_that_is_new_is_its_own_word() -> None:
    assert states.look_of("half_done").word == "half done"


def test_all_that_mavis_does_says_what_can_be_undone(core: Core) -> None:
    assert set(UNDO_OF) == set(core.jobs)
    assert all(text.endswith(".") for text in UNDO_OF.values())


@pytest.mark.parametrize("seconds", [0, 2, 4, 89, 91, 5000, 6000, 90000, 180000, 10**6])
def test_moments_are_told_as_the_command_line_tells_them(seconds: float) -> None:
    for passed in (seconds, -seconds):
        moment = NOW - timedelta(seconds=passed)
        assert moments.relative(moment, NOW) == times.relative(moment, NOW)
    assert moments.duration(seconds) == times.duration(seconds)


def test_what_is_long_ago_is_a_date_alone() -> None:
    assert moments.relative(NOW - timedelta(days=61), NOW) == ""
    assert moments.took(None, None, NOW) == ""
    assert moments.took(NOW - timedelta(seconds=65), None, NOW) == "1 min 05 s"
    assert moments.exact(NOW) == "2026-01-31 12:00:05 UTC"


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    found = Core(sqlite_url(tmp_path), FakeCloud())
    yield found
    found.close()


def commands() -> list[str]:
    """Return every command line that the pages name."""
    texts = [*map(source, TEMPLATES), *UNDO_OF.values()]
    return sorted(
        {found for text in texts for found in re.findall(r"\bmavis (?:[a-z-]+ ?)+", text)}
    )


@pytest.mark.parametrize("line", commands())
def test_a_command_that_a_page_names_is_one(line: str) -> None:
    command: click.Command = root
    words = line.split()[1:]
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    assert not isinstance(command, click.Group), line
    options = {name for each in command.params for name in each.opts}
    assert {each for each in words if each.startswith("-")} <= options | {"--help"}
