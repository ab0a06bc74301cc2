#!/usr/bin/env python3
"""Evidence: what shows whether records of the log were altered, removed, inserted or reordered.

This file needs Python and ``cryptography`` only, so that it can leave the appliance with what it
checks: ``python evidence.py FOLDER --key FINGERPRINT``.

*Record*: here, the bytes of one record as they were written, with its *number*, from 1 on without
gaps. *Stretch*: the records of about a minute, one after the other. *Root*: the hash of a Merkle
tree over the records of a stretch (RFC 6962, section 2.1). *Seal*: number, root, time, and the hash
of the seal before, signed by the appliance (Ed25519, RFC 8032): a chain, in which nothing can be
exchanged later without all that follows. *Proof*: the hashes by which one record's place below a
root is shown without the other records (RFC 6962, section 2.1.1). *Anchor*: a seal that somebody
keeps elsewhere. Whoever has the appliance's key can write another log from some record on; the
anchor after that record shows it, and the missing end of a log that was cut.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = [
    "FIRST",
    "HINT",
    "Finding",
    "Seal",
    "Sealed",
    "Tree",
    "Verdict",
    "Written",
    "fingerprint",
    "leaf",
    "proof",
    "proves",
    "read_records",
    "root",
    "sign",
    "verify",
    "verify_excerpt",
    "written",
]

HINT = 4
FIRST = "0" * 64  # what stands for the seal before the first one
_LINE = re.compile(
    rb'\{"number":([1-9][0-9]{0,17}),(?:"proof":"([0-9a-f]*)",)?"record":(\{.*\})\}\n'
)
_HASH = re.compile(r"[0-9a-f]{64}")


# The tree (RFC 6962, section 2.1)


def leaf(record: bytes) -> bytes:
    """Return the hash of one record."""
    return hashlib.sha256(b"\0" + record).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf, in memory for the depth of it."""

    def __init__(self) -> None:
        self.size = 0
        self._whole: list[bytes] = []  # roots of whole subtrees, the largest first

    def add(self, hashed: bytes) -> None:
        """Add a leaf at the right."""
        size, self.size = self.size, self.size + 1
        while size & 1:
            hashed = _node(self._whole.pop(), hashed)
            size >>= 1
        self._whole.append(hashed)

    def root(self) -> bytes:
        """Return the hash over all leaves there are."""
        if not self._whole:
            return hashlib.sha256().digest()
        hashed = self._whole[-1]
        for left in reversed(self._whole[:-1]):
            hashed = _node(left, hashed)
        return hashed


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the hash of the tree over `leaves`."""
    tree = Tree()
    for each in leaves:
        tree.add(each)
    return tree.root()


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes beside the way from leaf `index` to the root, the nearest first."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} of {len(leaves)}")
    if len(leaves) == 1:
        return []
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    if index < middle:
        return [*proof(leaves[:middle], index), root(leaves[middle:])]
    return [*proof(leaves[middle:], index - middle), root(leaves[:middle])]


def proves(hashed: bytes, index: int, size: int, path: Sequence[bytes], top: bytes) -> bool:
    """Return whether `path` shows that `hashed` is leaf `index` of `size` below the root `top`."""
    if not 0 <= index < size:
        return False
    last = size - 1
    for beside in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            hashed = _node(beside, hashed)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hashed = _node(hashed, beside)
        index, last = index >> 1, last >> 1
    return last == 0 and hashed == top


# Seals


@dataclass(frozen=True)
class Seal:
    """What the appliance said of a stretch, at that moment.

    Parameters
    ----------
    number
        From 1 on, without gaps.
    first, count
        The number of the stretch's first record, and how many there are; 0 where a time went by
        without any, which is said too.
    root
        The hash over them, in hexadecimal.
    time
        When it was sealed: RFC 3339, UTC.
    previous
        The hash of the seal before; `FIRST` for none.
    key
        The fingerprint of the key that signed.
    signature
        Over all of the above, in Base64.
    """

    number: int
    first: int
    count: int
    root: str
    time: str
    previous: str
    key: str
    signature: str = ""

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        told = {name: value for name, value in vars(self).items() if name != "signature"}
        return b"mavis-seal-1\n" + _canonical(told)

    @property
    def hash(self) -> str:
        """What the next seal names it by, signature included."""
        return hashlib.sha256(_canonical(vars(self))).hexdigest()

    @property
    def end(self) -> int:
        """The number of the record after the stretch."""
        return self.first + self.count

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, value: object) -> Seal:
        """Return the seal that `to_json` wrote.

        Raises
        ------
        ValueError
            It is none.
        """
        if not isinstance(value, Mapping) or set(value) != set(cls.__dataclass_fields__):
            raise ValueError("not a seal")
        seal = cls(**value)
        numbers, texts = (seal.number, seal.first, seal.count), (seal.time, seal.signature)
        if not all(type(each) is int and each >= 0 for each in numbers):
            raise ValueError("a seal's numbers are none")
        if not all(isinstance(each, str) for each in texts):
            raise ValueError("a seal's texts are none")
        for each in (seal.root, seal.previous, seal.key):
            if not isinstance(each, str) or not _HASH.fullmatch(each):
                raise ValueError("a seal's hashes are none")
        return seal


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what a key is called by: the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def sign(
    key: Ed25519PrivateKey, previous: Seal | None, *, count: int, root: bytes, time: str
) -> Seal:
    """Return the seal of the `count` records that follow those of `previous`."""
    unsigned = Seal(
        1 if previous is None else previous.number + 1,
        1 if previous is None else previous.end,
        count,
        root.hex(),
        time,
        FIRST if previous is None else previous.hash,
        fingerprint(key.public_key()),
    )
    signature = base64.b64encode(key.sign(unsigned.signed)).decode("ascii")
    return Seal(**{**vars(unsigned), "signature": signature})


# Verification


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was sealed.

    Parameters
    ----------
    what
        ``altered``, ``missing``, ``inserted``, ``order``, ``seal``, ``signature``, ``chain`` or
        ``cut``.
    number
        The record at fault, where one can be named.
    words
        For people.
    """

    what: str
    number: int | None
    words: str


@dataclass(frozen=True)
class Sealed:
    """A seal, and what helps to find a record that is not as it was.

    Parameters
    ----------
    hints
        The first `HINT` bytes of the hash of each record of the stretch, or nothing.
    """

    seal: Seal
    hints: bytes = b""


@dataclass
class Verdict:
    """What the check of records against seals came to.

    Parameters
    ----------
    records
        How many were shown to be as they were sealed.
    first, last
        Numbers of the first and last record that the seals speak of.
    intact_until
        The time of the last seal that holds; None where none does.
    anchored_until
        The time of the last seal that an anchor confirms; None without an anchor.
    unsealed
        Records after the last seal: nothing can be said about them yet.
    erased
        Places whose record is not kept any more, and whose hash is as it was sealed.
    """

    findings: list[Finding] = field(default_factory=list)
    records: int = 0
    first: int | None = None
    last: int | None = None
    intact_until: str | None = None
    anchored_until: str | None = None
    unsealed: int = 0
    erased: int = 0

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def find(self, what: str, number: int | None, words: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(what, number, words))


@dataclass(frozen=True)
class Written:
    """A record as it lies in a file.

    Parameters
    ----------
    proof
        The hashes that show its place below the root of its stretch; None where the whole stretch
        is there.
    erased
        The hash of a record that is not kept any more; None where `record` is there.
    """

    number: int
    record: bytes
    proof: tuple[bytes, ...] | None = None
    erased: bytes | None = None

    @property
    def hash(self) -> bytes:
        """Its leaf of the tree."""
        return leaf(self.record) if self.erased is None else self.erased


def written(number: int, record: bytes, path: Sequence[bytes] | None = None) -> bytes:
    """Return the line of a file of records, with its end."""
    shown = b"" if path is None else b'"proof":"%b",' % b"".join(path).hex().encode("ascii")
    return b'{"number":%d,%b"record":%b}\n' % (number, shown, record)


def read_records(lines: Iterable[bytes]) -> Iterator[Written | bytes]:
    """Yield the records of a file; a line that is none comes as it is."""
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or len(found[2] or b"") % 64:
            yield line
            continue
        path = found[2]
        steps = None
        if path is not None:
            raw = bytes.fromhex(path.decode("ascii"))
            steps = tuple(raw[at : at + 32] for at in range(0, len(raw), 32))
        yield Written(int(found[1]), found[3], steps)


def verify(
    records: Iterable[Written | bytes],
    seals: Sequence[Sealed],
    keys: Mapping[str, Ed25519PublicKey],
    *,
    anchors: Iterable[Seal] = (),
    begins: int | None = None,
) -> Verdict:
    """Compare all records that `seals` speak of with them, the seals with each other and the keys.

    Parameters
    ----------
    records
        From the first that the first seal speaks of; more may follow.
    seals
        In the order of their numbers; the first may be any.
    keys
        The keys that are trusted, by fingerprint.
    anchors
        Seals that were kept elsewhere.
    begins
        The number with which the seals must begin; None: any.
    """
    verdict = Verdict()
    good = _check_chain([each.seal for each in seals], keys, anchors, verdict, begins)
    found = _Found(records)
    stretches = [each for each in seals[:good] if each.seal.count]
    for each, after in zip_longest(stretches, stretches[1:]):
        _check_stretch(each, found, verdict, after.hints[:HINT] if after else b"")
    verdict.unsealed = sum(1 for _ in found.rest())
    _conclude(verdict, [each.seal for each in seals[:good]])
    return verdict


def verify_excerpt(
    records: Iterable[Written | bytes],
    seals: Sequence[Seal],
    keys: Mapping[str, Ed25519PublicKey],
    *,
    anchors: Iterable[Seal] = (),
) -> Verdict:
    """Compare some records, each by its proof, with `seals`; see `verify`.

    That all records of a question are among them cannot be shown by this, but that each was there.
    """
    verdict = Verdict()
    good = _check_chain(seals, keys, anchors, verdict, None)
    stretches = [seal for seal in seals[:good] if seal.count]
    at, last = 0, 0
    for each in records:
        if isinstance(each, bytes):
            verdict.find("altered", None, f"after record {last} is a line that is no record")
            continue
        if each.number <= last:
            verdict.find("order", each.number, f"record {each.number} comes after record {last}")
            continue
        last = each.number
        while at < len(stretches) and last >= stretches[at].end:
            at += 1
        if at == len(stretches) or last < stretches[at].first:
            verdict.unsealed += 1
        elif _shown(each, stretches[at]):
            verdict.records += 1
        else:
            verdict.find("altered", last, f"record {last} {_not_sealed(stretches[at])}")
    _conclude(verdict, seals[:good])
    return verdict


def _shown(it: Written, seal: Seal) -> bool:
    place, top = it.number - seal.first, bytes.fromhex(seal.root)
    return it.proof is not None and proves(leaf(it.record), place, seal.count, it.proof, top)


def _not_sealed(seal: Seal) -> str:
    return f"is not what seal {seal.number} of {seal.time} has there"


def _conclude(verdict: Verdict, good: Sequence[Seal]) -> None:
    if good:
        verdict.first, verdict.last = good[0].first, good[-1].end - 1
        verdict.intact_until = None if verdict.findings else good[-1].time


def _check_chain(
    seals: Sequence[Seal],
    keys: Mapping[str, Ed25519PublicKey],
    anchors: Iterable[Seal],
    verdict: Verdict,
    begins: int | None,
) -> int:
    """Return how many seals hold, from the first on; tell of the first that does not."""
    good = 0
    for before, seal in zip((None, *seals), seals, strict=False):
        fault = _fault(before, seal, keys, begins)
        if fault is not None:
            verdict.find(*fault)
            break
        good += 1
    held = {seal.number: seal for seal in seals[:good]}
    last = seals[good - 1].number if good else (begins or 1) - 1
    for anchor in sorted(anchors, key=lambda each: each.number):
        if (found := held.get(anchor.number)) is not None:
            if found.hash == anchor.hash:
                verdict.anchored_until = anchor.time
            else:
                verdict.find(
                    "chain",
                    found.first,
                    f"seal {anchor.number} is not the one that was kept elsewhere: the log was"
                    f" written anew from there or before",
                )
        elif anchor.number > last:
            verdict.find(
                "cut",
                None,
                f"the log ends with seal {last}, and seal {anchor.number} of {anchor.time} was"
                " kept elsewhere: its end is missing",
            )
    return good


def _fault(
    before: Seal | None, seal: Seal, keys: Mapping[str, Ed25519PublicKey], begins: int | None
) -> tuple[str, int | None, str] | None:
    name = f"seal {seal.number} of {seal.time}"
    if before is None:
        if begins is not None and seal.number != begins:
            return "chain", None, f"the first is {name}, and should be seal {begins}"
        if seal.number == 1 and (seal.previous != FIRST or seal.first != 1):
            return "chain", None, f"{name} says that it is the first and names one before"
    elif (seal.number, seal.previous, seal.first) != (before.number + 1, before.hash, before.end):
        return "chain", before.end, f"{name} does not follow seal {before.number} of {before.time}"
    key = keys.get(seal.key)
    if key is None:
        return "signature", seal.first, f"{name} has the key {seal.key[:16]}…, not a trusted one"
    try:
        key.verify(base64.b64decode(seal.signature, validate=True), seal.signed)
    except (InvalidSignature, ValueError):
        return "signature", seal.first, f"{name} is not what the appliance signed"
    return None


class _Found:
    """The records of a file, one after the other, with a look ahead."""

    def __init__(self, records: Iterable[Written | bytes]) -> None:
        self._records = iter(records)
        self._ahead: deque[Written | bytes] = deque()

    def look(self, count: int) -> list[Written | bytes]:
        """Return the next `count`, or fewer at the end, and leave them where they are."""
        while len(self._ahead) < count and (more := next(self._records, None)) is not None:
            self._ahead.append(more)
        return list(islice(self._ahead, count))

    def skip(self, count: int) -> None:
        """Go on behind the next `count`, which were looked at."""
        for _ in range(count):
            self._ahead.popleft()

    def rest(self) -> Iterator[Written | bytes]:
        """Yield what follows."""
        yield from self._ahead
        yield from self._records


def _hash(it: Written | bytes) -> bytes:
    return it.hash if isinstance(it, Written) else leaf(it)


def _check_stretch(sealed: Sealed, found: _Found, verdict: Verdict, following: bytes) -> None:
    seal = sealed.seal
    there = found.look(seal.count)
    if len(there) == seal.count and root(map(_hash, there)).hex() == seal.root:
        found.skip(seal.count)
        erased = sum(1 for it in there if isinstance(it, Written) and it.erased is not None)
        verdict.erased += erased
        verdict.records += seal.count - erased
        places = zip(there, range(seal.first, seal.end), strict=True)
        wrong = [n for it, n in places if not isinstance(it, Written) or it.number != n]
        if wrong and verdict.intact:  # else it may follow from what was found
            verdict.find("order", wrong[0], f"record {wrong[0]} has another number")
        return
    before = len(verdict.findings)
    if len(sealed.hints) == seal.count * HINT:
        _align(sealed, found, verdict, following)
    else:
        found.skip(len(there))
    if len(verdict.findings) == before:
        verdict.find("altered", seal.first, f"a record from {seal.first} on {_not_sealed(seal)}")


def _align(sealed: Sealed, found: _Found, verdict: Verdict, following: bytes) -> None:
    """Tell which records of a stretch differ, by the beginnings of their hashes.

    They are not signed, and need not be: that something differs is known from the root.
    """
    seal, hinted = sealed.seal, sealed.hints + following
    at = 0
    while at < seal.count:
        there = [_hash(it)[:HINT] for it in found.look(2)]
        wanted = [hinted[place * HINT : (place + 1) * HINT] for place in (at, at + 1)]
        number, taken = seal.first + at, 1
        if there[:1] == wanted[:1]:
            at += 1
        elif there == wanted[::-1] and at + 1 < seal.count:
            verdict.find("order", number, f"records {number} and {number + 1} were exchanged")
            at, taken = at + 2, 2
        elif not there or there[0] == wanted[1]:
            verdict.find(
                "missing", number, f"record {number}, written before {seal.time}, is missing"
            )
            at, taken = at + 1, 0
        elif there[1:] == wanted[:1]:
            verdict.find("inserted", number, f"one was added before record {number}")
        else:
            verdict.find("altered", number, f"record {number} {_not_sealed(seal)}")
            at += 1
        found.skip(taken)


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the bundle in a folder; return 0 where all is as it was sealed, else 1."""
    parser = argparse.ArgumentParser(description="Check a bundle of records of Mavis.")
    parser.add_argument("folder", type=Path, help="the bundle, unpacked")
    parser.add_argument(
        "--key", metavar="FINGERPRINT", help="of the appliance's key, as you know it from elsewhere"
    )
    parser.add_argument(
        "--anchor", type=Path, action="append", default=[], help="a seal that you kept; repeatable"
    )
    given = parser.parse_args(arguments)
    try:
        told = json.loads((given.folder / "bundle.json").read_bytes())
        verdict = _verdict_of(given.folder, told, given.key, given.anchor)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        sys.stderr.write(f"{given.folder} is no bundle that can be read: {exc}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in _told(verdict, told, given.key)))
    return 0 if verdict.intact else 1


def _verdict_of(
    folder: Path, told: Mapping[str, Any], trusted: str | None, anchors: Sequence[Path]
) -> Verdict:
    keys = {}
    for text in told["keys"]:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text))
        if trusted is None or fingerprint(key) == trusted:
            keys[fingerprint(key)] = key
    kept = [Seal.from_json(json.loads(path.read_bytes())) for path in anchors]
    with (folder / "seals.jsonl").open("rb") as file:
        seals = [_sealed(line) for line in file]
    with (folder / "records.jsonl").open("rb") as file:
        if told["excerpt"]:
            bare = [each.seal for each in seals]
            return verify_excerpt(read_records(file), bare, keys, anchors=kept)
        return verify(read_records(file), seals, keys, anchors=kept)


def _sealed(line: bytes) -> Sealed:
    value = json.loads(line)
    return Sealed(Seal.from_json(value["seal"]), bytes.fromhex(value.get("hints", "")))


def _told(verdict: Verdict, told: Mapping[str, Any], trusted: str | None) -> Iterator[str]:
    for each in verdict.findings:
        yield f"{each.what}: {each.words}"
    if verdict.intact:
        yield f"{verdict.records} records are as they were sealed, until {verdict.intact_until}"
    if verdict.unsealed:
        yield f"{verdict.unsealed} records were not sealed yet; nothing can be said about them"
    if verdict.intact and verdict.anchored_until is None:
        yield "No seal that was kept elsewhere was given: a missing end would not show (--anchor)"
    elif verdict.intact and verdict.anchored_until != verdict.intact_until:
        yield f"anchored until {verdict.anchored_until}; a missing end after it would not show"
    if trusted is None:
        names = (
            fingerprint(Ed25519PublicKey.from_public_bytes(base64.b64decode(key)))
            for key in told["keys"]
        )
        yield f"signed with {', '.join(names)}: compare it with what the appliance says (--key)"


if __name__ == "__main__":
    sys.exit(main())
