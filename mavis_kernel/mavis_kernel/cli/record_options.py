"""What records are looked for by, as options; each is a word of `RecordFilters`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mavis_kernel.cli.times import moment_option

__all__ = ["filtered"]

F = TypeVar("F", bound=Callable[..., Any])

_FILTERS = (
    click.option(
        "--since",
        type=moment_option,
        metavar="WHEN",
        help="Not before: 90s, 30m, 1h, 2d, 1w ago, or a date.",
    ),
    click.option(
        "--until", type=moment_option, metavar="WHEN", help="Before; written the same way."
    ),
    click.option("--person", help="Only by this person, or by several: olga,ben."),
    click.option("--action", help="Only actions that begin so: recovery_point.,restore."),
    click.option("--object", help="Only about this thing."),
    click.option("--kind", type=click.Choice(("audit", "operation")), help="Only of this kind."),
    click.option(
        "--phase",
        type=click.Choice(("intent", "outcome", "event")),
        help="Only what was to be done, how it ended, or what stands alone.",
    ),
    click.option(
        "--outcome", type=click.Choice(("ok", "failed", "refused")), help="Only what ended so."
    ),
    click.option(
        "--origin",
        type=click.Choice(("observed", "reported")),
        help="Only what Mavis saw itself, or what others say.",
    ),
    click.option("--error-code", help="Only what ended with this error."),
    click.option("--source", help="Only from this address or process."),
    click.option("--correlation-id", help="Only what one call or event set off."),
    click.option("-q", "--query", help="Only with this text."),
    click.option(
        "--words", help='Only with all of these words and "phrases"; time* for all that begin so.'
    ),
    click.option("--regex", help="Only where this regular expression (RE2) is found."),
    click.option("--all-projects", is_flag=True, help="Everywhere; for platform administrators."),
)


def filtered(function: F) -> F:
    """Add what records are looked for by, and ``--all-projects``."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function
