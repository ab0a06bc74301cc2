"""Plans to begin with: three documents that protect whatever carries the tag ``backup``.

They name neither a zone nor a second place, because only the people who use them know these.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PRESETS"]

PRESETS: Mapping[str, Mapping[str, object]] = {
    "gold": {
        "title": "Gold: hourly, locked for a week, proven every Sunday",
        "selection": {"match": "tag:backup = gold"},
        "rules": [{"name": "hourly", "cron": "0 * * * *"}],
        "keep": {
            "within": "48h", "daily": 14, "weekly": 8, "monthly": 12, "yearly": 3,
        },
        "jitter": "10m",
        "rpo": "2h",
        "lock": {"mode": "governance", "for": "7d"},
        "verification": {"cron": "0 5 * * SUN"},
    },
    "silver": {
        "title": "Silver: every six hours, proven every month",
        "selection": {"match": "tag:backup = silver"},
        "rules": [{"name": "six-hourly", "cron": "0 */6 * * *"}],
        "keep": {"within": "48h", "daily": 7, "weekly": 5, "monthly": 6},
        "jitter": "20m",
        "rpo": "12h",
        "verification": {"cron": "0 5 1 * *"},
    },
    "bronze": {
        "title": "Bronze: every night",
        "selection": {"match": "tag:backup = bronze"},
        "rules": [{"name": "daily", "cron": "30 2 * * *"}],
        "keep": {"daily": 7, "weekly": 4},
        "jitter": "30m",
        "rpo": "26h",
    },
}  # fmt: skip
