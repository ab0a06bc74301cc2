"""Opens the object store that the settings name, for one area of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from aiobotocore.session import AioSession
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from s3fs import S3FileSystem

from mavis_core.errors import Unavailable
from mavis_core.objects.folder import FolderObjects
from mavis_core.objects.model import check_prefix
from mavis_core.objects.s3 import Lock, S3Objects
from mavis_core.objects.store import ObjectStore

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_s3 import S3Client

__all__ = ["Settings", "open_store"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the objects of an appliance are.

    Parameters
    ----------
    folder
        A folder for the objects; with a bucket, for notes about uploads.
    url
        ``s3://BUCKET/PREFIX``; empty: in `folder`.
    endpoint_url
        The address of a store that speaks S3 and is not AWS; empty: AWS.
    region
        The bucket's region.
    account_file
        AWS configuration file whose default profile has the account of the bucket.
    lock
        How objects that must be kept are kept.
    """

    folder: Path
    url: str = ""
    endpoint_url: str = ""
    region: str = "us-east-1"
    account_file: Path = Path("/nonexistent")
    lock: Lock = Lock.NONE


def open_store(settings: Settings, area: str) -> ObjectStore:
    """Return the part of the store that is for `area`, as for ``logs``.

    Each area in a folder belongs to the Unix user of the one process that opens it.

    Raises
    ------
    Unavailable
        The account of the bucket cannot be read.
    """
    folder = settings.folder / area
    if not settings.url:
        return ObjectStore(FolderObjects(folder))
    place = urlsplit(settings.url)
    prefix = "".join(f"{name}/" for name in (*place.path.split("/"), area) if name)
    try:
        client, filesystem = _opened(settings)
    except BotoCoreError as exc:
        raise Unavailable(
            f"The account of the object store at {settings.account_file} cannot be"
            f" used: {type(exc).__name__}",
            mend="Write it as an AWS configuration file.",
        ) from exc
    bucket = S3Objects(
        client,
        filesystem,
        place.netloc,
        check_prefix(prefix),
        notes=folder / "uploads",
        lock=settings.lock,
    )
    return ObjectStore(bucket)


def _opened(settings: Settings) -> tuple[S3Client, S3FileSystem]:
    """Return what writes and what reads, with one account and one endpoint."""
    options = ClientConfig(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path"} if settings.endpoint_url else None,
    )
    endpoint = settings.endpoint_url or None
    account = str(settings.account_file)
    account_only = {  # neither the process's environment nor another profile counts
        "config_file": (None, None, account, None),
        "credentials_file": (None, None, account, None),
        "profile": (None, None, None, None),
    }
    session = Session(session_vars=account_only)
    session.get_component("credential_provider").remove("env")
    client = boto3.session.Session(botocore_session=session).client(
        "s3", config=options, endpoint_url=endpoint, region_name=settings.region
    )
    reading = AioSession(session_vars=account_only)
    reading.get_component("credential_provider").remove("env")
    filesystem = S3FileSystem(
        session=reading,
        client_kwargs={"endpoint_url": endpoint, "region_name": settings.region},
        config_kwargs={"s3": {"addressing_style": "path"}} if settings.endpoint_url else {},
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    return client, filesystem
