"""Resources: what discovery found in an environment.

*Found*: as the cloud describes it now. *Resource*: as Mavis remembers it, with an id of its own.
A resource that discovery did not see again is *gone*; it stays for the records' sake.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mavis_core.changes.model import Effect
from mavis_core.contract import ResourceKind
from mavis_core.errors import InvalidInput
from mavis_core.projects.model import Environment

__all__ = ["Resource", "check_tags", "effect_on"]

_MAX_TAGS = 40


@dataclass(frozen=True, slots=True)
class Resource:
    """What discovery found in an environment, as it was when last seen.

    Parameters
    ----------
    environment
        The environment's name.
    state, tags, details
        As the cloud said; see `mavis_core.contract.Found`.
    gone
        Discovery did not see it again.
    """

    id: str
    project_id: str
    environment_id: str
    environment: str
    account: str
    kind: ResourceKind
    region: str
    cloud_id: str
    name: str
    state: str
    tags: Mapping[str, str]
    details: Mapping[str, Any]
    seen_at: datetime
    gone: bool

    @property
    def label(self) -> str:
        """Name and cloud id, for a reader."""
        return f"{self.name} ({self.cloud_id})" if self.name else self.cloud_id


def effect_on(verb: str, resource: Resource, detail: str = "") -> Effect:
    """Return the effect `verb` on a resource that exists."""
    return Effect(
        verb,
        resource.kind,
        resource.cloud_id,
        resource.name,
        resource.environment,
        resource.account,
        resource.region,
        detail,
    )


def effect_in(verb: str, environment: Environment, region: str, detail: str) -> Effect:
    """Return the effect `verb` on one region of an environment."""
    name = environment.name
    return Effect(verb, "environment", "", name, name, environment.account, region, detail)


def check_tags(value: object) -> dict[str, str]:
    """Return the tags of `value` where every cloud takes them and none of them is Mavis's own.

    Raises
    ------
    InvalidInput
        There are none or too many, or one has a bad name or value.
    """
    if not isinstance(value, Mapping) or not 1 <= len(value) <= _MAX_TAGS:
        raise InvalidInput(
            f"tags is an object of 1 to {_MAX_TAGS} names and values", field="arguments.tags"
        )
    tags: dict[str, str] = {}
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise InvalidInput("names and values of tags are texts", field="arguments.tags")
        if not 1 <= len(name) <= 127 or len(text) > 255:
            raise InvalidInput(f"the tag {name[:40]!r} is too long", field="arguments.tags")
        if name.lower().startswith(("aws:", "mavis:")):
            raise InvalidInput(f"the tag {name[:40]!r} is reserved", field="arguments.tags")
        if any(unicodedata.category(letter)[0] == "C" for letter in name + text):
            raise InvalidInput("a tag holds control characters", field="arguments.tags")
        tags[name] = text
    return tags
