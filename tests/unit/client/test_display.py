"""Objects in a notebook: cards and tables that say what matters and hold no foreign HTML."""

from __future__ import annotations

import asyncio
import dataclasses
from html.parser import HTMLParser

import pytest

from appliance_double import described
from appliance_double.objects import (
    detail_json,
    preview_json,
    project_json,
    resource_json,
    run_json,
    step_json,
)
from appliance_double.server import TOKEN, Appliance, Reply, pages, problem
from mavis_kernel import AsyncMavis, Mavis, models
from mavis_kernel.display import in_progress, of_list, of_listing, of_model
from mavis_kernel.models import Preview, Project, RecoveryPointDetail, Resource, Run
from mavis_kernel.parsing import Model

URL = "https://mavis.example.org/services/mavis"
HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202e\x1b[31m"
MODELS = [
    each
    for each in vars(models).values()
    if isinstance(each, type) and issubclass(each, Model) and dataclasses.is_dataclass(each)
]


class _Seen(HTMLParser):
    """The tags of a text, which must be balanced, with the addresses in it."""

    VOID = frozenset({"img", "br", "path", "circle", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}
        self.said = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said += data


@pytest.fixture(autouse=True)
def on_the_appliance(monkeypatch: pytest.MonkeyPatch, clean_home: object) -> None:
    monkeypatch.setenv("MAVIS_URL", URL)


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_every_object_of_the_contract_is_a_card_and_a_row(kind: type[Model]) -> None:
    ref = {"$ref": f"#/components/schemas/{kind.__name__}"}
    model = kind.from_json(described.example(ref))
    for bundle in (of_model(model), of_list([model, model])):
        seen = _Seen(bundle["text/html"])
        assert seen.said.strip()
        assert bundle["text/plain"].strip()
        assert "Model" not in bundle["text/plain"]
        assert not seen.tags & {"script", "iframe", "img", "link", "object", "form"}
        assert not {"src", "onclick", "onload", "style"} & set(seen.attributes)


def test_what_comes_from_elsewhere_is_text() -> None:
    resource = Resource.from_json(
        resource_json(HOSTILE, state=HOSTILE, tags={HOSTILE: HOSTILE}, details={HOSTILE: [HOSTILE]})
    )
    for html in (of_model(resource)["text/html"], of_list([resource])["text/html"]):
        seen = _Seen(html)
        assert "img" not in seen.tags
        assert "onerror" not in seen.attributes
        assert "<img src=x onerror=alert(1)>" in seen.said
        assert "\u202e" not in html
        assert "\x1b" not in html
    for text in (of_model(resource)["text/plain"], of_list([resource])["text/plain"]):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_project_s_name_is_no_address_of_its_own() -> None:
    project = Project.from_json(project_json('../"><b>'))
    seen = _Seen(of_model(project)["text/html"])
    assert seen.attributes["href"] == [f"{URL}/projects/..%2F%22%3E%3Cb%3E"] * 2
    assert "b" not in seen.tags


def test_a_run_says_its_state_by_word_and_shape_and_leads_to_its_page() -> None:
    steps = [step_json("Take the snapshots"), step_json("Check", "waiting", detail="1 of 2")]
    run = Run.from_json(run_json("failed", steps=steps, error=_failure()))
    seen = _Seen(of_model(run)["text/html"])
    assert f"{URL}/projects/shop/runs/run_1" in seen.attributes["href"]
    assert f"{URL}/stories/cor_1" in seen.attributes["href"]
    assert "m-s m-bad" in seen.attributes["class"]
    assert "svg" in seen.tags
    for words in ("failed", "Take the snapshots", "1 of 2", "It broke.", "Mend it."):
        assert words in seen.said
        assert words in of_model(run)["text/plain"]


def test_ids_in_a_sentence_are_set_off() -> None:
    record = models.Record.from_json(
        described.example({"$ref": "#/components/schemas/Record"})
        | {"summary": "CreateSnapshots of i-0123456789abcdef0 <b>done</b>"}
    )
    html = of_list([record])["text/html"]
    assert "of <code>i-0123456789abcdef0</code> &lt;b&gt;done" in html


def test_a_moment_is_told_in_the_person_s_zone_with_utc_to_hover_for() -> None:
    seen = _Seen(of_model(Run.from_json(run_json()))["text/html"])
    assert seen.attributes["datetime"][0] == "2026-07-01T12:00:00Z"
    assert "2026-07-01 12:00:00 UTC" in seen.attributes["title"]
    assert "2026-07-01 12:00 UTC" in seen.said


def test_a_plan_tells_its_effects_and_warnings_and_where_it_is_confirmed() -> None:
    seen = _Seen(of_model(Preview.from_json(preview_json()))["text/html"])
    assert f"{URL}/projects/shop/previews/pre_1" in seen.attributes["href"]
    for words in ("interrupts", "stop", "web-1", "Its public address changes."):
        assert words in seen.said


def test_a_recovery_point_tells_its_copies_its_volumes_and_its_manifest() -> None:
    bundle = of_model(RecoveryPointDetail.from_json(detail_json()))
    seen = _Seen(bundle["text/html"])
    assert f"{URL}/projects/shop/runs/run_1" in seen.attributes["href"]
    for words in ("primary", "snap-1", "/dev/xvda", "m7.large"):
        assert words in seen.said
    assert "m7.large" in bundle["text/plain"]


def test_without_an_appliance_there_are_no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAVIS_URL")
    assert "href" not in _Seen(of_model(Run.from_json(run_json()))["text/html"]).attributes


def test_only_what_was_asked_for_is_shown() -> None:
    picked = Resource.picked_from_json({"name": "web-1", "state": "running"})
    assert of_list([picked])["text/plain"].splitlines()[0].split() == ["NAME", "STATE"]
    assert "running" in _Seen(of_model(picked)["text/html"]).said


def test_a_list_shows_its_first_objects_and_yields_them_all(
    appliance: Appliance, mavis: Mavis
) -> None:
    items = [resource_json(f"n{number}") for number in range(250)]
    appliance.on("GET", "/projects/shop/resources", pages(items))
    found = mavis.resources.list("shop")
    first = next(found)
    text = of_listing(found)["text/plain"]
    assert "The first 20 resources; there are more." in text
    assert "n20 " in text
    assert "n21 " not in text
    assert of_listing(found)["text/plain"] == text, "looking again asks nobody"
    assert len(appliance.asked) == 1
    assert [first.name, *(each.name for each in found)] == [f"n{number}" for number in range(250)]


def test_a_short_list_says_how_many_there_are(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", "/projects/shop/runs", pages([run_json()]))
    assert of_listing(mavis.runs.list("shop"))["text/plain"].endswith("1 Run.")
    appliance.on("GET", "/projects/shop/runs", pages([]))
    assert of_listing(mavis.runs.list("shop")) == {"text/plain": "No Runs."}


def test_a_list_whose_page_fails_is_an_error_and_can_be_looked_at_again(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("GET", "/projects/shop/runs", problem(404, "not_found"), Reply({"items": []}))
    with pytest.raises(mavis_error()):
        of_listing(mavis.runs.list("shop"))


def test_a_list_for_event_loops_says_how_it_is_read(appliance: Appliance) -> None:
    async def shown() -> dict[str, str]:
        async with AsyncMavis(appliance.url, TOKEN) as mavis:
            return of_listing(mavis.runs.list("shop"))

    text = asyncio.run(shown())["text/plain"]
    assert "async for" in text
    assert appliance.asked == []


def test_a_run_that_goes_on_shows_its_steps_and_why_nothing_newer_is_known() -> None:
    run = Run.from_json(run_json(steps=[step_json("Check", "running", progress_percent=40)]))
    bundle = in_progress(run, "No answer. Asking again.")
    for text in (bundle["text/plain"], _Seen(bundle["text/html"]).said):
        for words in ("web-1 (i-1)", "Check", "running", "40", "No answer."):
            assert words in text


def _failure() -> dict[str, str]:
    return {"code": "broken", "message": "It broke.", "mend": "Mend it."}


def mavis_error() -> type[Exception]:
    from mavis_kernel.errors import NotFound

    return NotFound
