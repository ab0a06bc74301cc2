"""Who gets a notebook server on a running appliance, who loses it, and what they are told.

Stated is 30 seconds from the loss of the last role to the end of the server; the tests wait that
long and no longer.
"""

import os
import re
import signal
from contextlib import closing

import psutil
import pytest

from mavis_core.db import open_database
from mavis_core.records import Outbox
from mavis_hub import leftovers
from mavis_hub.processes import processes
from mavis_hub.status import rows

WITHIN_S = 30
ME = "demo-operator"
SERVER = f"/hub/api/users/{ME}/server"


@pytest.fixture(scope="module")
def token(appliance) -> str:
    return appliance.token(ME)


@pytest.fixture
def client(appliance, token):
    with appliance.client(headers={"Authorization": f"token {token}"}) as found:
        yield found


def processes_of(appliance) -> list[psutil.Process]:
    """Return the notebook servers of the appliance."""
    return [
        each
        for each in leftovers.find(appliance.config)
        if "jupyterhub-singleuser" in " ".join(each.cmdline())
    ]


def gone(appliance, client) -> bool:
    return not client.get(f"/hub/api/users/{ME}").json()["server"] and not processes_of(appliance)


def test_whoever_has_no_role_is_told_whom_to_ask(appliance, client) -> None:
    answer = client.post(SERVER)
    assert answer.status_code == 403
    assert "no role in any project" in answer.json()["message"]
    appliance.be(ME, "enduser")
    answer = client.post(SERVER)
    assert answer.status_code == 403
    assert "administrator of shop" in answer.json()["message"]
    assert "demo-admin" in answer.json()["message"]
    assert processes_of(appliance) == []


def test_an_administrator_starts_no_server_for_an_end_user(appliance) -> None:
    headers = {"Authorization": f"token {appliance.token('demo-admin')}"}
    appliance.be(ME, "enduser")
    with appliance.client(headers=headers) as admin:
        assert admin.post(SERVER).status_code == 403
    assert processes_of(appliance) == []


def test_the_hub_s_pages_send_an_end_user_to_the_start_page(appliance) -> None:
    appliance.be(ME, "enduser")
    with appliance.browser(ME) as person:
        for path in (
            "/hub/spawn",
            f"/hub/spawn/{ME}",
            f"/hub/spawn-pending/{ME}",
            f"/hub/user/{ME}/lab",
        ):
            page = person.get(path)
            assert page.status_code == 403, path
            assert "has no notebook server" in page.text
            assert 'href="/services/mavis/"' in page.text
            assert "demo-admin" in page.text
            assert "spawn" not in re.sub(r"<script.*?</script>", "", page.text, flags=re.DOTALL)
        home = person.get("/hub/home")
        assert (home.status_code, home.headers["location"]) == (302, "/services/mavis/")
        arrived = person.get("/hub/")
        assert (arrived.status_code, arrived.headers["location"]) == (302, "/services/mavis/")


def test_a_role_counts_at_once_and_its_loss_ends_the_server(appliance, client, until) -> None:
    appliance.be(ME, "enduser")
    assert client.post(SERVER).status_code == 403
    appliance.start_server(ME, client.headers["Authorization"].partition(" ")[2])
    assert client.get(f"/user/{ME}/api/contents").status_code == 200
    appliance.be(ME, "viewer")  # one of those that give a server
    appliance.be(ME, "enduser")
    until(lambda: gone(appliance, client), "the end of the server", WITHIN_S)
    assert client.get(f"/user/{ME}/api/contents", follow_redirects=True).status_code == 403
    assert client.post(SERVER).status_code == 403


def test_logins_and_logouts_are_recorded_with_who_and_from_where(appliance, until) -> None:
    def told(action: str) -> list[tuple[str, str, str]]:
        with closing(open_database(appliance.config.database_url)) as database:
            waiting = [record for _, record in Outbox(database).pending(1000)]
        assert "hunter2" not in str(waiting)
        found = [each for each in waiting if each.action == action]
        return [(each.person, str(each.outcome), each.source) for each in found]

    def refused_as(name: str) -> None:
        with appliance.client() as stranger:
            form = stranger.get("/hub/login")
            xsrf = re.search(r'name="_xsrf" value="([^"]+)"', form.text)[1]
            given = {"username": name, "password": "hunter2", "_xsrf": xsrf}
            assert stranger.post("/hub/login", data=given).status_code == 403

    refused_as(ME)
    refused_as("hunter2-in-the-wrong-field")
    with appliance.browser(ME) as person:
        person.get("/hub/logout")
    until(lambda: (ME, "ok", "127.0.0.1") in told("hub.logout"), "the record of the logout")
    logins = told("hub.login")
    assert (ME, "ok", "127.0.0.1") in logins
    assert (ME, "refused", "127.0.0.1") in logins
    assert ("mavis:nobody", "refused", "127.0.0.1") in logins


def test_a_hub_that_was_killed_goes_on_looking(appliance, client, token, until) -> None:
    appliance.start_server(ME, token)
    before = pid_of(appliance, "hub")
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        row = row_of(appliance, "hub")
        return row.well and row.pid != before

    until(back, "hub after kill -9", 60)
    assert processes_of(appliance)
    appliance.be(ME, None)
    until(lambda: gone(appliance, client), "the end of the server", WITHIN_S)


def test_nobody_starts_a_server_while_the_api_is_silent_and_none_is_ended(
    appliance, client, token, until
) -> None:
    appliance.start_server(ME, token)
    (running,) = processes_of(appliance)
    os.kill(pid_of(appliance, "api"), signal.SIGSTOP)
    try:
        with appliance.browser(ME) as person:
            page = person.get("/hub/spawn")
        assert page.status_code == 503
        assert "does not say now" in page.text
        assert running.is_running()
    finally:
        os.kill(pid_of(appliance, "api"), signal.SIGCONT)
    until(lambda: row_of(appliance, "api").well, "the api", 30)
    assert client.get(f"/user/{ME}/api/contents").status_code == 200
    assert client.delete(SERVER).status_code in (202, 204)


def row_of(appliance, name: str):
    found = rows(appliance.config, processes(appliance.config, {}))
    return next(row for row in found if row.name == name)


def pid_of(appliance, name: str) -> int:
    return row_of(appliance, name).pid
