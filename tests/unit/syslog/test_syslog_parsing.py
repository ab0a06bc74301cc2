"""Frames and messages of syslog: the forms of the standards, and whatever else may come."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.logs.codec import decode, encode_masked
from mavis_hub.syslog.framing import MAX_FRAME_BYTES, MAX_KEPT_BYTES, Counted, Either, Frame
from mavis_hub.syslog.messages import Form, Message, Unreadable, parse
from mavis_hub.syslog.pace import Pace
from mavis_hub.syslog.stories import Source, Story

SOURCE = Source("web-1", "prj_01m8fy9k309am4836t3y9ycgpz", "192.0.2.1")


def counted(*messages: bytes) -> bytes:
    return b"".join(b"%d %s" % (len(each), each) for each in messages)


# The first four are the examples of RFC 5424, section 6.5.
MODERN = {
    "without structured data": (
        (
            b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf"
            b"'su root' failed for lonvick on /dev/pts/8"
        ),
        {
            "facility": "auth",
            "severity": "critical",
            "host": "mymachine.example.com",
            "app": "su",
            "process": None,
            "message_id": "ID47",
            "text": "'su root' failed for lonvick on /dev/pts/8",
            "time": datetime(2003, 10, 11, 22, 14, 15, 3000, tzinfo=UTC),
        },
    ),
    "with an offset": (
        (
            b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to"
            b" make the do-nuts."
        ),
        {
            "facility": "local4",
            "severity": "notice",
            "process": "8710",
            "time": datetime(2003, 8, 24, 12, 14, 15, 3, tzinfo=UTC),
        },
    ),
    "with structured data": (
        (
            b'<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [exampleSDID@32473 iut="3"'
            b' eventSource="Application" eventID="1011"] An application event'
        ),
        {
            "structured": {
                "exampleSDID@32473": {
                    "iut": "3",
                    "eventSource": "Application",
                    "eventID": "1011",
                }
            },
            "text": "An application event",
        },
    ),
    "with structured data alone": (
        b'<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [a@1 x="1"][b@1 class="high"]',
        {"structured": {"a@1": {"x": "1"}, "b@1": {"class": "high"}}, "text": ""},
    ),
    "of which nothing is known": (
        b"<0>1 - - - - - -",
        {"facility": "kern", "severity": "emergency", "host": None, "time": None, "text": ""},
    ),
    "with escaped values that come again": (
        rb'<13>1 - h a - - [x@1 v="a\"b\\c\]d" v="2" v="\n"] t',
        {"structured": {"x@1": {"v": ['a"b\\c]d', "2", "\\n"]}}, "text": "t"},
    ),
    "in bytes that are no text": (
        b"<13>1 - h a - - - caf\xe9 \0 end",
        {"text": "caf\\xe9 \\x00 end"},
    ),
}


@pytest.mark.parametrize("name", MODERN)
def test_a_message_of_rfc_5424_says_what_it_says(name: str) -> None:
    frame, expected = MODERN[name]
    found = parse(frame)
    assert found.form is Form.RFC5424
    assert {key: getattr(found, key) for key in expected} == expected


OLD = {
    "the example of RFC 3164": (
        b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick",
        ("mymachine", "su", None, "Oct 11 22:14:15", "'su root' failed for lonvick"),
    ),
    "of a program of the machine, without a host": (
        b"<13>Feb  5 17:32:18 cron[123]: (root) CMD (x)",
        (None, "cron", "123", "Feb  5 17:32:18", "(root) CMD (x)"),
    ),
    "without time and tag": (b"<13>it is broken", (None, None, None, None, "it is broken")),
    "with a version in its text": (b"<13>2 files", (None, None, None, None, "2 files")),
    "in rsyslog's forward format": (
        b"<30>2026-11-28T02:00:00.123456+01:00 web-1 app[9]: hello",
        ("web-1", "app", "9", None, "hello"),
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_an_older_message_is_marked_as_such(name: str) -> None:
    frame, expected = OLD[name]
    found = parse(frame)
    assert found.form is Form.RFC3164
    assert (found.host, found.app, found.process, found.time_text, found.text) == expected


NONE = {
    "nothing": b"",
    "no priority": b"hello",
    "a priority without end": b"<13",
    "a priority that is none": b"<192>1 - - - - - -",
    "a priority with zeros": b"<013>1 - - - - - -",
    "a huge priority": b"<99999999999>x",
    "a header that ends": b"<13>1 - h",
    "a time of no calendar": b"<13>1 2026-13-01T00:00:00Z h a - - - x",
    "a time without a zone": b"<13>1 2026-12-01T00:00:00 h a - - - x",
    "a time before all": b"<13>1 0001-01-01T00:00:00+14:00 h a - - - x",
    "a leap second": b"<13>1 2026-12-31T23:59:60Z h a - - - x",
    "structured data without an end": b'<13>1 - h a - - [x@1 v="',
    "structured data with text": b"<13>1 - h a - - [x@1 v=1] t",
    "no structured data": b"<13>1 - h a - - hello",
    "text at once behind it": b'<13>1 - h a - - [x v="1"]t',
    "too many elements": b"<13>1 - h a - - " + b"".join(b"[e%d]" % n for n in range(100)),
    "control characters in the header": b"<13>1 - h\x1b a - - - x",
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_message_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable):
        parse(NONE[name])


FRAGMENTS = st.sampled_from(
    [b"<13>", b"<34>1 ", b"-", b" ", b"[", b"]", b'"', b"\\", b"=", b"a@1", b"Oct 11 22:14:15 ",
     b"2026-11-28T02:00:00Z", b":", b"\xff", b"\0", b"\n", b"\xed\xa0\x80", b"12"]
)  # fmt: skip
ANYTHING = st.one_of(st.binary(max_size=300), st.lists(FRAGMENTS, max_size=40).map(b"".join))


@settings(deadline=None)
@given(ANYTHING)
def test_whatever_comes_is_a_record_that_the_log_takes(data: bytes) -> None:
    told, refused = Story(SOURCE).told([Frame(data, len(data))])
    _, record = told
    assert decode(encode_masked(record)).sequence == 2
    assert len(record.summary) <= 300
    assert not any(letter < " " or "\x7f" <= letter < "\xa0" for letter in record.summary)
    assert bool(refused) == record.action.endswith("unreadable")


@settings(deadline=None)
@given(st.lists(ANYTHING.filter(bool), max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_frames_are_the_same_however_they_are_cut(messages: list[bytes], sizes: list[int]) -> None:
    stream, framing, found = counted(*messages), Counted(), []
    at, turn = 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += framing.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert [frame.data for frame in found] == messages
    assert framing.broken is None
    assert not framing.begun


@settings(deadline=None)
@given(st.lists(ANYTHING, max_size=8))
def test_no_bytes_make_framing_keep_more_than_it_may(parts: list[bytes]) -> None:
    for framing in (Counted(), Either()):
        for part in parts:
            for frame in framing.feed(part):
                assert len(frame.data) <= MAX_KEPT_BYTES
                assert frame.size_bytes >= len(frame.data)


def test_a_long_message_is_cut_and_the_next_is_whole() -> None:
    long, framing = b"<13>" + b"x" * 100_000, Counted()
    first, second = framing.feed(counted(long, b"<13>next"))
    assert (len(first.data), first.size_bytes, first.cut) == (MAX_KEPT_BYTES, len(long), True)
    assert (second.data, second.cut) == (b"<13>next", False)
    told, _ = Story(SOURCE).told([first])
    assert told[1].data["cut_from_bytes"] == len(long)


LENGTHS = {
    "none": b" <13>x",
    "zero": b"0 ",
    "with a zero before": b"08 <13>abcd",
    "negative": b"-5 x",
    "with a sign": b"+5 x",
    "in other digits": "٣ x".encode(),
    "too large": b"%d x" % (MAX_FRAME_BYTES + 1),
    "endless": b"9" * 5000,
    "of words": b"GET / HTTP/1.1\r\n",
}


@pytest.mark.parametrize("name", LENGTHS)
def test_what_is_no_length_breaks_the_stream_at_once(name: str) -> None:
    framing = Counted()
    frames = framing.feed(counted(b"<13>before") + LENGTHS[name] + counted(b"<13>after"))
    assert [frame.data for frame in frames] == [b"<13>before"]
    assert framing.broken is not None
    assert framing.feed(counted(b"<13>later")) == []


def test_who_sends_lines_over_tls_is_told_what_to_set() -> None:
    framing = Counted()
    framing.feed(b"<13>Oct 11 22:14:15 h a: x\n")
    assert "octet-counted" in str(framing.broken)


def test_on_a_local_stream_lines_and_zero_bytes_end_messages() -> None:
    framing = Either()
    frames = framing.feed(b"<13>one\n<13>two\0\n<13>th")
    assert [frame.data for frame in frames] == [b"<13>one", b"<13>two"]
    assert framing.begun
    assert [frame.data for frame in framing.feed(b"ree\n")] == [b"<13>three"]
    (long,) = framing.feed(b"<13>" + b"y" * 50_000 + b"\n")
    assert (len(long.data), long.size_bytes) == (MAX_KEPT_BYTES, 50_004)


def test_a_connection_is_one_numbered_stream_with_both_its_ends() -> None:
    story = Story(SOURCE)
    assert story.closed("the client left") == [], "it has sent nothing"
    records, refused = story.told([Frame(b"<13>a", 5), Frame(b"b", 1), Frame(b"<13>c", 5)])
    records += story.closed("the client left")
    assert [each.sequence for each in records] == [1, 2, 3, 4, 5]
    assert len({each.stream for each in records}) == 1
    assert [each.action.removeprefix("reported.syslog") for each in records] == [
        ".open", "", ".unreadable", "", ".close",
    ]  # fmt: skip
    assert [each.data for each in refused] == [b"b"]
    assert records[-1].data["messages"] == 3
    again, _ = Story(SOURCE).told([Frame(b"<13>a", 5)])
    assert again[0].stream != records[0].stream


def test_a_record_keeps_all_that_a_message_says() -> None:
    told, _ = Story(SOURCE).told([Frame(MODERN["with structured data"][0], 10)])
    data = json.loads(json.dumps(dict(told[1].data)))
    assert data["structured"] == {
        "exampleSDID@32473": {"iut": "3", "eventSource": "Application", "eventID": "1011"}
    }
    assert (data["reported_time"], data["address"]) == (
        "2003-10-11T22:14:15.003000Z",
        "192.0.2.1",
    )
    assert (told[1].object, told[1].source) == ("host/evntslog", "syslog:web-1")


def test_a_terminal_is_safe_from_what_a_message_holds() -> None:
    told, _ = Story(SOURCE).told([Frame(b"<13>\x1b[2J\x07gone\r\nsecond", 20)])
    assert told[1].summary == "[2J gone second"
    assert isinstance(parse(b"<13>x"), Message)


def test_a_client_that_is_too_fast_is_read_from_later_and_others_are_not() -> None:
    now = 1000.0
    pace = Pace(100, lambda: now)
    assert pace.pause_s("a", 200) == 0
    assert pace.pause_s("a", 50) == pytest.approx(0.5)
    assert pace.pause_s("b", 200) == 0
    now += 10
    assert pace.pause_s("a", 200) == 0
