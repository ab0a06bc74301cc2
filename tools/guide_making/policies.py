"""The policies for AWS, each with its statements and why they are there."""

from __future__ import annotations

import json

from mavis_core.kits.aws import policies

__all__ = ["policies_"]


def policies_() -> str:
    """Return a section for each policy."""
    return "\n".join(_section(part, meaning) for part, meaning in policies.PARTS.items())


def _section(part: str, meaning: str) -> str:
    text = policies.text(part)
    whys = "".join(
        f"- `{each['Sid']}`: {policies.STATEMENTS[each['Sid']]}\n"
        for each in json.loads(text)["Statement"]
    )
    return f"## `{part}`\n\n{meaning}\n\n{whys}\n```json\n{text}```\n"
