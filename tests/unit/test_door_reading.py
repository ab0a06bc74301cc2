"""What the door reads of what clients send: names, commands, scp and SFTP, in whatever pieces."""

from __future__ import annotations

import hashlib
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.errors import InvalidInput, MavisError
from mavis_core.remote.model import Policy
from mavis_hub.gateway.door.commands import (
    Command,
    RsyncCopy,
    ScpCopy,
    SftpServer,
    Wanted,
    read_command,
)
from mavis_hub.gateway.door.digests import Passage
from mavis_hub.gateway.door.names import Name, read_name
from mavis_hub.gateway.door.ports import Direction, Transfer
from mavis_hub.gateway.door.scp import ScpReader
from mavis_hub.gateway.door.sftp import SftpPassage

UP, DOWN = Direction.UPLOAD, Direction.DOWNLOAD


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ada", Name("ada")),
        ("ada:web-1", Name("ada", None, "web-1")),
        ("ada:shop/web-1", Name("ada", "shop", "web-1")),
        ("ada:web-1:service", Name("ada", None, "web-1", "service")),
        ("ada:shop/web-1:service", Name("ada", "shop", "web-1", "service")),
        ("ada@example.com:web-1", Name("ada@example.com", None, "web-1")),
        *((bad, None) for bad in ("", ":web-1", "ada:", "ada:/web-1", "a b:c", "ada:x:y:z", "-x")),
        ("ada:" + "x" * 400, None),
        ("ada:web-1\n", None),
    ],
)
def test_a_name_has_person_and_device(text: str, name: Name | None) -> None:
    assert read_name(text) == name


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("uname -a; id", Command()),
        ("scp", Command()),
        ("scp a b", Command()),
        ("echo scp -t /x", Command()),
        ("echo 'unbalanced", Command()),
        ("/usr/lib/openssh/sftp-server", SftpServer()),
        ("sftp-server -e", Command()),
        ("scp -t /tmp/x", ScpCopy(UP, ("/tmp/x",), False, False, False)),
        ("scp -r -p -d -t -- -x", ScpCopy(UP, ("-x",), True, True, False, "dpr")),
        (
            "/usr/bin/scp -vf '/a b' *.txt",
            ScpCopy(DOWN, ("/a b", "*.txt"), False, False, True, "v"),
        ),
        (
            "rsync --server -logDtpre.iLsfxCIvu . /x",
            RsyncCopy(UP, ("/x",), True),
        ),
        (
            "rsync --server --sender -vlogDtpre.iLsfxCIvu --log-file=/etc/x . a b",
            RsyncCopy(DOWN, ("a", "b"), False),
        ),
    ],
)
def test_a_command_is_what_it_is(text: str, wanted: Wanted) -> None:
    assert read_command(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *(
            "scp -t x; id",
            "scp -t x&&id",
            "scp -f $x",
            "scp -f `x`",
            "scp -t x\nid",
            "scp -t x | y",
        ),
        *("scp -f x > y", "scp -f (x)", "scp -t -f x", "scp -t", "scp -tZ x"),
        *("rsync --server . x; id", "rsync --server --sender . $(id)"),
    ],
)
def test_a_copy_that_could_be_more_is_none(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_command(text)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(each % (len(data) + 1) for each in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@given(st.binary(max_size=3000), CUTS)
def test_a_file_by_scp_is_found_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    found: list[Transfer] = []
    reader = ScpReader(
        ScpCopy(UP, ("/in",), True, True, False), check=lambda path: None, done=found.append
    )
    for line, answer in ((b"T1 0 1 0\n", b"\0"), (b"D0755 0 deep\n", b"\0")):
        for each in pieces(line, cuts):
            reader.sent(each)
        reader.answered(answer)
    for each in pieces(b"C0644 %d a b\n" % len(data), cuts):
        reader.sent(each)
    reader.answered(b"\0")
    for each in pieces(data + b"\0", cuts):
        reader.sent(each)
    reader.answered(b"\0")
    reader.sent(b"E\n")
    reader.end()
    assert found == [Transfer(UP, "/in/deep/a b", len(data), hashlib.sha256(data).hexdigest())]


def test_a_file_that_was_refused_by_the_other_side_is_none() -> None:
    found: list[Transfer] = []
    reader = ScpReader(
        ScpCopy(UP, ("/in/",), False, False, False), check=lambda path: None, done=found.append
    )
    reader.sent(b"C0644 5 one\n")
    reader.answered(b"\x01scp: one: Permission denied\n")
    reader.sent(b"C0644 3 two\n")
    reader.answered(b"\0")
    reader.sent(b"ab")
    reader.end()
    assert [(each.path, each.size_bytes, each.complete) for each in found] == [
        ("/in/two", 2, False)
    ]


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_is_sent_as_scp_is_read_or_refused(sent: bytes, answered: bytes) -> None:
    reader = ScpReader(
        ScpCopy(UP, ("/in",), False, False, False), check=lambda path: None, done=lambda each: None
    )
    try:
        reader.sent(sent)
        reader.answered(answered)
        reader.sent(sent)
    except InvalidInput:
        pass
    reader.end()


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def passage(policy: Policy, done: list[Transfer]) -> tuple[SftpPassage, bytearray, bytearray]:
    client, device = bytearray(), bytearray()

    def to(where: bytearray):  # type: ignore[no-untyped-def]
        return where.extend

    made = SftpPassage(policy, None, to(client), to(device), done.append, lambda text: None)
    return made, client, device


@given(st.lists(st.binary(min_size=1, max_size=500), max_size=8), CUTS, st.randoms())
def test_a_file_by_sftp_is_found_however_it_is_cut(  # type: ignore[no-untyped-def]
    blocks: list[bytes], cuts: list[int], chance
) -> None:
    found: list[Transfer] = []
    made, client, device = passage(Policy(), found)
    opened = framed(b"\x03" + struct.pack(">II", 1, 2) + b"/f" + struct.pack(">II", 1, 0))
    handle = struct.pack(">I", 1) + b"h"
    requests, answers, offset = b"", [], 0
    for number, block in enumerate(blocks):
        requests += framed(
            b"\x05" + struct.pack(">I", 10 + number) + handle + struct.pack(">QI", offset, 500)
        )
        answer = b"\x67" + struct.pack(">II", 10 + number, len(block)) + block
        answers.append(framed(answer))
        offset += len(block)
    chance.shuffle(answers)
    close = framed(b"\x04" + struct.pack(">I", 2) + handle)
    asked = [opened, requests, close]
    told = [
        framed(b"\x66" + struct.pack(">I", 1) + handle),
        b"".join(answers),
        framed(b"\x65" + struct.pack(">III", 2, 0, 0) + struct.pack(">I", 0)),
    ]
    for request, answer in zip(asked, told, strict=True):
        for each in pieces(request, cuts):
            made.from_client(each)
        for each in pieces(answer, cuts):
            made.from_device(each)
    assert bytes(device) == b"".join(asked)
    assert bytes(client) == b"".join(told)
    data = b"".join(blocks)
    (transfer,) = found
    assert (transfer.direction, transfer.path, transfer.size_bytes) == (DOWN, "/f", len(data))
    # Where the first block of a file comes late, its place is not known when the next one comes.
    assert transfer.sha256 in (hashlib.sha256(data).hexdigest(), None)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=10), CUTS)
def test_whatever_is_sent_as_sftp_is_passed_on_whole_or_refused(
    bodies: list[bytes], cuts: list[int]
) -> None:
    made, _client, device = passage(Policy(), [])
    sent = b"".join(framed(each) for each in bodies)
    try:
        for each in pieces(sent, cuts):
            made.from_client(each)
            made.from_device(each)
    except MavisError:
        pass
    made.end()
    assert len(device) <= len(sent)


def test_a_packet_that_is_too_long_is_refused_at_once() -> None:
    made, _, device = passage(Policy(), [])
    with pytest.raises(InvalidInput):
        made.from_client(b"\x7f\xff\xff\xff\x05")
    assert not device


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=10), st.randoms())
def test_blocks_out_of_order_have_the_digest_of_the_whole(  # type: ignore[no-untyped-def]
    blocks: list[bytes], chance
) -> None:
    places = [(sum(map(len, blocks[:at])), each) for at, each in enumerate(blocks)]
    first, rest = places[0], places[1:]
    chance.shuffle(rest)
    made = Passage(UP, "/f")
    for offset, block in (first, *rest):
        made.add_at(offset, block)
    data = b"".join(blocks)
    assert made.transfer() == Transfer(UP, "/f", len(data), hashlib.sha256(data).hexdigest())
