"""Objects in a bucket that speaks S3.

Small files go in one request, others in parts. Each request carries the SHA-256 of its bytes, which
the store compares; the object appears with the last request, and only where nothing is under its
key (``If-None-Match: *``). A *note* beside the parts, in a folder of ours, names the upload and the
bytes that it is for: the next try sends only what the store does not have, also after a crash.

With object lock, a promise to keep is the store's own; without it, it is only ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from mavis_core import clock
from mavis_core.errors import Conflict, Damaged, NotFound, Unavailable
from mavis_core.folders import private_folder
from mavis_core.objects.model import Lock, StoredObject, check_key, check_prefix

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef
    from s3fs import S3FileSystem

__all__ = ["S3Objects"]

_PART_BYTES = 16 << 20  # 10,000 parts at most (S3 User Guide, "multipart upload limits"): 156 GiB
_GONE = frozenset({"404", "NoSuchKey", "NotFound"})
_TAKEN = frozenset({"412", "PreconditionFailed"})
_TORN = frozenset({"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"})
_ENDED = frozenset({"NoSuchUpload"})
_RIGHTS = (
    "Give the object store's account the rights to read, write, list and delete in the bucket."
)
_ACCOUNT = "Correct the object store's account in its AWS configuration file."
_OURS_TO_MEND = {
    "403": _RIGHTS,  # a HEAD has no other code
    "AccessDenied": _RIGHTS,
    "InvalidAccessKeyId": _ACCOUNT,
    "NoSuchBucket": "Make the bucket, or correct the object store's address.",
    "SignatureDoesNotMatch": _ACCOUNT,
}


class S3Objects:
    """The objects below one prefix of a bucket.

    Parameters
    ----------
    client
        Writes; it belongs to this object alone.
    filesystem
        Reads.
    prefix
        What stands before every key: empty, or with ``/`` at its end.
    notes
        A folder for notes about uploads that are under way; made on demand.
    lock
        How `keep_until` binds; anything but ``none`` needs a bucket with object lock.
    """

    def __init__(
        self,
        client: S3Client,
        filesystem: S3FileSystem,
        bucket: str,
        prefix: str,
        *,
        notes: Path,
        lock: Lock = Lock.NONE,
    ) -> None:
        self._client = client
        self.filesystem = filesystem
        self._bucket, self._prefix = bucket, check_prefix(prefix)
        self._notes, self._lock = notes, lock
        private_folder(notes)

    def put(
        self, key: str, source: Path, sha256: str, *, keep_until: datetime | None
    ) -> StoredObject:
        """Store the file `source` under `key`; see `Objects.put`."""
        check_key(key)
        size = source.stat().st_size
        given = self._given(key, sha256, keep_until)
        with self._translated(key):
            try:
                if size <= _PART_BYTES:
                    self._put_at_once(source, sha256, given)
                else:
                    self._put_in_parts(key, source, sha256, given)
            except ClientError as exc:
                if _code(exc) not in _TAKEN:
                    raise
        there = self.stat(key)
        if there.sha256 != sha256:
            raise Conflict(
                f"Other bytes are stored as {key} already",
                mend="Objects never change: take another key.",
            )
        if there.size_bytes != size:
            raise Damaged(f"What was stored as {key} is not what was sent")
        return there

    def stat(self, key: str) -> StoredObject:
        """Return what is under `key`; see `Objects.stat`."""
        with self._translated(check_key(key)):
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        return _stored(key, head)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys below `prefix`; see `Objects.keys`."""
        check_prefix(prefix)
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        with self._translated(prefix):
            for page in pages:
                for each in page.get("Contents", ()):
                    yield each["Key"].removeprefix(self._prefix)

    def open(self, key: str) -> BinaryIO:
        """Return the object as a file; see `Objects.open`."""
        path = f"{self._bucket}/{self._prefix}{check_key(key)}"
        try:
            opened: BinaryIO = self.filesystem.open(path, "rb", block_size=1 << 20)
        except FileNotFoundError as exc:
            raise NotFound(f"There is no object {key}") from exc
        except (OSError, BotoCoreError) as exc:
            raise self._unavailable(key, type(exc).__name__) from exc
        return opened

    def remove(self, key: str) -> None:
        """Remove what is under `key`; see `Objects.remove`."""
        with suppress(NotFound), self._translated(check_key(key)):
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            keep_until = _stored(key, head).keep_until
            if keep_until is not None and clock.now() < keep_until:
                raise Conflict(
                    f"The object {key} is kept until {clock.iso(keep_until)}",
                    mend="Wait until then.",
                )
            version = head.get("VersionId")
            where: dict[str, Any] = {"Bucket": self._bucket, "Key": self._prefix + key}
            if version and version != "null":
                where["VersionId"] = version
            self._client.delete_object(**where)

    def address(self, key: str, lasts: timedelta, name: str) -> str | None:
        """Return a signed address; see `Objects.address`."""
        self.stat(key)
        with self._translated(key):
            return self._client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._bucket,
                    "Key": self._prefix + key,
                    "ResponseContentDisposition": f'attachment; filename="{name}"',
                },
                ExpiresIn=int(lasts.total_seconds()),
            )

    def sweep(self, before: datetime) -> int:
        """End the uploads that began before `before`."""
        swept = 0
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        with self._translated(self._prefix):
            for page in pages:
                for each in page.get("Uploads", ()):
                    if each["Initiated"] < before:
                        self._end(each["Key"], each["UploadId"])
                        swept += 1
        for note in self._notes.iterdir():
            if note.stat().st_mtime < before.timestamp():
                note.unlink(missing_ok=True)
        return swept

    def _given(self, key: str, sha256: str, keep_until: datetime | None) -> dict[str, Any]:
        """Return what every way of storing says about the object."""
        told = {"sha256": sha256}
        given: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": self._prefix + key,
            "Metadata": told,
            "ContentType": "application/octet-stream",
        }
        if keep_until is not None:
            told["keep-until"] = clock.iso(keep_until)
            if self._lock is not Lock.NONE:
                given["ObjectLockMode"] = self._lock.value.upper()
                given["ObjectLockRetainUntilDate"] = keep_until
        return given

    def _put_at_once(self, source: Path, sha256: str, given: Mapping[str, Any]) -> None:
        content = source.read_bytes()
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
        self._client.put_object(**given, Body=content, ChecksumSHA256=checksum, IfNoneMatch="*")

    def _put_in_parts(self, key: str, source: Path, sha256: str, given: Mapping[str, Any]) -> None:
        note = self._notes / hashlib.sha256((self._prefix + key).encode()).hexdigest()
        upload = _noted(note, sha256)
        there = self._parts(given["Key"], upload) if upload else None
        if upload is None or there is None:
            begun = self._client.create_multipart_upload(**given, ChecksumAlgorithm="SHA256")
            upload, there = begun["UploadId"], {}
            note.write_text(json.dumps({"upload": upload, "sha256": sha256}), encoding="ascii")
        where = {"Bucket": self._bucket, "Key": given["Key"], "UploadId": upload}
        parts: list[CompletedPartTypeDef] = []
        whole = hashlib.sha256()
        with source.open("rb") as file:
            while content := file.read(_PART_BYTES):
                whole.update(content)
                parts.append(self._part(where, len(parts) + 1, content, there))
        if whole.hexdigest() != sha256:
            self._end(given["Key"], upload)
            note.unlink(missing_ok=True)
            raise Damaged(f"The file to be stored as {key} changed while it was read")
        try:
            self._client.complete_multipart_upload(
                **where, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except ClientError as exc:
            if _code(exc) in _TAKEN:
                self._end(given["Key"], upload)
                note.unlink(missing_ok=True)
            raise
        note.unlink(missing_ok=True)

    def _part(
        self, where: Mapping[str, Any], number: int, content: bytes, there: Mapping[int, str]
    ) -> CompletedPartTypeDef:
        """Have a part there, sent now or by an earlier try; return how it is named at the end."""
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
        tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        etag = there.get(number, "").strip('"')
        if etag != tag:
            etag = self._client.upload_part(
                **where, PartNumber=number, Body=content, ChecksumSHA256=checksum
            )["ETag"]
        return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}

    def _parts(self, key: str, upload: str) -> dict[int, str] | None:
        """Return the ETags of the parts that are there; None where the upload is not."""
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self._bucket, Key=key, UploadId=upload
        )
        try:
            return {
                part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", ())
            }
        except ClientError as exc:
            if _code(exc) in _ENDED | _GONE:
                return None
            raise

    def _end(self, key: str, upload: str) -> None:
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
        except ClientError as exc:
            if _code(exc) not in _ENDED | _GONE:
                raise

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as exc:
            code = _code(exc)
            if code in _GONE:
                raise NotFound(f"There is no object {key}") from exc
            if code in _TORN:
                raise Damaged(f"What was sent as {key} did not come in as it was") from exc
            raise self._unavailable(key, code, _OURS_TO_MEND.get(code)) from exc
        except BotoCoreError as exc:
            raise self._unavailable(key, type(exc).__name__) from exc

    def _unavailable(self, key: str, why: str, mend: str | None = None) -> Unavailable:
        return Unavailable(
            f"The bucket {self._bucket} does not do what is asked with {key or 'it'}: {why}",
            mend=mend,
            retry_after_s=5,
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _noted(note: Path, sha256: str) -> str | None:
    """Return the upload that `note` names, if it is for the same bytes."""
    try:
        told = json.loads(note.read_bytes())
        return str(told["upload"]) if told["sha256"] == sha256 else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _stored(key: str, head: Mapping[str, Any]) -> StoredObject:
    told = head.get("Metadata", {})
    if "sha256" not in told:
        raise Damaged(f"The object {key} was not stored by Mavis: it has no digest")
    keep_until = told.get("keep-until")
    return StoredObject(
        key,
        head["ContentLength"],
        told["sha256"],
        head["LastModified"],
        clock.parse(keep_until) if keep_until else None,
    )
