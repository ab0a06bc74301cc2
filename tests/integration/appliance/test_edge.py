"""One test a promise of the route table, through a real Traefik."""

import json
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from mavis_core.config import Config
from mavis_hub.edge import dynamic_configuration
from mavis_hub.routes import routes

MIB = 1024 * 1024

# row -> (method, a path that it takes, the upstream's port by name)
SAMPLES = {
    "login": ("POST", "/hub/login", "hub"),
    "hub-changes": ("POST", "/hub/spawn", "hub"),
    "device-logins": ("POST", "/services/mavis/api/v1/device-logins", "api"),
    "events": ("GET", "/services/mavis/api/v1/projects/p/runs/r/events", "api"),
    "api": ("GET", "/services/mavis/api/v1/me", "api"),
    "prefect": ("GET", "/services/mavis/prefect/dashboard", "api"),
    "page-events": ("GET", "/services/mavis/projects/shop/runs/run_1/events", "api"),
    "dashboards-live": ("GET", "/services/mavis/dashboards/shop/status/live", "api"),
    "dashboards": ("GET", "/services/mavis-view/a-ticket/", "dashboards"),
    "gateway": ("GET", "/services/mavis-gateway/terminal", "gateway"),
    "pages": ("GET", "/services/mavis/oauth_callback", "api"),
}


STREAMS = ("prefect", "events", "page-events", "dashboards-live", "dashboards", "gateway")


def router_of(edge, path: str) -> str:
    """Return which router took the last request for `path`."""
    lines = [
        json.loads(line) for line in edge.log.read_text().splitlines() if "RequestPath" in line
    ]
    return next(
        line["RouterName"] for line in reversed(lines) if line["RequestPath"].split("?")[0] == path
    )


def test_the_samples_name_every_row(edge) -> None:
    assert set(SAMPLES) == {row.name for row in routes(edge.config)}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_row_takes_its_requests_to_its_upstream(edge, until, name: str) -> None:
    method, path, upstream = SAMPLES[name]
    with edge.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == 200
    assert answer.json()["port"] == getattr(edge.config.ports, upstream)
    assert answer.json()["path"] == path
    row = next(row for row in routes(edge.config) if row.name == name)
    if row.logged:
        until(lambda: path in edge.log.read_text(), "the log line")
        assert router_of(edge, path) == f"{name}@file"


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("/services/mavis/api/v1/records/events", "events"),
        ("/services/mavis/api/v1/projects/p/records/export", "events"),
        ("/services/mavis/api/v1/projects/p/records", "api"),
        ("/services/mavis/records/events", "page-events"),
        ("/services/mavis/records/export", "page-events"),
        ("/services/mavis/records", "pages"),
    ],
)
def test_what_comes_piece_by_piece_passes_a_row_that_holds_nothing_back(
    edge, until, path: str, row: str
) -> None:
    with edge.client() as client:
        assert client.get(path).status_code == 200
    until(lambda: path in edge.log.read_text(), "the log line")
    assert router_of(edge, path) == f"{row}@file"


def test_an_address_that_holds_a_ticket_is_not_logged(edge, until) -> None:
    with edge.client() as client:
        for path in ("/services/mavis-view/a-secret-ticket/", "/services/mavis/after-it"):
            assert client.get(path).status_code == 200
    until(lambda: "after-it" in edge.log.read_text(), "the log line of what came after it")
    assert "a-secret-ticket" not in edge.log.read_text()


@pytest.mark.parametrize(
    "path", ["/services/mavis", "/services/mavis/", "/services/mavis/prefect", "/hub/../hub/login"]
)
def test_paths_without_a_slash_or_with_dots_stay_inside_the_table(edge, path: str) -> None:
    with edge.client() as client:
        assert client.post(path).status_code == 200


def test_what_no_row_takes_is_left_to_the_hub(edge) -> None:
    with edge.client() as client:
        assert client.get("/user/ada/lab").status_code == 404  # no Hub has written a route here


@pytest.mark.parametrize("name", [n for n in SAMPLES if n not in STREAMS])
def test_a_body_above_the_row_s_limit_is_refused(edge, name: str) -> None:
    row = next(row for row in routes(edge.config) if row.name == name)
    path = SAMPLES[name][1]
    with edge.client() as client:
        within = client.post(path, content=b"x" * row.body_limit_bytes)
        beyond = client.post(path, content=b"x" * (row.body_limit_bytes + 1))
    assert (within.status_code, beyond.status_code) == (200, 413)


def test_the_api_sees_a_body_of_ten_mebibytes_to_answer_in_its_own_form(edge) -> None:
    with edge.client() as client:
        answer = client.post(SAMPLES["api"][1], content=b"x" * 10 * MIB)
    assert answer.json()["body_bytes"] == 10 * MIB


def test_websockets_pass_the_row_of_prefect(edge) -> None:
    import asyncio

    async def exchange() -> str | bytes | None:
        url = edge.config.public_url.replace("https", "wss", 1)
        url += "/services/mavis/prefect/api/events/out"
        connection = await websocket_connect(HTTPRequest(url, ssl_options=edge.trust))
        await connection.write_message("there and back")
        answer = await asyncio.wait_for(connection.read_message(), 10)
        connection.close()
        assert await asyncio.wait_for(connection.read_message(), 10) is None, "it is closed"
        return answer

    assert asyncio.run(exchange()) == "there and back"


def test_security_headers_are_on_every_answer_of_a_row(edge) -> None:
    with edge.client() as client:
        answers = [client.request(method, path) for method, path, _ in SAMPLES.values()]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        assert "server" not in answer.headers


def test_no_worker_of_a_page_reaches_further_than_the_page(edge) -> None:
    with edge.client() as client:
        answers = [client.request(method, path) for method, path, _ in SAMPLES.values()]
    assert all("service-worker-allowed" not in answer.headers for answer in answers)


def test_headers_that_only_the_edge_may_set_are_not_believed(edge) -> None:
    forged = {
        "X-Request-Id": "forged",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "gopher",
        "X-Real-Ip": "203.0.113.7",
        "X_Forwarded_For": "203.0.113.7",
        "X_Request_Id": "forged",
    }
    with edge.client() as client:
        seen = client.get("/services/mavis/api/v1/me", headers=forged).json()["headers"]
    assert "X-Request-Id" not in seen
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert seen["X-Forwarded-Proto"] == "https"
    assert seen["X-Real-Ip"] == "127.0.0.1"
    assert not any("_" in name for name in seen)


def test_the_answer_s_request_id_reaches_client_and_access_log(edge, until) -> None:
    with edge.client() as client:
        answer = client.get("/services/mavis/api/v1/me?id=req_of_this_test")
    assert answer.headers["x-request-id"] == "req_of_this_test"
    until(lambda: "req_of_this_test" in edge.log.read_text(), "the log line")


def test_the_access_log_holds_neither_tokens_nor_cookies_nor_queries(edge, until) -> None:
    headers = {"Authorization": "token top-secret-1", "Cookie": "session=top-secret-2"}
    with edge.client() as client:
        client.get("/services/mavis/oauth_callback?code=top-secret-3", headers=headers)
        client.get("/services/mavis/api/v1/after")
    until(lambda: "/v1/after" in edge.log.read_text(), "the log line")
    assert "top-secret" not in edge.log.read_text()


def test_the_proxy_s_own_api_refuses_whoever_lacks_the_password(edge) -> None:
    url = f"http://127.0.0.1:{edge.config.ports.edge_api}"
    password = edge.config.read_secret("hub", "edge-api-password")
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/ping").text == "OK"
        for path in ("/api/overview", "/api/http/routers", "/api/rawdata", "/debug/vars"):
            assert client.get(path).status_code in (401, 404)
            assert client.get(path, auth=("hub", "guess")).status_code in (401, 404)
        assert client.get("/api/overview").status_code == 401
        assert client.get("/api/overview", auth=("hub", password)).status_code == 200


def test_tls_is_no_older_than_1_2(edge) -> None:
    context = edge.trust
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    address = (edge.config.edge.host, edge.config.edge.port)
    with (
        socket.create_connection(address) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
    settings = dynamic_configuration(edge.config, "hash")["tls"]["options"]["default"]
    assert settings == {"minVersion": "VersionTLS12"}


def test_plain_http_at_the_tls_port_gets_no_page(edge) -> None:
    address = (edge.config.edge.host, edge.config.edge.port)
    with socket.create_connection(address, timeout=10) as raw:
        raw.sendall(b"GET /services/mavis/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " not in raw.recv(4096)


def test_logins_are_held_back_and_login_pages_are_not(start_edge) -> None:
    edge = start_edge()
    row = next(row for row in routes(edge.config) if row.name == "login")
    attempts = row.rate.burst * 2
    with edge.client() as client:
        posts = [client.post("/hub/login").status_code for _ in range(attempts)]
        tokens = client.post("/hub/api/users/ada/tokens").status_code
        pages = [client.get("/services/mavis/").status_code for _ in range(attempts)]
    assert posts[: row.rate.burst] == [200] * row.rate.burst
    assert posts[-1] == 429
    assert tokens == 429  # one budget for both ways in
    assert set(pages) == {200}


def test_logins_by_browser_are_begun_as_seldom_and_asked_about_as_often_as_needed(edge) -> None:
    row = next(row for row in routes(edge.config) if row.name == "device-logins")
    attempts = row.rate.burst * 2
    begin = SAMPLES["device-logins"][1]
    with edge.client() as client:
        begun = [client.post(begin).status_code for _ in range(attempts)]
        asked = [client.post(f"{begin}/token").status_code for _ in range(attempts)]
    assert begun[-1] == 429
    assert set(asked) == {200}


def test_a_silent_upstream_ends_in_504(start_edge) -> None:
    def impatient(config: Config) -> None:
        path = config.home / "edge" / "dynamic" / "mavis.yml"
        digest = json.loads(path.read_text())["http"]["middlewares"]["edge-api-login"]
        user_and_hash = digest["basicAuth"]["users"][0].partition(":")[2]
        table = tuple(replace(row, timeout_s=1) for row in routes(config))
        path.write_text(json.dumps(dynamic_configuration(config, user_and_hash, table)))

    edge = start_edge(impatient)
    with edge.client() as client:
        assert client.get("/services/mavis/api/v1/me?wait=5").status_code == 504


def test_plain_http_on_loopback_where_tls_is_off(start_edge) -> None:
    edge = start_edge(**{"edge.tls": "off"})
    with edge.client() as client:
        answer = client.get("/services/mavis/")
    assert edge.config.public_url.startswith("http://")
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers


def test_an_administrator_s_own_certificate_is_served(start_edge, edge, tmp_path: Path) -> None:
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    certificate.write_bytes(edge.config.ca_file.read_bytes())
    key.write_bytes(edge.config.ca_file.with_name("key.pem").read_bytes())
    flags = {"edge.tls": "files", "edge.certificate": str(certificate), "edge.key": str(key)}
    own = start_edge(**flags)
    shown = ssl.get_server_certificate((own.config.edge.host, own.config.edge.port))
    assert shown.strip() == certificate.read_text().strip()
