"""The guide is built whole and without a network, and what it shows is there."""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import pytest

from mavis_ext.app import PREFIX
from mavis_hub.commands import cli as mavisctl
from mavis_hub.pages.rules import page_rules
from mavis_kernel.cli.root import root as mavis

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
KINDS = ("tutorials", "how-to", "reference", "explanation")
THEME_SCRIPT = "ySvT2PEZeueHGC1y2crNuNTfphBynFPP7i+U21fEgX0="
"""For ``script-src 'self' 'sha256-...'`` of whoever serves the site."""
COMMANDS: dict[str, click.Group] = {"mavis": mavis, "mavisctl": mavisctl}


class Links(HTMLParser):
    """What a page asks for by itself, what it leads to, and where one can be led in it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.ids: set[str] = set()
        self.pictures_without_words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if tag in ("script", "img", "iframe", "source") and given.get("src"):
            self.loads.append(str(given["src"]))
        if tag == "img" and not given.get("alt"):
            self.pictures_without_words.append(str(given.get("src")))
        if given.get("href"):
            relation = given.get("rel") or ""
            loads = tag == "link" and relation in ("stylesheet", "icon", "preload")
            (self.loads if loads else self.leads).append(str(given["href"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Whoever asks for a network during the build gets none."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q"]
    nowhere = "http://127.0.0.1:9"
    done = subprocess.run(
        [*command, "-b", "html", "-d", str(folder / ".doctrees"), str(DOCS), str(folder)],
        env={**os.environ, "http_proxy": nowhere, "https_proxy": nowhere},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    found = {}
    for path in site.rglob("*.html"):
        found[path] = Links()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_every_document_is_a_page_that_the_navigation_leads_to(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    for page in PAGES:
        made = page.removesuffix(".md") + ".html"
        assert (site / made).is_file()
        assert page == "index.md" or f'href="{made}"' in index, page


def test_every_kind_of_page_has_one(site: Path) -> None:
    for kind in KINDS:
        assert [page for page in PAGES if page.startswith(f"{kind}/")], kind


def test_no_page_asks_another_machine_for_anything(site: Path, pages: dict[Path, Links]) -> None:
    for path, links in pages.items():
        assert [each for each in links.loads if urlsplit(each).netloc] == [], path
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        asked = re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]*)", text)
        assert asked == [], style


def test_pages_have_one_script_of_their_own_which_a_server_s_policy_can_name(site: Path) -> None:
    found = set()
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", text, re.DOTALL))
        assert not re.search(r"<[^>]*\son[a-z]+=", text), path
    (theme,) = found
    digest = base64.b64encode(hashlib.sha256(theme.encode()).digest()).decode()
    assert digest == THEME_SCRIPT


def test_every_link_and_anchor_inside_the_site_leads_somewhere(
    site: Path, pages: dict[Path, Links]
) -> None:
    for path, links in pages.items():
        for link in (*links.loads, *links.leads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert aim.exists(), f"{path.relative_to(site)}: {link}"
            if parts.fragment and aim.suffix == ".html":
                assert unquote(parts.fragment) in pages[aim].ids, (
                    f"{path.relative_to(site)}: {link}"
                )


def test_every_picture_says_what_it_shows(pages: dict[Path, Links]) -> None:
    for path, links in pages.items():
        assert links.pictures_without_words == [], path


def test_what_is_searched_for_is_found_without_a_server(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith("Search.setIndex(")
    for page in PAGES:
        assert f'"{page.removesuffix(".md")}"' in index


def test_every_page_of_an_appliance_is_on_the_page_of_pages() -> None:
    told = (DOCS / "reference" / "pages.md").read_text(encoding="utf-8")
    site: Any = SimpleNamespace(identity=SimpleNamespace(auth=None))
    patterns = [rule[0].removeprefix(PREFIX) for rule in page_rules(site)]
    shown = [each for each in patterns if not re.search(r"static|oauth|events", each)]
    assert len(shown) > 5
    addresses = re.findall(r"^\| `(/[^`]*)`", told, flags=re.MULTILINE)
    for pattern in shown:
        known = any(re.fullmatch(pattern, each) for each in addresses)
        assert known, f"docs/reference/pages.md lacks a row for {pattern}"


def pages_and_texts() -> Iterator[tuple[str, str]]:
    for page in ["../README.md", *PAGES]:
        if page != "command-line.md":  # is made of the commands' own help
            yield page, (DOCS / page).read_text(encoding="utf-8")


def calls(text: str) -> Iterator[list[str]]:
    """Yield every call of ours in lines for a shell, as words."""
    for line in re.sub(r" > \S+", "", text.replace("\\\n", " ")).splitlines():
        for call in re.split(r"\$\(|[|;)]|&&", line.removeprefix("$ ").removeprefix("# ")):
            try:
                words = shlex.split(call, comments=True)
            except ValueError:  # a quote that the split has torn, or the lines of a document
                continue
            if words and Path(words[0]).name in COMMANDS:
                yield words


def shown() -> list[tuple[str, list[str]]]:
    """Return every call in a block for the shell, with its page."""
    return [
        (page, words)
        for page, text in pages_and_texts()
        for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, flags=re.DOTALL)
        for words in calls(block)
    ]


def mentioned() -> list[tuple[str, list[str]]]:
    """Return every call that a sentence mentions, with its page."""
    return [
        (page, words)
        for page, text in pages_and_texts()
        for span in re.findall(
            r"(?<!`)`(mavis(?:ctl)? [^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        )
        for words in calls(span.replace("\n", " "))
    ]


def named(page: str, words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words call, and what follows its name."""
    command: click.Command = COMMANDS[Path(words[0]).name]
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        options = {name: each for each in command.params for name in each.opts}
        if rest[0] in options:
            takes_value = not getattr(options[rest[0]], "is_flag", False)
            rest = rest[2 if takes_value else 1 :]
            continue
        if rest[0] in ("--help", "-h"):
            break
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"{page}: {' '.join(words)}"
        command, rest = found, rest[1:]
    return command, rest


def test_pages_show_and_mention_commands() -> None:
    assert len(shown()) > 50
    assert len(mentioned()) > 50


@pytest.mark.parametrize(("page", "words"), shown(), ids=str)
def test_every_command_of_a_block_can_be_called_so(page: str, words: list[str]) -> None:
    command, rest = named(page, words)
    assert not isinstance(command, click.Group), f"{page}: {' '.join(words)} names no command"
    command = copy.copy(command)
    command.params = [copy.copy(each) for each in command.params]
    for each in command.params:
        if isinstance(each.type, click.Path | click.File):
            each.type = click.STRING  # the files of examples are not there
    command.make_context(words[0], rest)


@pytest.mark.parametrize(("page", "words"), mentioned(), ids=str)
def test_every_command_of_a_sentence_is_there_with_its_options(page: str, words: list[str]) -> None:
    command, rest = named(page, words)
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    given = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert given <= known | {"-h", "--help"}, f"{page}: {' '.join(words)}"
