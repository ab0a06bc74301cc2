"""EBS direct: blocks of snapshots read, compared and written over REST.

https://docs.aws.amazon.com/ebs/latest/APIReference/Welcome.html. Snapshots can be compared where
they come from one volume, or from copies of its snapshots.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from cloud.overlay import blocks, encryption, lookup, sharing, snapshots, tags, tokens
from cloud.overlay.context import FOREVER, Action, Ask, Call, Reply, new_id
from cloud.overlay.refusals import Refusal
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Snapshot

_EXPIRES_S = 7 * 86400
_LEAST, _MOST = 100, 10_000
_ONE = r"(?P<SnapshotId>snap-[0-9a-f]+)"
_ROUTES = (
    ("GET", rf"/snapshots/{_ONE}/blocks", "ListSnapshotBlocks"),
    ("GET", rf"/snapshots/{_ONE}/changedblocks", "ListChangedBlocks"),
    ("GET", rf"/snapshots/{_ONE}/blocks/(?P<BlockIndex>\d+)", "GetSnapshotBlock"),
    ("PUT", rf"/snapshots/{_ONE}/blocks/(?P<BlockIndex>\d+)", "PutSnapshotBlock"),
    ("POST", rf"/snapshots/completion/{_ONE}", "CompleteSnapshot"),
    ("POST", r"/snapshots", "StartSnapshot"),
)
_QUERY = {
    "firstSnapshotId": "FirstSnapshotId",
    "pageToken": "NextToken",
    "maxResults": "MaxResults",
    "startingBlockIndex": "StartingBlockIndex",
    "blockToken": "BlockToken",
}
_HEADERS = {
    "x-amz-data-length": "DataLength",
    "x-amz-checksum": "Checksum",
    "x-amz-checksum-algorithm": "ChecksumAlgorithm",
    "x-amz-changedblockscount": "ChangedBlocksCount",
}
_NUMBERS = ("BlockIndex", "MaxResults", "StartingBlockIndex", "DataLength", "ChangedBlocksCount")
STATUS = {"StartSnapshot": 201, "PutSnapshotBlock": 201, "CompleteSnapshot": 202}


def action_of(method: str, path: str) -> str:
    """Return the action of a request; empty where there is none."""
    for verb, form, action in _ROUTES:
        if verb == method and re.fullmatch(form, path):
            return action
    return ""


def asked(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Ask:
    """Return what a request says beside its body, numbers as texts."""
    forms = (re.fullmatch(form, path) for verb, form, _ in _ROUTES if verb == method)
    found: dict[str, Any] = next((form.groupdict() for form in forms if form), {})
    found |= {_QUERY[name]: value for name, value in query.items() if name in _QUERY}
    lower = {name.lower(): value for name, value in headers.items()}
    return found | {_HEADERS[name]: value for name, value in lower.items() if name in _HEADERS}


def read(action: str, said: Ask, body: bytes) -> Ask:
    """Return the input of an action; the heavy part of it, so to be done without a lock."""
    found = {name: int(value) if name in _NUMBERS else value for name, value in said.items()}
    if action == "StartSnapshot":
        return found | dict(json.loads(body or b"{}"))
    if action == "PutSnapshotBlock":
        if len(body) != blocks.SIZE or found.get("DataLength") != blocks.SIZE:
            raise _invalid("INVALID_BLOCK", f"A block has {blocks.SIZE} bytes")
        digest, packed = blocks.packed(body)
        if found.get("Checksum") != base64.b64encode(digest).decode():
            raise _invalid("INVALID_BLOCK", "The checksum is not that of the data")
        return found | {"Digest": digest, "Packed": packed}
    return found


def write(action: str, reply: Reply) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an answer; to be done without a lock as well."""
    if action == "GetSnapshotBlock":
        headers = {"x-amz-Data-Length": str(blocks.SIZE)} | _checksum(reply["Digest"])
        return zlib.decompress(reply["Packed"]), headers
    if action == "PutSnapshotBlock":
        return b"{}", _checksum(reply["Digest"])
    return json.dumps({k: v for k, v in reply.items() if v is not None}).encode(), {}


def list_blocks(call: Call, ask: Ask) -> Reply:
    snapshot = _readable(call, ask["SnapshotId"])
    first, limit = _page(ask)
    found = blocks.listing(call.store, snapshot.id, first, limit + 1)
    listed = [
        {"BlockIndex": number, "BlockToken": _block_token(snapshot.id, number)}
        for number, _ in found[:limit]
    ]
    return _listed(call, snapshot, {"Blocks": listed}, found[limit:])


def list_changed(call: Call, ask: Ask) -> Reply:
    """A block that only the first has comes without a token of the second."""
    second = _readable(call, ask["SnapshotId"])
    before = ask.get("FirstSnapshotId")
    if not before:
        answer = list_blocks(call, ask)
        answer["ChangedBlocks"] = [
            {"BlockIndex": each["BlockIndex"], "SecondBlockToken": each["BlockToken"]}
            for each in answer.pop("Blocks")
        ]
        return answer
    first = _readable(call, before)
    if first.lineage != second.lineage:
        raise _invalid("UNRELATED_SNAPSHOTS", "The snapshots are not of one volume")
    begin, limit = _page(ask)
    found = _changes(call, first.id, second.id, begin, limit + 1)
    listed = [
        {"BlockIndex": number}
        | ({"FirstBlockToken": _block_token(first.id, number)} if in_first else {})
        | ({"SecondBlockToken": _block_token(second.id, number)} if in_second else {})
        for number, in_first, in_second in found[:limit]
    ]
    return _listed(call, second, {"ChangedBlocks": listed}, found[limit:])


def get_block(call: Call, ask: Ask) -> Reply:
    snapshot, number = _readable(call, ask["SnapshotId"]), ask["BlockIndex"]
    if ask.get("BlockToken") != _block_token(snapshot.id, number):
        raise _invalid("INVALID_BLOCK_TOKEN", "The block token is not of this block")
    for _, digest in blocks.listing(call.store, snapshot.id, number, 1):
        return {"Digest": digest, "Packed": blocks.stored(call.store, digest)}
    raise _invalid("INVALID_BLOCK", f"There is no block {number}")


def start(call: Call, ask: Ask) -> Reply:
    def make() -> list[str]:
        return [_start(call, ask).id]

    try:
        (one,) = tokens.once(call, "StartSnapshot", ask, make, code="ConflictException")
    except Refusal as exc:
        status = 409 if exc.code == "ConflictException" else exc.status
        raise Refusal(exc.code, exc.message, status, exc.reason) from exc
    (made,) = call.store.table(Snapshot).made(one)
    return {
        "SnapshotId": made.id,
        "OwnerId": made.account,
        "Status": "pending",
        "StartTime": made.born,
        "VolumeSize": made.size,
        "BlockSize": blocks.SIZE,
        "Description": made.description or None,
        "Tags": tags.of(call, [made.id])[made.id],
        "ParentSnapshotId": made.parent or None,
        "KmsKeyArn": made.key or None,
    }


def put_block(call: Call, ask: Ask) -> Reply:
    snapshot, number = _writable(call, ask["SnapshotId"]), ask["BlockIndex"]
    if number >= snapshot.size * blocks.GIB // blocks.SIZE:
        raise _invalid("INVALID_BLOCK", f"The block {number} is beyond the volume's end")
    blocks.write(call.store, snapshot.id, {number: (ask["Digest"], ask["Packed"])})
    call.store.run("INSERT OR IGNORE INTO put VALUES (?, ?)", snapshot.id, number)
    return {"Digest": ask["Digest"]}


def complete(call: Call, ask: Ask) -> Reply:
    snapshot = _writable(call, ask["SnapshotId"])
    written = call.store.rows(
        "SELECT b.digest FROM put p JOIN block b ON b.owner = p.snapshot AND b.number = p.number"
        " WHERE p.snapshot = ? ORDER BY p.number",
        (snapshot.id,),
    )
    if ask.get("ChangedBlocksCount") != len(written):
        raise _invalid("INVALID_PARAMETER_VALUE", f"{len(written)} blocks were written")
    if ask.get("Checksum") and ask["Checksum"] not in _aggregated([row[0] for row in written]):
        raise _invalid("INVALID_PARAMETER_VALUE", "The checksum is not that of all blocks")
    ready = call.now + call.settings.snapshot_s
    done = call.store.table(Snapshot).change(snapshot, ready=ready)
    call.store.run("DELETE FROM put WHERE snapshot = ?", snapshot.id)
    return {"Status": snapshots.state(call, done)}


def _start(call: Call, ask: Ask) -> Snapshot:
    parent = _parent(call, ask)
    if parent and ask["VolumeSize"] < parent.size:
        raise _invalid("INVALID_VOLUME_SIZE", f"The parent has {parent.size} GiB")
    asked = {"Encrypted": ask.get("Encrypted"), "KmsKeyId": ask.get("KmsKeyArn")}
    sealed = encryption.sealing(call, asked, parent)
    if not sealed.accessible:
        raise _invalid("INVALID_CUSTOMER_KEY", encryption.NOT_ACCESSIBLE)
    one = new_id("snap-")
    made = Snapshot(
        id=one,
        **call.origin,
        volume=snapshots.COPIED_VOLUME,
        lineage=parent.lineage if parent else one,
        size=ask["VolumeSize"],
        description=ask.get("Description", ""),
        encrypted=sealed.encrypted,
        key=sealed.key,
        ready=FOREVER,
        direct=True,
        parent=parent.id if parent else "",
    )
    made = snapshots.insert(call, made, tags.as_map(ask.get("Tags", ())))
    if parent:
        blocks.copy(call.store, parent.id, made.id)
    return made


def _parent(call: Call, ask: Ask) -> Snapshot | None:
    if not ask.get("ParentSnapshotId"):
        return None
    if ask.get("Encrypted") is not None or ask.get("KmsKeyArn"):
        raise _invalid("INVALID_DEPENDENCY_REQUEST", "A parent brings its own encryption")
    parent = _readable(call, ask["ParentSnapshotId"])
    if parent.account != call.account:
        raise _denied("UNAUTHORIZED_ACCOUNT", f"{parent.id} belongs to another account")
    return parent


def _readable(call: Call, one: str) -> Snapshot:
    """Return a completed snapshot that the caller may see, and whose key he may use."""
    selection = Selection(call, call.store.table(Snapshot))
    selection.where("id = ?", one)
    sharing.visible(selection)
    found = selection.all()
    if not found:
        raise _missing(one)
    if snapshots.state(call, found[0]) != "completed":
        raise _invalid("INVALID_SNAPSHOT_ID", f"The snapshot {one} is not completed")
    if found[0].encrypted and not encryption.accessible(call, found[0].key):
        raise _denied("DEPENDENCY_ACCESS_DENIED", encryption.NOT_ACCESSIBLE)
    return found[0]


def _writable(call: Call, one: str) -> Snapshot:
    try:
        found = lookup.snapshot(call, one)
    except Refusal as exc:
        raise _missing(one) from exc
    if not found.direct or found.ready < FOREVER:
        raise _invalid("INVALID_SNAPSHOT_ID", f"The snapshot {one} takes no blocks (any more)")
    return found


def _changes(
    call: Call, first: str, second: str, begin: int, limit: int
) -> list[tuple[int, int, int]]:
    """Return number, whether the first and whether the second has it, of blocks that differ."""
    return [
        (number, in_first, in_second)
        for number, in_first, in_second in call.store.rows(
            "SELECT n, max(a IS NOT NULL), max(b IS NOT NULL) FROM ("
            " SELECT number AS n, digest AS a, NULL AS b FROM block WHERE owner = ?"
            " AND number >= ? UNION ALL"
            " SELECT number, NULL, digest FROM block WHERE owner = ? AND number >= ?"
            ") GROUP BY n HAVING max(a) IS NOT max(b) ORDER BY n LIMIT ?",
            (first, begin, second, begin, limit),
        )
    ]


def _listed(call: Call, snapshot: Snapshot, listed: Reply, rest: list[Any]) -> Reply:
    token = base64.b64encode(f"page:{rest[0][0]}".encode()).decode() if rest else None
    return {
        **listed,
        "ExpiryTime": call.now + _EXPIRES_S,
        "VolumeSize": snapshot.size,
        "BlockSize": blocks.SIZE,
        "NextToken": token,
    }


def _page(ask: Ask) -> tuple[int, int]:
    """Return the first number and the length of a page."""
    limit = ask.get("MaxResults", _MOST)
    if not _LEAST <= limit <= _MOST:
        raise _invalid("INVALID_PARAMETER_VALUE", f"maxResults is {_LEAST} to {_MOST}")
    if not ask.get("NextToken"):
        return ask.get("StartingBlockIndex", 0), limit
    try:
        word, number = base64.b64decode(ask["NextToken"]).decode().split(":")
        if word == "page":
            return int(number), limit
    except (ValueError, binascii.Error):
        pass
    raise _invalid("INVALID_PAGE_TOKEN", "The token is no token of ours")


def _block_token(one: str, number: int) -> str:
    return base64.b64encode(f"block:{one}:{number}".encode()).decode()


def _checksum(digest: bytes) -> dict[str, str]:
    return {
        "x-amz-Checksum": base64.b64encode(digest).decode(),
        "x-amz-Checksum-Algorithm": "SHA256",
    }


def _aggregated(digests: list[bytes]) -> set[str]:
    """Return the linear checksum, over the digests and over their texts: AWS does not say which."""
    texts = (b"".join(digests), b"".join(base64.b64encode(each) for each in digests))
    return {base64.b64encode(hashlib.sha256(text).digest()).decode() for text in texts}


def _invalid(reason: str, message: str) -> Refusal:
    return Refusal("ValidationException", message, reason=reason)


def _denied(reason: str, message: str) -> Refusal:
    return Refusal("AccessDeniedException", message, 403, reason=reason)


def _missing(one: str) -> Refusal:
    words = f"The snapshot '{one}' does not exist."
    return Refusal("ResourceNotFoundException", words, 404, reason="SNAPSHOT_NOT_FOUND")


ACTIONS: dict[str, Action] = {
    "ListSnapshotBlocks": list_blocks,
    "ListChangedBlocks": list_changed,
    "GetSnapshotBlock": get_block,
    "StartSnapshot": start,
    "PutSnapshotBlock": put_block,
    "CompleteSnapshot": complete,
}
