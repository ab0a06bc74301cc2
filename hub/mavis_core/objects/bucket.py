"""Opens a bucket: what writes and what reads, with one account and one endpoint.

Loaded by appliances that have one: the packages take a second and 40 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from aiobotocore.session import AioSession
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from s3fs import S3FileSystem

from mavis_core.errors import Unavailable
from mavis_core.objects.model import Settings, check_prefix
from mavis_core.objects.s3 import S3Objects

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_s3 import S3Client

__all__ = ["open_bucket"]


def open_bucket(settings: Settings, area: str) -> S3Objects:
    """Return the part of the bucket of `settings` that is for `area`.

    Raises
    ------
    Unavailable
        The account of the bucket cannot be read.
    """
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
    return S3Objects(
        client,
        filesystem,
        place.netloc,
        check_prefix(prefix),
        notes=settings.folder / area / "uploads",
        lock=settings.lock,
    )


def _opened(settings: Settings) -> tuple[S3Client, S3FileSystem]:
    """Return what writes and what reads, with one account and one endpoint."""
    options = ClientConfig(
        connect_timeout=5,
        read_timeout=60,
        signature_version="s3v4",  # of addresses, too
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
