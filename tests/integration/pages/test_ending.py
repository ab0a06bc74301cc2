"""The api process ends while pages are open: their streams end with it, and the log is clean."""

from __future__ import annotations

import http.client
import re
from html import unescape
from pathlib import Path

import pytest

from core_double import PLATFORM, call
from mavis_ext.app import PREFIX
from pages_service import COOKIE, PagesService, pages_serving

_LIVE = re.compile(r'data-live="([^"]+)"')


def listen(site: PagesService, person: str, path: str) -> http.client.HTTPConnection:
    """Open a stream as a page does, and wait for its first event."""
    connection = http.client.HTTPConnection("127.0.0.1", site.rest.port, timeout=30)
    cookies = f"{COOKIE}={site.cookie(person)}; _xsrf={site.xsrf[person]}"
    headers = {"Cookie": cookies, "Sec-Fetch-Site": "same-origin"}
    connection.request("GET", PREFIX + path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read(6) in (b"event:", b"retry:")
    return connection


def test_streams_that_are_open_when_the_process_ends_leave_no_error_in_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pages_serving(tmp_path) as site:
        site.rest.app.dashboards.publish(
            call("ada", PLATFORM), "shop", name="status", shipped="status"
        )
        page = site.get("olga", "/dashboards/shop/status/")
        live = _LIVE.search(page.content.decode())
        assert live is not None
        kept = listen(site, "olga", f"/dashboards/shop/status/{unescape(live[1])}")
        run = site.rest.core.runs.start(
            call("olga"), "shop", action="inventory.discover", resource=None, arguments={}
        )
        token = live[1].partition("_xsrf=")[2]
        followed = listen(site, "olga", f"/projects/shop/runs/{run.id}/events?_xsrf={token}")
    kept.close()
    followed.close()
    told = [
        each for each in caplog.records if each.name.startswith(("tornado.gen", "mavis", "asy"))
    ]
    assert [each.getMessage() for each in told if each.levelname in ("WARNING", "ERROR")] == []
