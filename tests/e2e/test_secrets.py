"""The key of the cloud account is shown to nobody. Last by its name: it looks at what all left."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from e2e.appliance import Appliance


def test_a_key_is_shown_to_nobody(
    appliance: Appliance, tokens: dict[str, str], shop: str, secret: str
) -> None:
    """Neither in an answer nor in a file: logs, journal, databases, the homes of people."""
    listed = appliance.ask(tokens["demo-admin"], "GET", "/keys")
    names = [key["name"] for key in listed.json()["items"]]
    assert names in (["shop"], ["bakery", "shop"])  # the first days add the second
    body = {"name": "shop", "kind": "aws", "value": {"secret_access_key": secret}}
    for token in tokens.values():
        appliance.ask(token, "POST", "/keys", json=body)
    forms = [secret, json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode()[:-4]]
    assert [a for a in appliance.answers if any(form in a for form in forms)] == []
    files = [path for path in appliance.config.home.rglob("*") if path.is_file()]
    folders = {path.relative_to(appliance.config.home).parts[0] for path in files}
    assert folders >= {"log", "journal", "db", "prefect", "hub", "aws", "run"}
    assert holding(files, [form.encode() for form in forms]) == []
    found = {path.name for path in holding(files, [b"demo-operator"])}
    assert found & {"mavis.sqlite", "mavis.sqlite-wal"}


def holding(files: list[Path], needles: list[bytes]) -> list[Path]:
    """Return the files that hold any of `needles`."""
    return [path for path in files if any(each in path.read_bytes() for each in needles)]
