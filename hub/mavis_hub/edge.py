"""Traefik's files, made from the settings and the route table.

Who writes what below ``MAVIS_HOME/edge``: ``traefik.yml`` (static) and ``dynamic/mavis.yml``
(our routes, middlewares, certificate) are written here at each ``mavisctl up``;
``dynamic/hub.toml`` is written by the Hub while it runs (`mavis_hub.hub_proxy`). Both are
root's, and the edge proxy may read them. JSON is YAML, so no writer for YAML is needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bcrypt

from mavis_core.config import Config
from mavis_hub.certificate import ensure_certificate
from mavis_hub.ownership import Owner, write_private
from mavis_hub.routes import EVERYWHERE, Rate, Route, routes

__all__ = [
    "API_ENTRY_POINT",
    "API_USER",
    "ENTRY_POINT",
    "dynamic_configuration",
    "static_configuration",
    "write_edge_files",
]

API_ENTRY_POINT = "edge-api"
API_USER = "hub"
ENTRY_POINT = "public"
_PRIORITY = 1000  # the Hub's generated rules have priorities near 70
_HASH_ROUNDS = 4  # the password has 256 random bits, and the hash is computed at each request
_HSTS_S = 31_536_000
_DROPPED_FIELDS = ("ClientUsername", "RequestLine")


def write_edge_files(config: Config) -> None:
    """Write the static file and ours of the dynamic ones, and the certificate where it is ours."""
    owner = Owner("root", "mavis-edge") if config.isolated else Owner()
    ensure_certificate(config, owner)
    password = config.read_secret("hub", "edge-api-password")
    digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_HASH_ROUNDS)).decode("ascii")
    folder = config.home / "edge"
    _write(folder / "traefik.yml", static_configuration(config), owner)
    _write(folder / "dynamic" / "mavis.yml", dynamic_configuration(config, digest), owner)


def static_configuration(config: Config) -> dict[str, Any]:
    """Return what Traefik reads once, at its start."""
    http: dict[str, Any] = {
        "middlewares": ["every-rate@file", "every-headers@file"],
        "aliasHeadersStrategy": "delete",  # X_Forwarded_For is nobody's header here
        "encodedCharacters": {"allowEncodedNullCharacter": False},
    }
    static: dict[str, Any] = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "INFO", "format": "json"},
        "accessLog": _access_log(),
        "api": {"dashboard": False},
        "ping": {"entryPoint": API_ENTRY_POINT},
        "providers": {
            "providersThrottleDuration": "0s",  # the Hub waits for its routes to appear
            "file": {"directory": str(config.home / "edge" / "dynamic"), "watch": True},
        },
        "entryPoints": {
            ENTRY_POINT: {
                "address": _address(config.edge.host, config.edge.port),
                "http": http,
                # Reading one request; JupyterLab uploads in pieces of 1 MiB. WebSockets and
                # streamed answers are not held to it.
                "transport": {"respondingTimeouts": {"readTimeout": "120s", "idleTimeout": "180s"}},
            },
            API_ENTRY_POINT: {
                "address": _address("127.0.0.1", config.ports.edge_api),
                "http": {"aliasHeadersStrategy": "reject"},
            },
        },
    }
    if config.edge.tls == "acme":
        http["tls"] = {
            "certResolver": "acme",
            "domains": [{"main": config.edge.public_host}],
        }
        static["certificatesResolvers"] = {
            "acme": {
                "acme": {
                    "email": config.edge.acme_email,
                    "storage": str(config.home / "edge" / "acme" / "acme.json"),
                    "tlsChallenge": {},
                }
            }
        }
    elif config.edge.tls != "off":
        http["tls"] = {}
    return static


def dynamic_configuration(
    config: Config, api_password_hash: str, table: tuple[Route, ...] | None = None
) -> dict[str, Any]:
    """Return our routes, their middlewares and the certificate.

    Parameters
    ----------
    table
        The rows; None: those of these settings.
    """
    table = routes(config) if table is None else table
    middlewares: dict[str, Any] = {
        "edge-api-login": {"basicAuth": {"users": [f"{API_USER}:{api_password_hash}"]}},
        "every-rate": _rate_limit(EVERYWHERE),
        "every-headers": {"headers": _headers(config)},
    }
    for row in table:
        middlewares |= _middlewares(row)
    dynamic: dict[str, Any] = {
        "http": {
            "routers": {
                "edge-api": {
                    "rule": "Host(`127.0.0.1`) && PathPrefix(`/api`)",
                    "entryPoints": [API_ENTRY_POINT],
                    "service": "api@internal",
                    "middlewares": ["edge-api-login"],
                },
                **{
                    row.name: {
                        "rule": row.rule,
                        "entryPoints": [ENTRY_POINT],
                        "priority": _PRIORITY + len(table) - position,
                        "service": row.name,
                        "middlewares": list(_middlewares(row)),
                        **({} if row.logged else {"observability": {"accessLogs": False}}),
                    }
                    for position, row in enumerate(table)
                },
            },
            "services": {row.name: _service(row) for row in table},
            "serversTransports": {
                row.name: {
                    "forwardingTimeouts": {
                        "dialTimeout": "5s",
                        "responseHeaderTimeout": f"{row.timeout_s}s",
                    }
                }
                for row in table
            },
            "middlewares": middlewares,
        }
    }
    if config.edge.tls != "off":
        dynamic["tls"] = _tls(config)
    return dynamic


def _middlewares(row: Route) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if row.rate is not None:
        made[f"{row.name}-rate"] = _rate_limit(row.rate)
    if row.body_limit_bytes is not None:
        made[f"{row.name}-body"] = {"buffering": {"maxRequestBodyBytes": row.body_limit_bytes}}
    return made


def _rate_limit(rate: Rate) -> dict[str, Any]:
    limit = {"average": rate.average, "period": f"{rate.period_s}s", "burst": rate.burst}
    return {"rateLimit": limit}


def _service(row: Route) -> dict[str, Any]:
    return {
        "loadBalancer": {
            "servers": [{"url": f"http://127.0.0.1:{row.port}"}],
            "serversTransport": row.name,
        }
    }


def _headers(config: Config) -> dict[str, Any]:
    """Return headers that break neither JupyterLab nor Prefect's pages.

    Frames of the same origin are allowed, as JupyterLab shows HTML files in one.
    """
    headers: dict[str, Any] = {
        "contentTypeNosniff": True,
        "customFrameOptionsValue": "SAMEORIGIN",
        "referrerPolicy": "same-origin",
        "permissionsPolicy": "camera=(), microphone=(), geolocation=(), payment=()",
        "customRequestHeaders": {"X-Request-Id": ""},
        # A worker of somebody's server reaches no further than that: none comes between a browser
        # and our pages, which share its origin (https://www.w3.org/TR/service-workers/#path-restriction).
        "customResponseHeaders": {"Server": "", "Service-Worker-Allowed": ""},
    }
    if config.edge.tls != "off":
        headers |= {"stsSeconds": _HSTS_S}
    return headers


def _tls(config: Config) -> dict[str, Any]:
    tls: dict[str, Any] = {"options": {"default": {"minVersion": "VersionTLS12"}}}
    if config.edge.tls == "acme":
        return tls
    certificate, key = str(config.ca_file), str(config.home / "edge" / "tls" / "key.pem")
    if config.edge.tls == "files":
        certificate, key = config.edge.certificate, config.edge.key
    pair = {"certFile": certificate, "keyFile": key}
    return tls | {"stores": {"default": {"defaultCertificate": pair}}}


def _access_log() -> dict[str, Any]:
    """One JSON line a request on standard output, where supervisor rotates it.

    Query strings hold OAuth codes, and headers hold tokens and cookies: they are left out.
    """
    return {
        "format": "json",
        "fields": {
            "defaultMode": "keep",
            "names": dict.fromkeys(_DROPPED_FIELDS, "drop"),
            "queryParameters": {"defaultMode": "drop"},
            "headers": {
                "defaultMode": "drop",
                "names": {"User-Agent": "keep", "X-Request-Id": "keep"},
            },
        },
    }


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _write(path: Path, content: dict[str, Any], owner: Owner) -> None:
    write_private(path, json.dumps(content, indent=2) + "\n", owner, 0o640)
