"""The Hub as the product composes it, through the edge proxy: login, scopes, servers."""

import json
import re

import httpx
import pytest

from mavis_core.access import Scope

OURS = {scope.value for scope in Scope}
PERSON = {Scope.READ.value, Scope.OPERATE.value, Scope.DESTROY.value}
SERVER = {Scope.READ.value, Scope.OPERATE.value}


@pytest.fixture(scope="module")
def tokens(appliance, people) -> dict[str, str]:
    return {name: appliance.token(name) for name in people}


def model(appliance, token: str) -> dict[str, object]:
    with appliance.client(headers={"Authorization": f"token {token}"}) as client:
        answer = client.get("/hub/api/user")
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.parametrize(
    ("name", "ours", "groups"),
    [
        ("demo-admin", OURS, ["mavis-admins"]),
        ("demo-operator", PERSON, []),
        ("demo-enduser", PERSON, []),
    ],
)
def test_a_person_s_token_holds_what_their_role_gives(appliance, tokens, name, ours, groups):
    found = model(appliance, tokens[name])
    assert set(found["scopes"]) & OURS == ours
    assert found["groups"] == groups
    assert found["admin"] is False


def test_an_administrator_makes_no_token_for_somebody_else(appliance, tokens) -> None:
    headers = {"Authorization": f"token {tokens['demo-admin']}"}
    with appliance.client(headers=headers) as client:
        assert client.get("/hub/api/users/demo-operator").status_code == 200
        assert client.post("/hub/api/users/demo-operator/tokens").status_code in (403, 404)


@pytest.mark.parametrize("name", ["demo-operator", "root", "nobody", "mavis-api"])
def test_a_wrong_password_and_strangers_get_no_token(appliance, name: str) -> None:
    auth = {"username": name, "password": "guess"}
    with appliance.client() as client:
        answer = client.post(f"/hub/api/users/{name}/tokens", json={"auth": auth})
    assert answer.status_code == 403
    assert "token" not in answer.json()


def test_people_log_in_with_the_page_and_get_lab(appliance, tokens) -> None:
    appliance.start_server("demo-operator", tokens["demo-operator"])
    with appliance.browser("demo-operator") as client:
        lab = client.get("/user/demo-operator/lab", follow_redirects=True)
    assert lab.status_code == 200
    found = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', lab.text, re.DOTALL)
    assert found is not None
    assert json.loads(found.group(1))["news"] == {"disabled": True}


def test_the_hub_s_own_pages_have_the_security_headers_too(appliance) -> None:
    with appliance.client() as client:
        page = client.get("/hub/login")
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    assert "max-age" in page.headers["strict-transport-security"]
    assert "server" not in page.headers


def test_a_server_s_token_is_narrower_than_its_owner_s(appliance, tokens) -> None:
    appliance.start_server("demo-admin", tokens["demo-admin"])
    code = (
        "import json, os, urllib.request as u\n"
        "r = u.Request(os.environ['JUPYTERHUB_API_URL'] + '/user', headers={'Authorization':"
        " 'token ' + os.environ['JUPYTERHUB_API_TOKEN']})\n"
        "print(json.dumps(json.load(u.urlopen(r))))"
    )
    found = json.loads(appliance.run_in_kernel("demo-admin", tokens["demo-admin"], code))
    assert set(found["scopes"]) & OURS == SERVER
    assert "access:services!service=mavis" in found["scopes"]
    assert not any(scope.startswith(("tokens", "admin", "users!")) for scope in found["scopes"])


def test_a_kernel_s_environment_is_an_allow_list(appliance, tokens) -> None:
    appliance.start_server("demo-operator", tokens["demo-operator"])
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    found = json.loads(appliance.run_in_kernel("demo-operator", tokens["demo-operator"], code))
    assert found["MAVIS_URL"] == f"{appliance.config.public_url}/services/mavis"
    assert found["MAVIS_CA_FILE"] == str(appliance.config.ca_file)
    assert "LEAKED_SECRET" not in found
    assert not [name for name in found if name.startswith("MAVIS_PORTS")]
    assert {name for name in found if name.startswith("MAVIS_")} == {
        "MAVIS_URL",
        "MAVIS_CA_FILE",
        "MAVIS_APPLIANCE",
    }


def test_a_kernel_trusts_the_appliance_with_the_file_it_is_given(appliance, tokens) -> None:
    appliance.start_server("demo-operator", tokens["demo-operator"])
    code = (
        "import os, ssl, urllib.request as u\n"
        "c = ssl.create_default_context(cafile=os.environ['MAVIS_CA_FILE'])\n"
        "print(u.urlopen(os.environ['JUPYTERHUB_PUBLIC_HUB_URL'] + 'health', context=c).status)"
    )
    printed = appliance.run_in_kernel("demo-operator", tokens["demo-operator"], code)
    assert printed.strip() == "200"


def test_nobody_enters_another_person_s_server(appliance, tokens) -> None:
    appliance.start_server("demo-operator", tokens["demo-operator"])
    for name in ("demo-admin", "demo-enduser"):
        headers = {"Authorization": f"token {tokens[name]}"}
        with appliance.client(headers=headers) as client:
            assert client.get("/user/demo-operator/api/contents").status_code == 403
            share = client.post("/hub/api/shares/demo-operator/", json={"user": name})
            assert share.status_code in (403, 404)


def test_servers_cannot_be_shared_and_have_no_names(appliance, tokens) -> None:
    headers = {"Authorization": f"token {tokens['demo-operator']}"}
    with appliance.client(headers=headers) as client:
        shared = client.post("/hub/api/shares/demo-operator/", json={"user": "demo-enduser"})
        named = client.post("/hub/api/users/demo-operator/servers/second")
    assert shared.status_code in (403, 404)
    assert named.status_code == 400


def test_the_service_s_secret_is_the_service_s_token(appliance) -> None:
    token = appliance.config.read_secret("api", "hub-token")
    found = model(appliance, token)
    assert (found["kind"], found["name"]) == ("service", "mavis")
    assert not set(found["scopes"]) & OURS


def test_the_page_login_of_the_service_asks_nothing_and_sends_codes_nowhere_else(appliance):
    ask = {"client_id": "service-mavis", "response_type": "code", "state": "x"}
    good = f"{appliance.config.public_url}/services/mavis/oauth_callback"
    with appliance.browser("demo-operator") as client:
        right = client.get("/hub/api/oauth2/authorize", params={**ask, "redirect_uri": good})
        evil = {**ask, "redirect_uri": "https://evil.example/callback"}
        wrong = client.get("/hub/api/oauth2/authorize", params=evil)
    assert right.status_code == 302
    assert right.headers["location"].startswith(f"{good}?code=")
    assert wrong.status_code == 400
    assert "location" not in wrong.headers


def test_prefect_refuses_whoever_lacks_the_secret(appliance) -> None:
    url = f"http://127.0.0.1:{appliance.config.ports.prefect}"
    user, _, password = appliance.config.read_secret("prefect", "prefect-auth").partition(":")
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.post("/api/flows/filter", json={}).status_code == 401
        assert client.post("/api/flows/filter", json={}, auth=(user, "x")).status_code == 401
        assert client.post("/api/flows/filter", json={}, auth=(user, password)).status_code == 200
        page = client.get("/services/mavis/prefect/")
    assert page.status_code in (200, 401)


def test_status_and_memory_are_known(appliance) -> None:
    from mavis_hub.processes import processes
    from mavis_hub.status import rows

    found = {row.name: row for row in rows(appliance.config, processes(appliance.config, {}))}
    assert set(found) == {"edge", "hub", "api", "prefect"}
    for row in found.values():
        assert row.well, row
        assert row.pid is not None
        assert row.memory_bytes > 10 * 1024**2
