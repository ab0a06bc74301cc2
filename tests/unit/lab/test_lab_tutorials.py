"""Who has no tutorials gets them; what a person has stays as it is."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from mavis_ext.lab.tutorials import lay_out, shipped

NAMES = ["first_recovery_point.ipynb", "read_the_records.ipynb", "recover_a_server.ipynb"]


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_new_person_gets_all_of_them(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, shipped())
    assert folder == tmp_path / "tutorials"
    assert _names(folder) == NAMES
    assert _names(tmp_path) == ["tutorials"]
    assert all(os.access(each, os.W_OK) for each in folder.iterdir())


def test_what_a_person_has_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "tutorials").mkdir()
    (tmp_path / "tutorials" / "mine.ipynb").write_text("mine")
    assert lay_out(tmp_path, shipped()) is None
    assert _names(tmp_path / "tutorials") == ["mine.ipynb"]


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "tutorials").symlink_to(elsewhere)
    assert lay_out(tmp_path, shipped()) is None
    assert not elsewhere.exists()


def test_half_a_folder_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(OSError, match="No space left"):
            lay_out(tmp_path, shipped())
    assert _names(tmp_path) == []
    assert lay_out(tmp_path, shipped()) is not None


def test_where_none_were_installed_nothing_is_made(tmp_path: Path) -> None:
    assert lay_out(tmp_path, tmp_path / "nowhere") is None
    assert _names(tmp_path) == []
