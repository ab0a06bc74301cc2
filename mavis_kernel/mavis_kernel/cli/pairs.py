"""``NAME=VALUE`` on the command line."""

from __future__ import annotations

import click

__all__ = ["pair"]


def pair(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``; the value may be empty.

    Raises
    ------
    BadParameter
        `text` is of another form.
    """
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE.")
    return name, value
