"""The simulator's accounts, and plain boto3 clients of them that share nothing with the product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

MAIN = "123456789012"  # moto's default: every key that it does not know belongs to it
PARTNER = "222222222222"
ROLE_NAME = "Mavis"
EXTERNAL_ID = "mavis-simulator"
KEY = {"access_key_id": "AKIAMAVISSIMULATOR00", "secret_access_key": "simulator-only-no-secret"}
_OPENING = Lock()  # boto3's sessions are not safe for threads
_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})


def role_arn(account: str) -> str:
    return f"arn:aws:iam::{account}:role/{ROLE_NAME}"


def temporary_key(url: str, account: str) -> dict[str, str]:
    """Return a temporary key of `account`, as Mavis keeps keys."""
    with session("sts", url, "us-east-1", KEY) as sts:
        answer = sts.assume_role(RoleArn=role_arn(account), RoleSessionName="witness")
    made = answer["Credentials"]
    return {
        "access_key_id": made["AccessKeyId"],
        "secret_access_key": made["SecretAccessKey"],
        "session_token": made["SessionToken"],
    }


@contextmanager
def ec2(url: str, account: str, region: str) -> Iterator[EC2Client]:
    """Give an EC2 client of `account`; other accounts than the main one by assumed role."""
    key = KEY if account == MAIN else temporary_key(url, account)
    with session("ec2", url, region, key) as client:
        yield client


class Held:
    """EC2 clients that stay open, one for each place: opening one costs 30 ms. Not for threads.

    Parameters
    ----------
    url
        The simulator; `drop` what is open when it forgets its sessions.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = ExitStack()
        self._open: dict[tuple[str, str], EC2Client] = {}

    @contextmanager
    def ec2(self, account: str, region: str) -> Iterator[EC2Client]:
        """Give the client of a place."""
        place = (account, region)
        if place not in self._open:
            self._open[place] = self._stack.enter_context(ec2(self._url, *place))
        yield self._open[place]

    def drop(self) -> None:
        """Close what is open."""
        self._open = {}
        self._stack.close()


@cache
def _boto() -> boto3.Session:
    """Return one session for all clients: it reads EC2's description, which takes 0.2 s."""
    return boto3.Session()


@contextmanager
def client(service: str, url: str, account: str, region: str) -> Iterator[Any]:
    """Give a client of any service, as `ec2` does."""
    key = KEY if account == MAIN else temporary_key(url, account)
    with session(service, url, region, key) as found:
        yield found


@contextmanager
def session(service: str, url: str, region: str, key: Mapping[str, str]) -> Iterator[Any]:
    """Give a client of any service, with a key as Mavis keeps keys."""
    with _OPENING:
        client: Any = _boto().client(
            service,  # type: ignore[call-overload]  # known by name only
            region_name=region,
            endpoint_url=url,
            config=_CONFIG,
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            aws_session_token=key.get("session_token"),
        )
    try:
        yield client
    finally:
        client.close()
