import json
from dataclasses import replace

import pytest

from mavis_core.config import Config
from mavis_hub.edge import dynamic_configuration, static_configuration
from mavis_hub.routes import Authentication, routes


def with_edge(config: Config, **values: object) -> Config:
    return replace(config, edge=replace(config.edge, **values))


def test_every_row_has_a_router_above_the_hub_s_own(config: Config) -> None:
    routers = dynamic_configuration(config, "hash")["http"]["routers"]
    for row in routes(config):
        assert routers[row.name]["priority"] > 1000
        assert routers[row.name]["entryPoints"] == ["public"]


def test_earlier_rows_win(config: Config) -> None:
    routers = dynamic_configuration(config, "hash")["http"]["routers"]
    priorities = [routers[row.name]["priority"] for row in routes(config)]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == len(priorities)


def test_rows_that_stream_hold_no_buffer(config: Config) -> None:
    prefect = next(row for row in routes(config) if row.name == "prefect")
    assert prefect.body_limit_bytes is None
    assert prefect.authentication is Authentication.ADMINISTRATOR


def test_upstreams_are_on_loopback(config: Config) -> None:
    services = dynamic_configuration(config, "hash")["http"]["services"]
    urls = [service["loadBalancer"]["servers"][0]["url"] for service in services.values()]
    assert urls
    assert all(url.startswith("http://127.0.0.1:") for url in urls)


def test_nothing_is_reported_to_the_makers_of_traefik(config: Config) -> None:
    assert static_configuration(config)["global"] == {
        "checkNewVersion": False,
        "sendAnonymousUsage": False,
    }


def test_the_access_log_leaves_out_headers_and_query(config: Config) -> None:
    fields = static_configuration(config)["accessLog"]["fields"]
    assert fields["headers"]["defaultMode"] == "drop"
    assert set(fields["headers"]["names"]) == {"User-Agent", "X-Request-Id"}
    assert fields["queryParameters"]["defaultMode"] == "drop"


def test_the_proxy_s_own_api_is_on_loopback_and_asks_for_a_login(config: Config) -> None:
    public = with_edge(config, host="0.0.0.0")
    entry = static_configuration(public)["entryPoints"]["edge-api"]
    assert entry["address"] == f"127.0.0.1:{config.ports.edge_api}"
    dynamic = dynamic_configuration(public, "hash")["http"]
    assert dynamic["routers"]["edge-api"]["middlewares"] == ["edge-api-login"]
    assert dynamic["middlewares"]["edge-api-login"] == {"basicAuth": {"users": ["hub:hash"]}}


def test_strict_transport_security_goes_with_tls(config: Config) -> None:
    def headers(tls: str) -> dict[str, object]:
        dynamic = dynamic_configuration(with_edge(config, tls=tls), "hash")
        return dict(dynamic["http"]["middlewares"]["every-headers"]["headers"])

    assert headers("self-signed")["stsSeconds"] > 0
    assert "stsSeconds" not in headers("off")


@pytest.mark.parametrize(
    ("tls", "wanted"),
    [
        ("off", None),
        ("self-signed", {}),
        ("files", {}),
        ("acme", {"certResolver": "acme", "domains": [{"main": "mavis.example.org"}]}),
    ],
)
def test_tls_of_the_entry_point(config: Config, tls: str, wanted: object) -> None:
    settings = with_edge(config, tls=tls, public_host="mavis.example.org")
    entry = static_configuration(settings)["entryPoints"]["public"]
    assert entry["http"].get("tls") == wanted


def test_certificates_come_from_where_the_settings_say(config: Config) -> None:
    settings = with_edge(config, tls="files", certificate="/etc/a.pem", key="/etc/a.key")
    tls = dynamic_configuration(settings, "hash")["tls"]
    assert tls["stores"]["default"]["defaultCertificate"] == {
        "certFile": "/etc/a.pem",
        "keyFile": "/etc/a.key",
    }
    assert "stores" not in dynamic_configuration(with_edge(config, tls="acme"), "hash")["tls"]


def test_an_address_of_ip_version_6_is_bracketed(config: Config) -> None:
    static = static_configuration(with_edge(config, host="::1", port=9443))
    assert static["entryPoints"]["public"]["address"] == "[::1]:9443"


def test_the_files_are_json(config: Config) -> None:
    json.dumps(static_configuration(config))
    json.dumps(dynamic_configuration(config, "hash"))


def test_each_process_of_the_gateway_has_its_own_address(config: Config) -> None:
    config = replace(config, remote=replace(config.remote, processes=3))
    upstreams = {row.rule: row.port for row in routes(config) if row.name.startswith("gateway")}
    first = config.ports.gateway
    assert upstreams == {
        "Path(`/services/mavis-gateway/terminal`)": first,
        "Path(`/services/mavis-gateway/1/terminal`)": first + 1,
        "Path(`/services/mavis-gateway/2/terminal`)": first + 2,
    }
