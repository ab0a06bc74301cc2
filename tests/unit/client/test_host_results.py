"""What `%%ssh` gives back, and which devices a call means."""

from __future__ import annotations

import pytest

from mavis_kernel.errors import BadSettings
from mavis_kernel.notebook.remote import HostResult, HostResults
from mavis_kernel.notebook.ssh import _chosen

DONE = HostResults(
    [
        HostResult("web-1", 0, "up\n", "", "exited", "It exited with status 0", "ses_1", 0.2),
        HostResult("web-2", 3, "", "no\n", "exited", "It exited with status 3", "ses_2", 0.3),
        HostResult("<b>", None, reason="device_unreachable", detail="<b> does not answer"),
    ]
)


def test_results_are_found_by_place_and_by_device() -> None:
    assert DONE[1] is DONE["web-2"]
    assert [each.device for each in DONE[:2]] == ["web-1", "web-2"]
    assert (len(DONE), DONE.ok, DONE[:1].ok) == (3, False, True)
    assert [each.device for each in DONE.failed] == ["web-2", "<b>"]
    with pytest.raises(KeyError):
        DONE["web-9"]


def test_they_are_shown_a_line_a_device_and_nothing_of_them_is_html() -> None:
    assert repr(DONE).splitlines() == [
        "web-1  ok",
        "web-2  exited with status 3",
        "<b>    <b> does not answer",
    ]
    assert "<b>" not in DONE._repr_html_()
    assert "&lt;b&gt; does not answer" in DONE._repr_html_()
    frame = DONE.to_pandas()
    assert list(frame["device"]) == ["web-1", "web-2", "<b>"]
    assert frame["exit_status"].tolist()[:2] == [0, 3]


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


def test_a_pattern_means_devices_and_each_is_meant_once() -> None:
    there = [Named(name) for name in ("db-1", "web-1", "web-2")]
    meant = _chosen(["web-*", "web-1", "db-1"], there, "shop")  # type: ignore[arg-type]  # as it is used
    assert [each.name for each in meant] == ["web-1", "web-2", "db-1"]
    with pytest.raises(BadSettings, match="no device 'mail-\\*'"):
        _chosen(["web-1", "mail-*"], there, "shop")  # type: ignore[arg-type]  # as above
