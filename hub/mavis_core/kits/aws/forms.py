"""EC2's forms of lists: tags, filters, and answers in the order of the question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from mavis_core.errors import CloudVanished, InvalidInput

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2.literals import ResourceTypeType
    from mypy_boto3_ec2.type_defs import TagSpecificationTypeDef, TagTypeDef

__all__ = [
    "FILTER_VALUES",
    "check_token",
    "chunks",
    "in_order",
    "tag_list",
    "tag_map",
    "tagged",
    "with_tag",
]

FILTER_VALUES = 200
"""What EC2 takes in one filter."""
# what a client token and the name of an image both may be
_TOKEN = re.compile(r"[\w./@-]{3,64}", re.ASCII)


class Carries(Protocol):
    """Something with tags."""

    @property
    def tags(self) -> Mapping[str, str]: ...


T = TypeVar("T")
C = TypeVar("C", bound=Carries)


def tag_map(tags: Iterable[TagTypeDef]) -> dict[str, str]:
    """Return EC2's list of tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def tag_list(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """Return tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tagged(tags: Mapping[str, str], *kinds: ResourceTypeType) -> list[TagSpecificationTypeDef]:
    """Return the tags that what a call makes carries from its first moment."""
    return [{"ResourceType": kind, "Tags": tag_list(tags)} for kind in kinds]


def with_tag(things: Iterable[C], tag: str, values: Sequence[str]) -> list[C]:
    """Return those with `tag` and exactly one of `values`: EC2 takes ``*`` for any letters."""
    return [one for one in things if one.tags.get(tag) in values]


def chunks(values: Sequence[str], size: int = FILTER_VALUES) -> Iterator[list[str]]:
    """Yield `values` in lists of at most `size`."""
    for start in range(0, len(values), size):
        yield list(values[start : start + size])


def in_order(region: str, word: str, cloud_ids: Sequence[str], found: Mapping[str, T]) -> list[T]:
    """Return what was found, in the order of `cloud_ids`.

    Raises
    ------
    CloudVanished
        Something is missing; each missing id is named.
    """
    missing = [cloud_id for cloud_id in cloud_ids if cloud_id not in found]
    if missing:
        raise CloudVanished(f"Gone in {region}: {word} {', '.join(missing)}")
    return [found[cloud_id] for cloud_id in cloud_ids]


def check_token(token: str) -> str:
    """Return `token` where AWS takes it as a client token and as the name of an image.

    Raises
    ------
    InvalidInput
        It has other letters than ASCII ones, digits and ``_./@-``, or is not 3 to 64 long.
    """
    if not _TOKEN.fullmatch(token):
        raise InvalidInput(
            f"A token has 3 to 64 letters, digits or _./@-, unlike {token[:80]!r}", field="token"
        )
    return token
