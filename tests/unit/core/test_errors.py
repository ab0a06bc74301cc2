"""The tree of errors is one table: a code, a status and a mend for each."""

from __future__ import annotations

import re

import pytest

from mavis_core import errors
from mavis_core.errors import from_told, told


@pytest.mark.parametrize("cls", errors.all_errors(), ids=lambda cls: cls.__name__)
def test_an_error_says_code_status_and_mend(cls: type[errors.MavisError]) -> None:
    error = cls("It went wrong")
    assert 400 <= error.status < 600
    assert error.code.replace("_", "").isalpha()
    assert error.mend.endswith(".")
    assert str(error) == "It went wrong"


def test_codes_are_unique_but_for_the_root() -> None:
    codes = [cls.code for cls in errors.all_errors() if cls is not errors.MavisError]
    assert len(codes) == len(set(codes))


def test_every_error_is_exported_and_drawn_with_its_status() -> None:
    drawn = errors.__doc__ or ""
    for cls in errors.all_errors():
        assert cls.__module__ == errors.__name__, f"{cls} stands outside of the tree"
        assert cls.__name__ in errors.__all__
        if cls is not errors.MavisError:
            assert re.search(rf"\b{cls.__name__} +{cls.status}\b", drawn)


@pytest.mark.parametrize("cls", errors.all_errors()[1:], ids=lambda cls: cls.__name__)
def test_what_a_row_keeps_gives_the_same_error_back(cls: type[errors.MavisError]) -> None:
    again = from_told(told(cls("It broke", mend="Mend it.")))
    assert type(again) is cls
    assert (again.message, again.mend) == ("It broke", "Mend it.")
    assert from_told(told(cls("one")), message="several").message == "several"


def test_a_code_of_another_release_is_an_internal_error() -> None:
    kept = {"code": "from_the_future", "message": "It broke", "mend": "Mend it."}
    assert type(from_told(kept)) is errors.Internal
