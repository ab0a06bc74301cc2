"""All records that fit as a file: whole, or not at all."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from appliance_double.server import Appliance, Reply, problem
from mavis_kernel import errors
from mavis_kernel.client import Mavis
from mavis_kernel.record_export import ExportProgress

Cli = Callable[..., Result]
EXPORT = "/projects/shop/records/export"
TEXT = "id,time\r\nrec_1,2026\r\n"


def file(text: str = TEXT, **headers: str) -> Reply:
    told = {"Content-Type": "text/csv", "X-Records": "1"}
    return Reply(text, headers=told | {name.replace("_", "-"): it for name, it in headers.items()})


@pytest.mark.parametrize(
    ("name", "form", "sent"),
    [
        ("week.csv", None, "csv"),
        ("week.JSONL", None, "jsonl"),
        ("week.parquet", None, "parquet"),
        ("week.txt", None, "csv"),
        ("week.csv", "jsonl", "jsonl"),
    ],
)
def test_a_file_has_the_form_that_its_name_says(
    appliance: Appliance, mavis: Mavis, tmp_path: Path, name: str, form: Any, sent: str
) -> None:
    appliance.on("GET", EXPORT, file())
    path = tmp_path / name
    told: list[tuple[int, int, int]] = []

    def progress(each: ExportProgress) -> None:
        told.append((each.records, each.done_bytes, each.size_bytes))

    found = mavis.records.export("shop", path, format=form, person="o", on_progress=progress)
    assert found == 1
    assert path.read_bytes() == TEXT.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert told[-1] == (1, len(TEXT), len(TEXT))
    (asked,) = appliance.asked
    assert asked.query == {"person": "o", "format": sent}
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_is_not_replaced_unless_that_is_said(
    appliance: Appliance, mavis: Mavis, tmp_path: Path
) -> None:
    path = tmp_path / "week.csv"
    path.write_text("mine")
    with pytest.raises(errors.BadSettings, match="already"):
        mavis.records.export("shop", path)
    assert path.read_text() == "mine"
    assert appliance.asked == []
    appliance.on("GET", EXPORT, file())
    assert mavis.records.export("shop", path, overwrite=True) == 1
    assert path.read_bytes() == TEXT.encode()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (problem(400, "over_limit"), errors.InvalidInput),
        (Reply(TEXT, headers={"Content-Type": "text/html"}), errors.UnexpectedAnswer),
        (file(Content_Length="1000"), errors.Unreachable),
        (Reply(drop=True), errors.Unreachable),
    ],
    ids=["too much", "a page", "a part of it", "dropped"],
)
def test_what_does_not_come_whole_leaves_no_file(
    appliance: Appliance, mavis: Mavis, tmp_path: Path, reply: Reply, error: type[Exception]
) -> None:
    appliance.on("GET", EXPORT, reply)
    path = tmp_path / "week.csv"
    path.write_text("mine")
    with pytest.raises(error):
        mavis.records.export("shop", path, overwrite=True)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_where_nothing_can_be_written_is_named(mavis: Mavis, tmp_path: Path) -> None:
    with pytest.raises(errors.BadSettings, match="cannot be written"):
        mavis.records.export("shop", tmp_path / "no" / "week.csv")


def test_it_goes_into_whatever_takes_bytes(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", EXPORT, file())
    target = io.BytesIO()
    assert mavis.records.export("shop", target) == 1
    assert target.getvalue().decode() == TEXT


def test_the_command_says_how_many_and_where(
    appliance: Appliance, cli: Cli, tmp_path: Path
) -> None:
    appliance.on("GET", EXPORT, file())
    path = str(tmp_path / "week.csv")
    done = cli("record", "export", "-p", "shop", "-o", path)
    assert (done.exit_code, done.stderr) == (0, f"1 record in {path}\n")
    again = cli("record", "export", "-p", "shop", "-o", path)
    assert again.exit_code == errors.BadSettings.exit_code
    assert "--force" in again.stderr
    assert cli("record", "export", "-p", "shop", "-o", path, "--force").exit_code == 0
    piped = cli("record", "export", "-p", "shop", "-o", "-")
    assert piped.stdout_bytes.decode() == TEXT
