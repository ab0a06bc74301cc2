"""The page of the REST API, in Chromium and to the letter; the API behind it is the real one.

Fixtures: `rest` serves both, with a handler in the Hub's place behind JupyterHub's own client;
`visit` opens the page and notes what it asked for and what its security policy stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright
from tornado.web import RequestHandler, create_signed_value

from core_double import PERSON
from mavis_core.config import load
from mavis_ext.openapi import committed
from mavis_hub.hub_identity import HubIdentity, hub_oauth
from mavis_hub.pages import api_docs
from mavis_hub.pages.api_docs import DOCS, docs_rules
from mavis_hub.pages.assets import static_rules
from rest_service import COOKIE_SECRET, Answer, RestService, serving

COOKIE = "service-mavis"
TOKEN = "token-of-olga"
DESCRIPTION = json.loads(committed())
OPERATIONS = {
    told["operationId"]: told["tags"][0]
    for methods in DESCRIPTION["paths"].values()
    for told in methods.values()
}
VIEWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}},
}
NOTE_VIOLATIONS = """
window.stopped = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.stopped.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""
# The contrast of WCAG 2.2 (1.4.3) between each text that is seen and what is behind it.
FAINT = """() => {
  const part = (v) => (v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
  const light = (c) => .2126 * part(c[0]) + .7152 * part(c[1]) + .0722 * part(c[2]);
  const colour = (text) => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (c, below) => below.map((v, at) => v * (1 - c[3]) + c[at] * c[3]);
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement)
      layers.push(colour(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((below, c) => over(c, below), [255, 255, 255]);
  };
  const faint = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !element.getClientRects().length) continue;
    const behind = ground(element);
    const ink = over(colour(getComputedStyle(element).color), behind);
    const [less, more] = [light(behind), light(ink)].sort((a, b) => a - b);
    const shown = texts.currentNode.textContent.slice(0, 40);
    if ((more + .05) / (less + .05) < 4.5)
      faint.add(`${element.tagName}.${element.className}: ${shown}`);
  }
  return [...faint];
}"""


class HubUser(RequestHandler):
    """What the Hub says of the one token that it knows."""

    def get(self) -> None:
        if self.request.headers["Authorization"] != f"token {TOKEN}":
            self.send_error(403)
            return
        scopes = ["access:services!service=mavis", *PERSON]
        self.write({"kind": "user", "name": "olga", "groups": [], "scopes": scopes})

    def log_exception(self, *about: object) -> None:
        """The log is not what is tested."""


def log_in(handler: RequestHandler) -> None:
    handler.redirect(f"/hub/login?next={handler.request.path}")


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    home = tmp_path_factory.mktemp("docs")
    config = load(home / "hub", environ={"MAVIS_APPLIANCE_ISOLATION": "none"})
    secret = config.secret_file("api", "hub-token")
    secret.parent.mkdir(parents=True)
    secret.write_text("token-of-the-service", encoding="utf-8")
    identity = HubIdentity(hub_oauth(config))
    rules = docs_rules("Mavis <of the test>", identity.browser, log_in)
    rules += [*static_rules(), ("/hub/api/user", HubUser)]
    with serving(home / "rest", pages=rules) as found:
        identity.auth.api_url = f"http://127.0.0.1:{found.port}/hub/api"
        yield found


def get(rest: RestService, path: str, token: str | None = TOKEN, **headers: str) -> Answer:
    cookie = {} if token is None else {"Cookie": f"{COOKIE}={signed(token)}"}
    return rest.ask("GET", path, None, prefix=DOCS, **cookie, **headers)


def signed(token: str) -> str:
    return create_signed_value(COOKIE_SECRET, COOKIE, token).decode("ascii")


@dataclass
class Visit:
    """An open page, and what it did."""

    page: Page
    sent: list[Request] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    def note(self, request: Request) -> None:
        self.sent.append(request)

    @property
    def outside(self) -> list[str]:
        here = urlsplit(self.page.url).netloc
        urls = [urlsplit(each.url) for each in self.sent]
        return [url.geturl() for url in urls if url.scheme != "data" and url.netloc != here]

    @property
    def stopped(self) -> list[str]:
        found: list[str] = self.page.evaluate("window.stopped")
        return found

    def operation(self, id: str) -> Locator:
        """Open an operation by the address that is given to others."""
        self.page.evaluate(f"location.hash = {json.dumps(id)}")
        found = self.page.locator(f"#operations-{OPERATIONS[id]}-{id}")
        expect(found.locator(".opblock-body")).to_be_visible()
        return found

    def authorize(self, token: str) -> None:
        self.page.get_by_role("button", name="Authorize").first.click()
        self.page.get_by_label("auth-bearer-value").fill(token)
        self.page.locator(".auth-btn-wrapper .authorize").click()
        self.page.keyboard.press("Escape")
        expect(self.page.locator(".modal-ux")).to_have_count(0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield found
        found.close()


Visits = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture(scope="module")
def visit(rest: RestService, browser: Browser) -> Visits:
    base = f"http://127.0.0.1:{rest.port}"

    @contextmanager
    def visit(at: str = "", view: str = "light") -> Iterator[Visit]:
        options: dict[str, Any] = VIEWS[view]
        context = browser.new_context(base_url=base, **options)
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": COOKIE, "value": signed(TOKEN), "url": base}])
        context.add_init_script(NOTE_VIOLATIONS)
        opened = Visit(context.new_page())
        opened.page.on("request", opened.note)
        opened.page.on("console", lambda said: opened.printed.append(said.text))
        opened.page.on("pageerror", lambda error: opened.printed.append(str(error)))
        opened.page.goto(DOCS + at)
        expect(opened.page.locator(".opblock").first).to_be_visible()
        yield opened
        context.close()

    return visit


def test_who_is_not_logged_in_is_sent_to_the_login_and_gets_none_of_its_files(
    rest: RestService,
) -> None:
    for path in ("", "/"):
        answer = get(rest, path, None)
        assert (answer.status, answer.headers["Location"]) == (302, f"/hub/login?next={DOCS}{path}")
    for path in ("/openapi.json", "/page.js", "/swagger-ui-bundle.js", "/nothing.js"):
        answer = get(rest, path, None)
        assert answer.status == 401
        assert b"Log in" in answer.content
    with_token = rest.ask("GET", "/openapi.json", "olga", prefix=DOCS)
    assert with_token.status == 401, "the page takes the login's cookie, the API takes tokens"


def test_a_script_gets_the_description_with_the_page_s_token_only(rest: RestService) -> None:
    page = get(rest, "", Sec_Fetch_Mode="navigate")
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    (xsrf,) = re.findall(r'data-xsrf="([^"]+)"', page.content.decode())
    script = {
        "Cookie": f"{COOKIE}={signed(TOKEN)}; {cookie}",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "same-origin",
    }

    def ask(**more: str) -> int:
        return rest.ask("GET", "/openapi.json", None, prefix=DOCS, **script, **more).status

    assert ask(X_XSRFToken=xsrf) == 200
    assert ask() == 401
    assert ask(X_XSRFToken=xsrf[::-1]) == 401
    assert get(rest, "", "token-of-nobody").status == 302


def test_it_can_only_be_read(rest: RestService) -> None:
    for path in ("", "/openapi.json", "/page.js"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = rest.ask(method, path, None, prefix=DOCS, Cookie=f"{COOKIE}={signed(TOKEN)}")
            assert answer.status in (401, 405)  # without the page's token nobody asks


@pytest.mark.parametrize(
    "path", ["/nothing.js", "/LICENSE", "/page", "/..%2fpages.py", "/page.js/x"]
)
def test_other_files_are_not_there(rest: RestService, path: str) -> None:
    assert get(rest, path).status == 404


def test_the_page_lets_no_script_run_but_its_own(rest: RestService) -> None:
    first, second = get(rest, ""), get(rest, "")
    policy, text = first.headers["Content-Security-Policy"], first.content.decode()
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert nonce not in second.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert all("src=" in tag and nonce in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r"<style|\son[a-z]+=|\sstyle=|javascript:", text)
    assert "Mavis &lt;of the test&gt;" in text
    assert "<of the test>" not in text
    assert first.headers["Cache-Control"] == "no-store"


def test_a_file_is_kept_as_long_as_its_address_says_what_is_in_it(rest: RestService) -> None:
    page = get(rest, "").content.decode()
    paths = [path.removeprefix(DOCS) for path in re.findall(rf'="({DOCS}/[^"]+\?v=\w+)"', page)]
    assert len(paths) == 4
    for path in paths:
        plain, packed = get(rest, path), get(rest, path, Accept_Encoding="gzip")
        assert plain.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert plain.headers["Content-Type"].startswith(("text/css", "text/javascript"))
        assert get(rest, path.partition("?")[0]).headers["Cache-Control"] == "private, no-cache"
        assert get(rest, f"{path}0").headers["Cache-Control"] == "private, no-cache"
        if "swagger" in path:
            assert packed.headers["Content-Encoding"] == "gzip"
            assert len(packed.content) < len(plain.content) / 3


def test_the_description_is_the_committed_one_and_is_sent_once(rest: RestService) -> None:
    answer = get(rest, "/openapi.json")
    assert answer.content.decode() == committed()
    assert answer.headers["Content-Type"] == "application/json"
    assert "Cookie" in answer.headers["Vary"]
    again = get(rest, "/openapi.json", If_None_Match=answer.headers["ETag"])
    assert (again.status, again.content) == (304, b"")


def test_an_installation_without_what_npm_has_says_what_to_do(
    rest: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_docs._assets.cache_clear()
    monkeypatch.setattr(api_docs, "_FILES", (*api_docs._FILES, "swagger-gone.js"))
    answer = get(rest, "")
    assert answer.status == 503
    assert "make assets" in answer.content.decode()
    api_docs._assets.cache_clear()


@pytest.mark.parametrize("view", VIEWS)
def test_it_asks_nobody_else_and_its_policy_has_nothing_to_stop(visit: Visits, view: str) -> None:
    with visit(view=view) as opened:
        page = opened.page
        opened.operation("create_backup_plan")
        opened.operation("put_member")
        opened.operation("delete_environment")
        opened.authorize("ada")
        tried = opened.operation("list_projects")
        tried.get_by_role("button", name="Try it out").click()
        tried.get_by_role("button", name="Execute").click()
        expect(tried.locator(".live-responses-table")).to_contain_text("Web shop")
        page.get_by_role("button", name="Schemas").or_(page.locator(".models button")).first.click()
        assert opened.outside == []
        assert opened.stopped == []
        assert opened.printed == []
        assert page.evaluate(FAINT) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        expect(page.get_by_role("heading", level=1)).to_have_count(1)


def test_what_is_counted_as_none_would_be_seen(visit: Visits) -> None:
    with visit() as opened:
        page = opened.page
        page.evaluate("fetch('https://cdn.example.org/x.js').catch(() => null)")
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            " {textContent: 'window.ran = true'}))"
        )
        page.evaluate(
            "document.querySelector('main p').style.color = getComputedStyle(document.body)"
            ".backgroundColor"
        )
        assert opened.stopped == [
            "connect-src https://cdn.example.org/x.js",
            "script-src-elem inline",
        ]
        assert page.evaluate("window.ran") is None
        assert any(each.startswith("P.") for each in page.evaluate(FAINT))
        page.goto("about:blank")
        page.evaluate("fetch('https://cdn.example.org/y.js').catch(() => null)")
        assert opened.outside[-1] == "https://cdn.example.org/y.js"


def test_an_operation_has_an_address_that_lasts(visit: Visits) -> None:
    with visit("#cancel_run") as opened:
        shown = opened.page.locator("#operations-runs-cancel_run")
        expect(shown.locator(".opblock-body")).to_be_in_viewport()
        opened.operation("put_member")
        assert urlsplit(opened.page.url).fragment == "/projects/put_member"
        opened.page.reload()
        expect(opened.page.locator("#operations-projects-put_member .opblock-body")).to_be_visible()
        expect(opened.page.locator(".opblock-body")).to_have_count(1)


def test_a_call_is_tried_out_with_a_token_only_and_nothing_shows_or_keeps_it(
    visit: Visits,
) -> None:
    with visit("#list_projects") as opened:
        page = opened.page
        opened.operation("list_projects")
        expect(page.get_by_role("button", name="Try it out")).to_have_count(0)
        opened.authorize("ada")
        tried = opened.operation("list_projects")
        tried.get_by_role("button", name="Try it out").click()
        tried.get_by_role("button", name="Execute").click()
        expect(tried.locator(".live-responses-table")).to_contain_text("Web shop")
        (call,) = [each for each in opened.sent if "/api/v1/" in each.url]
        headers = call.all_headers()
        assert headers["authorization"] == "Bearer ada"
        assert "cookie" not in headers
        expect(tried.locator(".curl-command")).to_contain_text("Authorization: Bearer TOKEN")
        assert "Bearer ada" not in page.content()
        assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
        page.get_by_role("button", name="Authorize").first.click()
        page.get_by_role("button", name="Remove authorization").click()
        assert page.get_by_label("auth-bearer-value").get_attribute("type") == "password"


def test_a_word_finds_operations_by_what_they_are_and_do(visit: Visits) -> None:
    with visit() as opened:
        page = opened.page
        page.keyboard.press("/")
        page.keyboard.type("post cancel")
        expect(page.locator(".opblock")).to_have_count(1)
        expect(page.locator(".opblock")).to_contain_text("cancel_run")
        page.keyboard.press("Control+a")
        page.keyboard.type("restores")
        expect(page.locator("#operations-restores-create_restore")).to_be_visible()
        expect(page.locator("#operations-runs-cancel_run")).to_have_count(0)


def test_a_login_that_has_ended_is_told(visit: Visits) -> None:
    with visit() as opened:
        opened.page.route("**/openapi.json", lambda route: route.fulfill(status=401))
        opened.page.reload()
        expect(opened.page.get_by_role("alert")).to_have_text("Your login has ended. Log in again")
