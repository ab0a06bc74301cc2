"""A terminal in a browser: an operator at a device, an administrator who looks on and ends it.

The device is an OpenSSH server of Debian's on loopback.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.appliance import until
from e2e.browsing import picture
from mavis_kernel import Mavis
from ssh_servers import keygen, ssh_server, unix_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a Unix user of the device is made")


@pytest.fixture(scope="module")
def device(admin: Mavis, shop: str) -> Iterator[str]:
    """Add a device, whose host key nobody has approved; return its login name."""
    folder = Path(tempfile.mkdtemp(prefix="mavis-device-"))
    folder.chmod(0o755)
    with unix_user(folder) as user, ssh_server(folder / "sshd") as server:
        key = keygen(folder / "key")
        user.authorized_keys.write_text(key.with_suffix(".pub").read_text("ascii"), "ascii")
        admin.keys.add("device", {"private_key": key.read_text("ascii")}, kind="ssh-key")
        admin.devices.add(shop, "web-1", "127.0.0.1", title="Web server")
        admin.devices.allow(shop, "web-1", user.name, port=server.port, key="device")
        yield user.name
    shutil.rmtree(folder)


def shown(page: Page) -> str:
    """Return what stands in the terminal."""
    return page.locator(".xterm-rows").inner_text()


def test_a_terminal_from_the_list_of_devices_to_its_recording(
    device: str, admin: Mavis, operator: Mavis, visit: Callable[..., Any], shop: str
) -> None:
    with visit("demo-operator", f"/services/mavis/projects/{shop}/devices") as page:
        picture(page, "devices-new")
        page.get_by_role("button", name="Open a terminal at web-1").click()
        expect(page.locator("#state")).to_contain_text("which nobody has approved yet")
        picture(page, "terminal-refused")
        (key,) = admin.devices.host_keys(shop, "web-1", "ssh")
        admin.devices.approve(shop, "web-1", "ssh", key.fingerprint)

        page.goto(f"/services/mavis/projects/{shop}/devices")
        expect(page.get_by_role("cell", name="approved")).to_be_visible()
        picture(page, "devices")
        page.get_by_role("button", name="Open a terminal at web-1").click()
        expect(page.locator("#state")).to_have_text("Connected")
        assert page.locator("#terminal").get_attribute("data-ticket") is None
        page.keyboard.type(
            "whoami; printf 'gr\\xc3\\xbc\\xc3\\x9fe \\xe2\\x82\\xac\\n'; ls --color /\n"
        )
        until(lambda: "grüße €" in shown(page), "the device's answer is shown")
        assert device in shown(page)
        picture(page, "terminal")

        # A network that breaks, and comes back, loses nothing.
        page.context.set_offline(True)
        page.evaluate("window.dispatchEvent(new Event('offline'))")
        page.context.set_offline(False)
        page.keyboard.type("echo after-$((40+2))\n")
        until(lambda: "after-42" in shown(page), "the shell goes on")

        page.evaluate(
            "text => { const data = new DataTransfer(); data.setData('text/plain', text);"
            " document.querySelector('.xterm-helper-textarea').dispatchEvent("
            "new ClipboardEvent('paste', { clipboardData: data, bubbles: true })) }",
            "echo one\necho two\n",
        )
        expect(page.get_by_role("heading", name="Paste 3 lines?")).to_be_visible()
        picture(page, "terminal-paste")
        page.get_by_role("button", name="Do not").click()
        assert "two" not in shown(page)

        (session,) = operator.sessions.list(shop, state="open")
        with visit("demo-admin", f"/services/mavis/projects/{shop}/sessions/{session.id}") as other:
            picture(other, "session-open")
            other.get_by_role("button", name="Watch it").click()
            expect(other.locator("#state")).to_have_text("You watch demo-operator")
            until(lambda: "after-42" in shown(other), "what was shown is shown to who looks on")
            page.keyboard.type("echo live-$((40+2))\n")
            until(lambda: "live-42" in shown(other), "what is shown now, too")
            picture(other, "terminal-watched")
            other.goto(f"/services/mavis/projects/{shop}/sessions/{session.id}")
            other.get_by_text("End it").click()
            other.get_by_role("button", name="End the session").click()
        expect(page.locator("#state")).to_have_text("demo-admin ended it.", timeout=20_000)
        picture(page, "terminal-ended")
        page.goto(f"/services/mavis/projects/{shop}/sessions")
        expect(page.get_by_role("cell", name="terminated")).to_be_visible()
        picture(page, "sessions")

    address = f"/services/mavis/projects/{shop}/sessions/{session.id}"
    with visit("demo-admin", address) as page:
        expect(page.locator(".ap-player")).to_be_visible()
        page.get_by_label("Look in this recording").fill("live-42")
        hit = page.locator("#hits button").first
        expect(hit).to_contain_text("live-42")
        hit.click()
        expect(page).to_have_url(re.compile(r"#t=\d+$"))
        expect(page.locator(".ap-terminal, .ap-term").first).to_contain_text("after-42")
        picture(page, "recording")
        with page.expect_download() as taken:
            page.get_by_role("link", name="Take it as a file").click()
        lines = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
        assert json.loads(lines[0])["version"] == 2
        assert any("live-42" in line for line in lines)

        page.goto(f"/services/mavis/projects/{shop}/recordings?words=after-42")
        page.get_by_role("link", name="from here").first.click()
        expect(page).to_have_url(re.compile(r"/sessions/ses_\w+#t=\d+$"))
    with visit("demo-operator", address) as page:
        expect(page.get_by_role("heading", name="demo-operator at web-1")).to_be_visible()
        assert page.locator("#player").count() == 0
