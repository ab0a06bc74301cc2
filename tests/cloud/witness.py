"""The witness: counts what is in the cloud with a boto3 client of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.accounts import ec2


@dataclass(frozen=True)
class Seen:
    """A snapshot, as the witness saw it."""

    account: str
    region: str
    snapshot_id: str
    volume_id: str
    state: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Witness:
    """Looks at one simulator, or at AWS itself where it is given its address.

    Parameters
    ----------
    url
        The endpoint.
    """

    url: str

    def snapshots(self, account: str, region: str) -> list[Seen]:
        """Return all snapshots of an account in a region."""
        with ec2(self.url, account, region) as client:
            pages = client.get_paginator("describe_snapshots").paginate(OwnerIds=["self"])
            return [
                Seen(
                    account,
                    region,
                    item["SnapshotId"],
                    item["VolumeId"],
                    item["State"],
                    {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])},
                )
                for page in pages
                for item in page["Snapshots"]
            ]

    def tagged(self, account: str, region: str, tag: str, value: str | None = None) -> list[Seen]:
        """Return those that carry `tag`, with `value` or with any."""
        return [
            seen
            for seen in self.snapshots(account, region)
            if tag in seen.tags and value in (None, seen.tags[tag])
        ]

    def count(
        self, places: Sequence[tuple[str, str]], *, prefix: str = "mavis"
    ) -> dict[tuple[str, str], int]:
        """Return how many snapshots carry a tag that begins with `prefix`, by place."""
        return {
            (account, region): sum(
                any(tag.startswith(prefix) for tag in seen.tags)
                for seen in self.snapshots(account, region)
            )
            for account, region in places
        }
