"""A login by browser with the real Hub: the page, the way through the Hub, what the token may do.

Fixtures: `appliance` is edge proxy, Hub and api; `olga` is a browser in which she is logged in at
the Hub; `begun` is a login that waits; `kernel` is a token as her notebooks have one.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from mavis_hub.hub import SERVER_SCOPES
from mavis_hub.users import demo_passwords

PAGE = "/services/mavis/login"
CALLBACK = f"{PAGE}/callback"
API = "/services/mavis/api/v1"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
OPEN = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OLGA, ADA, ENDUSER = "demo-operator", "demo-admin", "demo-enduser"


@pytest.fixture(scope="module")
def appliance(short_home, launch, halt) -> Iterator[Any]:
    running = launch(short_home, ("edge", "hub", "api"))
    yield running
    halt(running)


class Browser:
    """Somebody's browser, as far as this page needs it."""

    def __init__(self, client: httpx.Client, public_url: str) -> None:
        self.client = client
        self.sends = {**OPEN, "Origin": public_url, "Sec-Fetch-Site": "same-origin"}

    def open(self, code: str = "", **headers: str) -> httpx.Response:
        query = {"user_code": code} if code else None
        return self.client.get(
            PAGE, params=query, headers={**OPEN, **headers}, follow_redirects=True
        )

    def answer(
        self,
        page: httpx.Response,
        answer: str,
        fields: dict[str, str] | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Press a button of the page; where it leads is not followed."""
        sent = {**hidden(page), "answer": answer, **(fields or {})}
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(PAGE, data=sent, headers={**self.sends, **said})

    def follow(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 303, answer.text
        return self.client.get(answer.headers["location"], headers=OPEN, follow_redirects=True)

    def allow(self, code: str) -> httpx.Response:
        return self.follow(self.answer(self.open(code), "allow"))


def hidden(page: httpx.Response) -> dict[str, str]:
    """Return what the page's form sends along."""
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', page.text))
    assert set(found) == {"_xsrf", "ticket", "user_code"}, page.text
    return found


@pytest.fixture(scope="module")
def browsers(appliance) -> Iterator[dict[str, Browser]]:
    """A browser for each, logged in at the Hub once: the edge counts log-ins."""
    with ExitStack() as stack:
        yield {
            name: Browser(stack.enter_context(appliance.browser(name)), appliance.config.public_url)
            for name in (OLGA, ADA, ENDUSER)
        }


@pytest.fixture
def olga(browsers) -> Browser:
    return browsers[OLGA]


@pytest.fixture
def ada(browsers) -> Browser:
    return browsers[ADA]


@pytest.fixture(scope="module")
def passwords(appliance) -> dict[str, str]:
    """A token for each, of a login with the password."""
    return {name: appliance.token(name) for name in (OLGA, ADA)}


@pytest.fixture
def begun(appliance, ada) -> Iterator[dict[str, Any]]:
    with waiting(appliance, ada) as login:
        yield login


@contextmanager
def waiting(appliance, ada) -> Iterator[dict[str, Any]]:
    """Begin a login that waits; at the end it does so no more, as ten may.

    It is begun behind the edge, which counts these too.
    """
    body = {"client_id": "mavis", "client_name": "laptop"}
    address = f"http://127.0.0.1:{appliance.config.ports.api}{API}/device-logins"
    answer = httpx.post(address, json=body, trust_env=False)
    assert answer.status_code == 200, answer.text
    yield answer.json()
    page = ada.open(answer.json()["user_code"])
    if 'name="_xsrf"' in page.text:
        ada.answer(page, "deny")


def fetch(appliance, begun: dict[str, Any]) -> httpx.Response:
    body = {
        "grant_type": GRANT,
        "device_code": begun["device_code"],
        "client_id": "mavis",
    }
    with appliance.client() as client:
        return client.post(f"{API}/device-logins/token", json=body)


def told(appliance, begun: dict[str, Any]) -> str:
    answer = fetch(appliance, begun)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def waits(appliance, begun: dict[str, Any]) -> bool:
    return told(appliance, begun) in ("authorization_pending", "slow_down")


def user(appliance, token: str) -> dict[str, Any]:
    with appliance.client(headers={"Authorization": f"token {token}"}) as client:
        answer = client.get("/hub/api/user")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def tokens_of(appliance, name: str, token: str) -> list[dict[str, Any]]:
    with appliance.client(headers={"Authorization": f"token {token}"}) as client:
        return list(client.get(f"/hub/api/users/{name}/tokens").json()["api_tokens"])


def records(appliance) -> list[dict[str, Any]]:
    """Return what the database has on record of logins, oldest first."""
    address = appliance.config.database_url.replace("sqlite:///", "file:") + "?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM records WHERE action LIKE 'login.%' ORDER BY seq")
        return [{**row, "data": json.loads(row["data"])} for row in rows]


def test_the_command_line_gets_what_a_login_with_a_password_gets(
    appliance, olga, begun, passwords
) -> None:
    with_password = passwords[OLGA]
    page = olga.open(begun["user_code"])
    for text in (begun["user_code"], "laptop", "mavis login", "127.0.0.1", OLGA, "12 hours"):
        assert text in page.text
    done = olga.follow(olga.answer(page, "allow"))
    assert done.status_code == 200
    assert "Allowed" in done.text
    assert str(done.url).endswith(f"{PAGE}?user_code={begun['user_code']}")
    answer = fetch(appliance, begun)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["username"], made["expires_in"]) == (OLGA, 12 * 3600)
    mine, other = user(appliance, made["access_token"]), user(appliance, with_password)
    assert mine["scopes"] == other["scopes"]
    assert (mine["name"], mine["groups"]) == (other["name"], other["groups"])
    kept = {each["id"]: each for each in tokens_of(appliance, OLGA, with_password)}
    token = kept[mine["token_id"]]
    assert token["note"] == "mavis login from laptop"
    assert token["oauth_client"] == kept[other["token_id"]]["oauth_client"] == "JupyterHub"
    assert token["session_id"] is None  # a log-out in the browser does not end it
    left = [each for each in kept.values() if "mavis-login" in each["oauth_client"]]
    assert left == []  # what it was made with is gone
    assert told(appliance, begun) == "invalid_grant"
    assert "has been logged in" in olga.open(begun["user_code"]).text
    told_of = records(appliance)[-3:]
    assert [each["action"] for each in told_of] == ["login.ask", "login.allow", "login.give"]
    assert {each["person"] for each in told_of} == {OLGA}
    assert {each["data"]["client"] for each in told_of} == {"laptop"}


def test_an_administrator_gets_an_administrator_s_login(appliance, ada, begun, passwords) -> None:
    assert "Allowed" in ada.allow(begun["user_code"]).text
    made = fetch(appliance, begun).json()
    assert made["username"] == ADA
    expected = user(appliance, passwords[ADA])["scopes"]
    assert user(appliance, made["access_token"])["scopes"] == expected


def test_whoever_is_not_logged_in_goes_to_the_hub_and_comes_back_with_the_code(
    appliance, begun
) -> None:
    with appliance.client() as client:
        browser = Browser(client, appliance.config.public_url)
        page = browser.open(begun["user_code"])
        assert urlsplit(str(page.url)).path == "/hub/login"
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        action = re.search(r'<form action="([^"]+)"', page.text)
        assert xsrf is not None
        assert action is not None
        password = demo_passwords(appliance.config)[OLGA]
        form = {"username": OLGA, "password": password, "_xsrf": xsrf.group(1)}
        address = action.group(1).replace("&amp;", "&")
        page = client.post(address, data=form, headers=OPEN, follow_redirects=True)
        assert str(page.url).endswith(f"{PAGE}?user_code={begun['user_code']}")
        assert hidden(page)["user_code"] == begun["user_code"]
        assert "Allowed" in browser.follow(browser.answer(page, "allow")).text
    assert fetch(appliance, begun).json()["username"] == OLGA


def test_a_denied_login_gets_nothing(appliance, olga, begun) -> None:
    done = olga.follow(olga.answer(olga.open(begun["user_code"]), "deny"))
    assert "Denied" in done.text
    assert told(appliance, begun) == "access_denied"
    late = olga.open(begun["user_code"])
    assert 'name="_xsrf"' not in late.text


def test_a_code_that_none_has_is_said_to_be_wrong_five_times(browsers, begun) -> None:
    browser = browsers[ENDUSER]
    assert "Enter the code" in browser.open().text
    wrong = browser.open("<b>")
    assert wrong.status_code == 400
    assert "&lt;b&gt;" in wrong.text
    for _ in range(5):
        page = browser.open("BBBB-BBBB")
        assert page.status_code == 404
        assert "No login has this code" in page.text
    for code in ("BBBB-BBBB", begun["user_code"]):
        page = browser.open(code)
        assert page.status_code == 429
        assert 'name="_xsrf"' not in page.text
    assert browsers[OLGA].open(begun["user_code"]).status_code == 200


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        pytest.param({"_xsrf": ""}, {}, id="no XSRF token"),
        pytest.param({"_xsrf": "2|abc|def|1"}, {}, id="a made-up XSRF token"),
        pytest.param({"ticket": ""}, {}, id="no ticket"),
        pytest.param({"ticket": "2|1:0|10:1"}, {}, id="a made-up ticket"),
        pytest.param({}, {"Origin": "https://evil.example"}, id="another origin"),
        pytest.param({}, {"Origin": "null"}, id="a sandbox"),
        pytest.param({}, {"Sec_Fetch_Site": "cross-site"}, id="another site"),
        pytest.param({}, {"Sec_Fetch_Site": "same-site"}, id="a sister of this host"),
        pytest.param({}, {"Sec_Fetch_Mode": "cors"}, id="a script"),
    ],
)
def test_only_the_page_itself_answers(appliance, olga, begun, fields, headers) -> None:
    page = olga.open(begun["user_code"])
    for answer in ("allow", "deny"):
        refused = olga.answer(page, answer, fields, **headers)
        assert refused.status_code == (401 if "_xsrf" in fields else 403)
        assert "location" not in refused.headers
    assert waits(appliance, begun)
    assert "Allowed" in olga.follow(olga.answer(page, "allow")).text  # so that the above can fail


def test_the_xsrf_token_of_another_person_is_none(appliance, olga, ada, begun) -> None:
    stolen = hidden(ada.open(begun["user_code"]))["_xsrf"]
    page = olga.open(begun["user_code"])
    assert olga.answer(page, "allow", {"_xsrf": stolen}).status_code == 401
    assert waits(appliance, begun)


def test_the_ticket_of_another_person_or_code_is_none(appliance, olga, ada, begun) -> None:
    page = olga.open(begun["user_code"])
    with waiting(appliance, ada) as other:
        stolen = [ada.open(begun["user_code"]), olga.open(other["user_code"])]
        for each in stolen:
            fields = {"ticket": hidden(each)["ticket"]}
            assert olga.answer(page, "allow", fields).status_code == 403
    assert waits(appliance, begun)


def test_a_script_of_the_same_origin_does_not_get_the_page(olga, begun) -> None:
    token = hidden(olga.open(begun["user_code"]))["_xsrf"]
    said = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    query = {"user_code": begun["user_code"]}
    page = olga.client.get(PAGE, params=query, headers=said)
    assert page.status_code == 401
    # With the cookie's token, which it may read, it gets no form.
    page = olga.client.get(PAGE, params=query, headers={**said, "X-XSRFToken": token})
    assert page.status_code == 200
    assert "ticket" not in page.text
    for dest in ("iframe", "embed", "object"):
        page = olga.client.get(PAGE, params=query, headers={**OPEN, "Sec-Fetch-Dest": dest})
        assert "ticket" not in page.text


@pytest.fixture
def kernel(appliance, passwords) -> str:
    """A token with the scopes of a server's, which its kernels can read."""
    headers = {"Authorization": f"token {passwords[OLGA]}"}
    scopes = [scope for scope in SERVER_SCOPES if "!server" not in scope and "!user" not in scope]
    with appliance.client(headers=headers) as client:
        answer = client.post(
            f"/hub/api/users/{OLGA}/tokens", json={"scopes": scopes, "expires_in": 600}
        )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def test_a_kernel_s_token_opens_no_way_to_more(appliance, olga, begun, kernel) -> None:
    page = olga.open(begun["user_code"])
    with appliance.client(headers={"Authorization": f"token {kernel}"}) as client:
        assert client.get(f"{API}/me").status_code == 200  # it is good for what it is for
        thief = Browser(client, appliance.config.public_url)
        assert thief.open(begun["user_code"]).status_code == 403
        assert thief.answer(page, "allow").status_code == 403
        assert client.get(CALLBACK, params={"code": "x", "state": "x"}).status_code == 403
        for name, path in (
            ("service-mavis-login", CALLBACK),
            ("service-mavis", "/services/mavis/oauth_callback"),
        ):
            ask = {
                "client_id": name,
                "response_type": "code",
                "redirect_uri": f"{appliance.config.public_url}{path}",
            }
            answer = client.get("/hub/api/oauth2/authorize", params=ask, headers=OPEN)
            assert "code=" not in answer.headers.get("location", "")
        assert client.post(f"/hub/api/users/{OLGA}/tokens").status_code == 403
    # Beside the cookies of its owner's browser it is refused, too.
    said = {"Authorization": f"token {kernel}"}
    assert olga.client.get(PAGE, headers={**OPEN, **said}).status_code == 403
    assert waits(appliance, begun)


def test_the_service_s_secrets_alone_make_no_login(appliance) -> None:
    for secret in ("hub-token", "hub-login-token"):
        token = appliance.config.read_secret("api", secret)
        with appliance.client(headers={"Authorization": f"token {token}"}) as client:
            assert client.post(f"/hub/api/users/{OLGA}/tokens").status_code in (403, 404)
    found = user(appliance, appliance.config.read_secret("api", "hub-login-token"))
    assert (found["kind"], found["name"]) == ("service", "mavis-login")
    assert not [
        scope for scope in found["scopes"] if scope.startswith(("tokens", "custom", "users"))
    ]


def test_the_cookie_of_the_pages_holds_no_power_over_tokens(
    appliance, olga, begun, passwords
) -> None:
    olga.allow(begun["user_code"])
    of_pages = [
        each
        for each in tokens_of(appliance, OLGA, passwords[OLGA])
        if each["oauth_client"] == "JupyterHub service mavis"
    ]
    assert of_pages
    for token in of_pages:
        assert "access:services!service=mavis" in token["scopes"]
        assert not [scope for scope in token["scopes"] if "tokens" in scope]


def sent_to_hub(browser: Browser, code: str) -> dict[str, str]:
    """Press "Allow"; return what the browser would ask the Hub."""
    answer = browser.answer(browser.open(code), "allow")
    assert answer.status_code == 303, answer.text
    place = urlsplit(answer.headers["location"])
    assert place.path == "/hub/api/oauth2/authorize"
    return {name: values[0] for name, values in parse_qs(place.query).items()}


def from_hub(browser: Browser, asked: dict[str, str]) -> dict[str, str]:
    """Return what the Hub sends back along with a browser."""
    answer = browser.client.get("/hub/api/oauth2/authorize", params=asked, headers=OPEN)
    place = urlsplit(answer.headers["location"])
    assert place.path == CALLBACK
    return {name: values[0] for name, values in parse_qs(place.query).items()}


def test_the_hub_s_answer_to_one_browser_is_worth_nothing_in_another(
    appliance, olga, ada, begun
) -> None:
    asked = sent_to_hub(olga, begun["user_code"])
    ada.open(begun["user_code"])
    back = from_hub(ada, asked)  # ada's code, led there by what olga's browser was to ask
    assert ada.client.get(CALLBACK, params=back, headers=OPEN).status_code == 403
    code, nothing = {"code": back["code"]}, dict[str, str]()
    for params in ({**code, "state": "x"}, code, {"state": "x"}, nothing):
        sent_to_hub(olga, begun["user_code"])
        assert olga.client.get(CALLBACK, params=params, headers=OPEN).status_code == 403
    state = {"state": sent_to_hub(olga, begun["user_code"])["state"]}
    assert olga.client.get(CALLBACK, params=state, headers=OPEN).status_code == 403
    assert waits(appliance, begun)


def test_a_code_of_the_hub_for_somebody_else_makes_no_login(
    appliance, olga, ada, begun, passwords
) -> None:
    """Whoever steals a code and puts it into their own browser is found out when it is used."""
    before = len(tokens_of(appliance, ADA, passwords[ADA]))
    stolen = from_hub(ada, sent_to_hub(olga, begun["user_code"]))
    done = olga.client.get(CALLBACK, params=stolen, headers=OPEN, follow_redirects=True)
    assert "Allowed" in done.text
    answer = fetch(appliance, begun)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "Somebody else was logged in" in answer.json()["detail"]
    assert len(tokens_of(appliance, ADA, passwords[ADA])) == before
    record = records(appliance)[-1]
    assert (record["action"], record["person"], record["outcome"]) == ("login.give", OLGA, "failed")


def test_an_answer_of_the_hub_is_taken_once(appliance, olga, begun) -> None:
    asked = sent_to_hub(olga, begun["user_code"])
    back = from_hub(olga, asked)
    assert olga.client.get(CALLBACK, params=back, headers=OPEN).status_code == 303
    assert olga.client.get(CALLBACK, params=back, headers=OPEN).status_code == 403


def test_a_code_without_its_proof_makes_no_login(appliance, olga, begun) -> None:
    asked = sent_to_hub(olga, begun["user_code"])
    back = from_hub(olga, {**asked, "code_challenge": "x" * 43})
    olga.client.get(CALLBACK, params=back, headers=OPEN)
    assert told(appliance, begun) == "invalid_grant"


def test_the_page_s_headers_keep_others_away(olga, begun) -> None:
    page = olga.open(begun["user_code"])
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "script-src 'nonce-" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! defer src=)|<style|\son[a-z]+=|\sstyle=", page.text)
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    cookies = olga.answer(page, "allow").headers.get_list("set-cookie")
    (cookie,) = [each for each in cookies if each.startswith("mavis-login=")]
    for part in ("HttpOnly", "Secure", "SameSite=Lax", f"Path={PAGE}"):
        assert part in cookie


def test_no_secret_of_a_login_is_written_down(appliance, olga, begun) -> None:
    asked = sent_to_hub(olga, begun["user_code"])
    back = from_hub(olga, asked)
    olga.client.get(CALLBACK, params=back, headers=OPEN)
    before = places(appliance, back["code"]) + places(appliance, begun["device_code"])
    assert [path for path in before if "jupyterhub.sqlite" not in path] == []
    token = fetch(appliance, begun).json()["access_token"]
    for secret in (token, begun["device_code"]):
        assert places(appliance, secret) == []
    probe = secrets.token_hex(8)  # so that the search can find something
    fetch(appliance, {"device_code": probe})
    assert user(appliance, token)["name"] == OLGA


def places(appliance, secret: str) -> list[str]:
    """Return the files of the state folder that hold a text."""
    return [
        str(path)
        for path in appliance.config.home.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
