"""Whatever is done to records and seals is found, and nothing where nothing was done."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.logs import evidence
from mavis_core.logs.evidence import (
    HINT,
    Seal,
    Sealed,
    Tree,
    Verdict,
    Written,
    fingerprint,
    leaf,
    proof,
    proves,
    read_records,
    root,
    sign,
    verify,
    verify_excerpt,
    written,
)

# Inputs and roots that the implementations of certificate transparency test themselves with.
INPUTS = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {fingerprint(KEY.public_key()): KEY.public_key()}
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.mark.parametrize("size", ROOTS)
def test_the_tree_is_that_of_rfc_6962(size: int) -> None:
    leaves = [leaf(bytes.fromhex(text)) for text in INPUTS[:size]]
    assert root(leaves).hex() == ROOTS[size]


def defined(leaves: Sequence[bytes]) -> bytes:
    """Return the root as section 2.1 defines it."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256().digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    parts = defined(leaves[:half]) + defined(leaves[half:])
    return hashlib.sha256(b"\1" + parts).digest()


@given(st.integers(0, 300))
def test_a_tree_that_grows_has_the_root_of_its_definition(size: int) -> None:
    leaves = [leaf(b"%d" % number) for number in range(size)]
    tree = Tree()
    for each in leaves:
        tree.add(each)
    assert (tree.size, tree.root()) == (size, defined(leaves))


def test_a_proof_shows_its_own_leaf_at_its_own_place_only() -> None:
    for size in range(1, 34):
        leaves = [leaf(b"%d" % number) for number in range(size)]
        top = root(leaves)
        for index in range(size):
            path = proof(leaves, index)
            assert [at for at in range(size) if proves(leaves[index], at, size, path, top)] == [
                index
            ]
            assert not proves(leaf(b"other"), index, size, path, top)
            assert not proves(leaves[index], index, size, [*path, top], top)
            assert not path or not proves(leaves[index], index, size, path[:-1], top)
    with pytest.raises(IndexError):
        proof([], 0)


@dataclass(frozen=True)
class Log:
    """Records with their seals."""

    records: list[bytes]
    seals: list[Sealed]

    @property
    def lines(self) -> list[bytes]:
        return [written(number, each) for number, each in enumerate(self.records, start=1)]

    def check(self, lines: Iterable[bytes] | None = None, **options: object) -> Verdict:
        seals = options.pop("seals", self.seals)
        found = read_records(self.lines if lines is None else lines)
        return verify(found, seals, KEYS, **options)  # type: ignore[arg-type]


def log(sizes: Sequence[int], *, key: Ed25519PrivateKey = KEY, seed: int = 1) -> Log:
    """Return a log of stretches of `sizes`, with two records after the last seal."""
    chance = random.Random(seed)
    records: list[bytes] = []
    seals: list[Sealed] = []
    for minute, size in enumerate(sizes):
        new = [
            b'{"id":"rec_%d","summary":"%d"}' % (len(records) + at, chance.randrange(10**6))
            for at in range(size)
        ]
        hashes = [leaf(each) for each in new]
        before = seals[-1].seal if seals else None
        time = f"2030-01-01T00:{minute:02}:00.000000Z"
        seal = sign(key, before, count=size, root=root(hashes), time=time)
        seals.append(Sealed(seal, b"".join(each[:HINT] for each in hashes)))
        records += new
    return Log([*records, b'{"id":"late-1"}', b'{"id":"late-2"}'], seals)


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (5, 0, 3), (100, 1, 64)])
def test_what_was_left_alone_is_intact(sizes: Sequence[int]) -> None:
    verdict = log(sizes).check(begins=1)
    assert verdict.findings == []
    assert (verdict.records, verdict.unsealed) == (sum(sizes), 2)
    assert verdict.intact_until == (
        f"2030-01-01T00:{len(sizes) - 1:02}:00.000000Z" if sizes else None
    )


def renumbered(records: Iterable[bytes]) -> list[bytes]:
    return [written(number, each) for number, each in enumerate(records, start=1)]


def test_each_of_a_thousand_alterations_is_found_and_named() -> None:
    it = log((40, 1, 25, 0, 64), seed=3)
    sealed = sum(each.seal.count for each in it.seals)
    chance = random.Random(4)
    seen = set()
    for _ in range(1000):
        kind = chance.choice(("altered", "missing", "inserted", "order"))
        at = chance.randrange(sealed - 1)
        records = list(it.records)
        if kind == "altered":
            place = chance.randrange(2, len(records[at]) - 1)
            changed = bytearray(records[at])
            changed[place] ^= 1 << chance.randrange(1, 5)
            records[at] = bytes(changed)
        elif kind == "missing":
            del records[at]
        elif kind == "inserted":
            records.insert(at, b'{"id":"rec_new","summary":"%d"}' % chance.randrange(10**9))
        else:
            records[at], records[at + 1] = records[at + 1], records[at]
        if chance.random() < 0.5:  # by somebody who thinks of the numbers, or does not
            lines = renumbered(records)
        else:
            numbers = {each: number for number, each in enumerate(it.records, start=1)}
            lines = [written(numbers.get(each, at + 1), each) for each in records]
        verdict = it.check(lines)
        named = {finding.number for finding in verdict.findings}
        assert at + 1 in named, (kind, at, verdict.findings)
        assert len(verdict.findings) <= 2, (kind, at, verdict.findings)
        first = verdict.findings[0].what
        seen.add((kind, first))
        assert verdict.intact_until is None
    # An exchange over the border of two stretches looks like one that went and one that came.
    assert seen <= {(kind, kind) for kind in ("altered", "missing", "inserted", "order")} | {
        ("order", "missing"),
        ("altered", "altered"),
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"number":1,"record":{"a":1}}',
        b'{"number":01,"record":{"a":1}}\n',
        b'{"number":0,"record":{"a":1}}\n',
        b'{"number":1,"proof":"00","record":{"a":1}}\n',
        b'{"number":1,"proof":"zz","record":{"a":1}}\n',
        b'{"number":1,"record":[]}\n',
    ],
)
def test_a_line_that_is_no_record_is_none(line: bytes) -> None:
    assert list(read_records([line])) == [line]


@given(st.integers(1, 10**17), st.lists(st.binary(min_size=32, max_size=32), max_size=4))
def test_a_line_is_read_as_it_was_written(number: int, path: list[bytes]) -> None:
    record = b'{"a":"}\\n"}'
    assert list(read_records([written(number, record, path)])) == (
        [Written(number, record, tuple(path))]
    )
    assert list(read_records([written(number, record)])) == [Written(number, record)]


CHANGES: dict[str, Callable[[Seal], Seal]] = {
    "signature": lambda seal: replace(seal, signature=base64.b64encode(bytes(64)).decode()),
    "no Base64": lambda seal: replace(seal, signature="!"),
    "time": lambda seal: replace(seal, time="2031-01-01T00:00:00.000000Z"),
    "root": lambda seal: replace(seal, root="0" * 64),
    "count": lambda seal: replace(seal, count=seal.count + 1),
    "key": lambda seal: replace(seal, key="0" * 64),
    "number": lambda seal: replace(seal, number=seal.number + 1),
    "previous": lambda seal: replace(seal, previous="1" * 64),
}


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_a_seal_that_was_changed_holds_no_longer(change: str, at: int) -> None:
    it = log((3, 4, 5))
    seals = [*it.seals]
    seals[at] = replace(seals[at], seal=CHANGES[change](seals[at].seal))
    verdict = it.check(seals=seals)
    assert [each.what for each in verdict.findings] in (["signature"], ["chain"])
    assert verdict.records == sum((3, 4, 5)[:at])


@pytest.mark.parametrize("at", [0, 1])
def test_a_seal_that_was_taken_out_is_missed(at: int) -> None:
    it = log((3, 4, 5))
    seals = [each for number, each in enumerate(it.seals) if number != at]
    verdict = it.check(seals=seals, begins=1)
    assert "chain" in [each.what for each in verdict.findings]


def test_who_has_another_key_makes_no_seal() -> None:
    verdict = log((3, 4), key=OTHER).check()
    assert [each.what for each in verdict.findings] == ["signature"]
    assert verdict.records == 0


def test_a_log_that_was_written_anew_differs_from_what_was_kept_elsewhere() -> None:
    true, forged = log((3, 4, 5), seed=1), log((3, 4, 5), seed=2)
    assert forged.check().intact  # whoever has the key can do that
    verdict = forged.check(anchors=[true.seals[1].seal])
    assert [each.what for each in verdict.findings] == ["chain"]
    kept = true.check(anchors=[true.seals[1].seal])
    assert kept.intact
    assert (kept.anchored_until, kept.intact_until) == (
        "2030-01-01T00:01:00.000000Z",
        "2030-01-01T00:02:00.000000Z",
    )


def test_a_missing_end_shows_against_what_was_kept_elsewhere() -> None:
    it = log((3, 4, 5))
    cut = Log(it.records[:7], it.seals[:2])
    alone = cut.check()
    assert (alone.intact, alone.anchored_until) == (True, None)
    assert alone.intact_until == "2030-01-01T00:01:00.000000Z"
    verdict = cut.check(anchors=[it.seals[2].seal])
    assert [each.what for each in verdict.findings] == ["cut"]


def test_records_are_missing_at_the_end_of_what_was_sealed() -> None:
    it = log((3, 4))
    verdict = it.check(it.lines[:5])
    assert [(each.what, each.number) for each in verdict.findings] == [
        ("missing", 6),
        ("missing", 7),
    ]


def test_without_hints_the_stretch_is_named() -> None:
    it = log((3, 4))
    bare = [replace(each, hints=b"") for each in it.seals]
    lines = renumbered([*it.records[:4], b'{"id":"x"}', *it.records[5:]])
    verdict = it.check(lines, seals=bare)
    assert [(each.what, each.number) for each in verdict.findings] == [("altered", 4)]
    assert verdict.records == 3


def test_hints_that_were_changed_too_hide_nothing() -> None:
    it = log((3, 4))
    records = [*it.records[:4], b'{"id":"x"}', *it.records[5:]]
    hints = b"".join(leaf(each)[:HINT] for each in records[3:7])
    verdict = it.check(renumbered(records), seals=[it.seals[0], replace(it.seals[1], hints=hints)])
    assert [(each.what, each.number) for each in verdict.findings] == [("altered", 4)]


def excerpt(it: Log, numbers: Iterable[int]) -> list[bytes]:
    """Return lines with proofs."""
    lines = []
    for number in numbers:
        seal = next(each.seal for each in it.seals if each.seal.first <= number < each.seal.end)
        leaves = [leaf(each) for each in it.records[seal.first - 1 : seal.end - 1]]
        path = proof(leaves, number - seal.first)
        lines.append(written(number, it.records[number - 1], path))
    return lines


def test_some_records_are_shown_by_their_proofs() -> None:
    it = log((3, 0, 40, 1))
    seals = [each.seal for each in it.seals]
    lines = excerpt(it, [2, 4, 17, 43, 44])
    verdict = verify_excerpt(read_records(lines), seals, KEYS)
    assert (verdict.findings, verdict.records, verdict.unsealed) == ([], 5, 0)
    for at in range(5):
        changed = [*lines]
        changed[at] = changed[at].replace(b'"summary":"', b'"summary":"1')
        verdict = verify_excerpt(read_records(changed), seals, KEYS)
        assert [(each.what, each.number) for each in verdict.findings] == (
            [("altered", (2, 4, 17, 43, 44)[at])]
        )
    moved = lines[0].replace(b'"number":2', b'"number":3')
    assert not verify_excerpt(read_records([moved]), seals, KEYS).intact
    bare = written(2, it.records[1])
    assert not verify_excerpt(read_records([bare]), seals, KEYS).intact
    assert not verify_excerpt(read_records(lines[::-1]), seals, KEYS).intact
    late = written(45, it.records[44], [])
    assert verify_excerpt(read_records([late]), seals, KEYS).unsealed == 1


def bundle(folder: Path, it: Log, lines: Iterable[bytes]) -> Path:
    folder.mkdir()
    public = base64.b64encode(KEY.public_key().public_bytes_raw()).decode("ascii")
    (folder / "bundle.json").write_text(json.dumps({"keys": [public], "excerpt": False}))
    (folder / "records.jsonl").write_bytes(b"".join(lines))
    seals = [{"seal": each.seal.to_json(), "hints": each.hints.hex()} for each in it.seals]
    (folder / "seals.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in seals))
    return folder


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The one file, elsewhere, by a Python that knows nothing of Mavis."""
    alone = tmp_path / "evidence.py"
    shutil.copy(evidence.__file__, alone)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-I", alone, *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)

    return run


def test_the_one_file_checks_a_bundle_by_itself(
    tmp_path: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    it = log((3, 4))
    good = bundle(tmp_path / "good", it, it.lines)
    name = fingerprint(KEY.public_key())
    anchor = tmp_path / "anchor.json"
    anchor.write_text(json.dumps(it.seals[1].seal.to_json()))

    told = command(good)
    assert told.returncode == 0
    assert "7 records are as they were sealed, until 2030-01-01T00:01:00.000000Z" in told.stdout
    assert "2 records were not sealed yet" in told.stdout
    assert "a missing end would not show" in told.stdout
    assert name in told.stdout
    told = command(good, "--key", name, "--anchor", anchor)
    assert (told.returncode, told.stdout.count("\n")) == (0, 2)
    told = command(good, "--key", "0" * 64)
    assert told.returncode == 1
    assert "not a trusted one" in told.stdout
    bad = bundle(tmp_path / "bad", it, [it.lines[0], *it.lines[2:]])
    told = command(bad, "--key", name)
    assert told.returncode == 1
    assert told.stdout.splitlines() == [
        "missing: record 2, written before 2030-01-01T00:00:00.000000Z, is missing",
        "2 records were not sealed yet; nothing can be said about them",
    ]


@pytest.mark.parametrize("name", ["bundle.json", "records.jsonl", "seals.jsonl"])
@pytest.mark.parametrize("content", [None, "", "[]", "{", "\x00", '{"seal":{}}'])
def test_what_is_no_bundle_is_told_in_a_line(
    tmp_path: Path, name: str, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    it = log((1,))
    folder = bundle(tmp_path / "it", it, it.lines)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    code = evidence.main([str(folder)])
    out, err = capsys.readouterr()
    assert code == (0 if (name, content) == ("seals.jsonl", "") else 2 if err else 1)
    assert out or err.startswith(f"{folder} is no bundle that can be read")
