"""What bad input gets: problem details with a mend, a record, and nothing half done."""

from __future__ import annotations

import json
import socket
import string
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core_double import plan_document
from mavis_ext.app import API
from mavis_ext.base import MAX_BODY
from rest_service import Answer, RestService

DATABASES = ["sqlite", "postgresql"]  # what one of them cannot hold must not get that far
SECRET = "wJalrXUtnFEMI-not-a-real-key"
GOOD: dict[str, dict[str, Any]] = {
    "POST /keys": {
        "name": "good",
        "kind": "fake",
        "value": {"access_key_id": "A", "secret_access_key": "B"},
    },
    "POST /projects": {"name": "good", "title": "Good"},
    "PUT /projects/shop/members/user:good": {"role": "viewer"},
    "POST /projects/shop/environments": {
        "name": "good",
        "kit": "fake",
        "account": "1",
        "regions": ["here-1"],
        "key": None,
        "options": {},
    },
    "POST /projects/shop/discoveries": {"environment": "main"},
    "POST /projects/shop/previews": {
        "action": "resource.tag",
        "resource": "web-1",
        "arguments": {"tags": {"a": "b"}},
    },
    "POST /projects/shop/previews/pre_none/apply": {"hash": "x", "confirm": "shop"},
    "POST /projects/shop/backup-plans": {
        "name": "good",
        "definition": plan_document(),
        "dry_run": True,
    },
    "PUT /projects/shop/backup-plans/none": {
        "definition": plan_document(),
        "version": 1,
        "dry_run": True,
    },
    "POST /projects/shop/backup-plans/none/runs": {"rule": "daily", "dry_run": True},
    "POST /projects/shop/recovery-points/rp_none/copies": {
        "environment": "main",
        "region": "here-1",
        "kms_key": "a-key",
        "dry_run": True,
    },
    "POST /projects/shop/recovery-points/rp_none/verifications": {
        "environment": "main",
        "region": "here-1",
        "subnet": "subnet-1",
        "instance_type": "m7.large",
        "check": "true",
        "without_agent": "tell",
        "timeout": 600,
        "blocks": 0,
        "dry_run": True,
    },
    "PUT /projects/shop/recovery-points/rp_none/hold": {"reason": "case 7"},
    "DELETE /projects/shop/recovery-points/rp_none/hold": {"reason": "case 7"},
    "PUT /projects/shop/recovery-points/rp_none/lock": {
        "mode": "governance",
        "for": "7d",
        "dry_run": True,
    },
    "DELETE /projects/shop/recovery-points/rp_none/lock": {"dry_run": True},
    "POST /projects/shop/restores": {
        "point": "rp_none",
        "kind": "instance",
        "environment": "main",
        "region": "here-1",
        "instance_type": "m7.large",
        "subnet": "subnet-1",
        "security_groups": ["sg-1"],
        "key_name": "ops",
        "profile": "web",
        "name": "web-2",
        "dry_run": True,
    },
    "POST /projects/shop/recovery-points": {
        "resource": "web-1",
        "description": "x",
        "dry_run": True,
    },
    "POST /projects/shop/runs/run_none/cancel": {},
}
DEEP = 100_000
NOT_JSON = [
    pytest.param(b"{", id="cut off"),
    pytest.param(b"name=x", id="a form"),
    pytest.param(b"\xff\xfe\x00", id="no text"),
    pytest.param(b'{"name": NaN}', id="NaN"),
    pytest.param(b'{"name": Infinity}', id="Infinity"),
    pytest.param(b'{"name": 1e999}', id="number without end"),
    pytest.param(b'{"name": ' + b"9" * 5000 + b"}", id="very long number"),
    pytest.param(b"[" * DEEP + b"]" * DEEP, id="deep lists"),
    pytest.param(b'{"a":' * DEEP + b"1" + b"}" * DEEP, id="deep objects"),
    pytest.param(b'{"name": "\\ud800"}', id="half a letter"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'"text"', id="a text"),
    pytest.param(b"7", id="a number"),
]


def state(rest: RestService) -> list[Any]:
    """Return what a change would change."""
    paths = ("/projects", "/keys", "/projects/shop/members", "/projects/shop/environments")
    shown = [rest.ask("GET", path).json["items"] for path in paths]
    return [*shown, [run["id"] for run in rest.ask("GET", "/projects/shop/runs").json["items"]]]


def refused(rest: RestService, answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code)
    record = rest.record_of(answer)
    assert record is not None
    assert (record["action"], record["error_code"]) == ("api.refused", code)


@pytest.mark.parametrize("operation", GOOD)
@pytest.mark.parametrize("content", NOT_JSON)
def test_a_body_that_is_none_is_refused(rest: RestService, operation: str, content: bytes) -> None:
    method, path = operation.split()
    before = state(rest)
    refused(rest, rest.ask(method, path, raw=content), 400, "invalid_input")
    assert state(rest) == before


@pytest.mark.parametrize("operation", GOOD)
def test_an_unknown_field_and_each_wrong_type_are_named(rest: RestService, operation: str) -> None:
    method, path = operation.split()
    before = state(rest)
    answer = rest.ask(method, path, body=GOOD[operation] | {"surprise": 1})
    refused(rest, answer, 400, "invalid_input")
    assert answer.json["field"] == "surprise"
    for field, good in GOOD[operation].items():
        for wrong in ("text", 7, True, [], {"a": {}}, ["x", 1]):
            if type(wrong) is type(good) or (field == "key" and wrong == "text"):
                continue
            answer = rest.ask(method, path, body=GOOD[operation] | {field: wrong})
            refused(rest, answer, 400, "invalid_input")
            assert answer.json["field"].split(".")[0] == field
    assert state(rest) == before


@pytest.mark.parametrize(
    ("written", "status"),
    [
        (b"600", 404),
        (b"600.0", 404),
        (b"6e2", 404),
        (b"600.5", 400),
        (b"1e17", 400),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(
    rest: RestService, written: bytes, status: int
) -> None:
    path = "/projects/shop/recovery-points/rp_none/verifications"
    answer = rest.ask("POST", path, raw=b'{"timeout": ' + written + b"}")
    assert answer.status == status, answer.content


@pytest.mark.parametrize("operation", GOOD)
def test_a_body_that_is_too_large_is_413(rest: RestService, operation: str) -> None:
    method, path = operation.split()
    for size in (MAX_BODY + 1, 10 * 1024 * 1024):
        answer = rest.ask(method, path, raw=b" " * size)
        refused(rest, answer, 413, "too_large")
    assert rest.ask(method, path, None, raw=b" " * (MAX_BODY + 1)).status == 401


def test_a_body_of_exactly_one_mebibyte_is_taken(rest: RestService) -> None:
    body = json.dumps(GOOD["POST /projects/shop/recovery-points"]).encode()
    answer = rest.ask("POST", "/projects/shop/recovery-points", raw=body.ljust(MAX_BODY))
    assert answer.status == 200, answer.content


def test_a_body_that_does_not_say_how_long_it_is_is_bounded_too(rest: RestService) -> None:
    chunk = b" " * 65536
    head = (
        f"POST {API}/projects HTTP/1.1\r\nHost: x\r\nAuthorization: token ada\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", rest.port), timeout=20) as connection:
        connection.sendall(head.encode())
        for _ in range(MAX_BODY // len(chunk) + 1):
            connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n")
        answer = b""
        while more := connection.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"too_large"' in answer


def test_a_long_unknown_name_does_not_come_back_whole(rest: RestService) -> None:
    answer = rest.ask("POST", "/projects", body={"name": "x", "y" * 500_000: 1})
    assert answer.code == "invalid_input"
    assert len(answer.content) < 2000


def test_control_characters_in_a_field_name_still_leave_a_record(rest: RestService) -> None:
    answer = rest.ask("POST", "/projects", body={"name": "x", "a\0b\x1b": 1})
    refused(rest, answer, 400, "invalid_input")
    record = rest.record_of(answer)
    assert record is not None
    assert record["data"]["detail"].isprintable()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"access_key_id": "A", "secret_access_key": [SECRET]}, id="list"),
        pytest.param({"access_key_id": "A", "secret": SECRET}, id="unknown part"),
        pytest.param({"access_key_id": SECRET}, id="missing part"),
        pytest.param(SECRET, id="not an object"),
        pytest.param([SECRET], id="list of parts"),
        pytest.param({"access_key_id": "A", "secret_access_key": SECRET * 1000}, id="too long"),
    ],
)
def test_a_key_that_is_refused_is_not_told(
    rest: RestService, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer = rest.ask("POST", "/keys", body={"name": "bad", "kind": "fake", "value": value})
    refused(rest, answer, 400, "invalid_input")
    assert SECRET not in answer.content.decode()
    assert SECRET not in str(rest.record_of(answer))
    assert SECRET not in caplog.text


def test_a_key_that_is_stored_never_comes_back(
    rest: RestService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    value = {"access_key_id": "AKIA-EXAMPLE", "secret_access_key": SECRET}
    body = {"name": "kept", "kind": "fake", "value": value}
    answers = [
        rest.ask("POST", "/keys", body=body),
        rest.ask("POST", "/keys", body=body),
        rest.ask("GET", "/keys"),
        rest.ask("DELETE", "/keys/kept"),
    ]
    assert [answer.status for answer in answers] == [201, 409, 200, 204]
    told = b"".join(answer.content for answer in answers).decode() + caplog.text
    told += str(rest.core.records_ever())
    with rest.core.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM keys").all()
    for word in (SECRET, "AKIA-EXAMPLE"):
        assert word not in told
        assert word not in str(rows)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["web-1", "main", "shop", "recovery_point.create", "resource.stop", "admin", "../x"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, object]:
    """Draw an operation with a body: any JSON, or a good one with a field or two changed."""
    operation = draw(st.sampled_from(sorted(GOOD)))
    if draw(st.integers(0, 3)) == 0:
        return operation, draw(JSON)
    good = GOOD[operation]
    fields = st.sampled_from(sorted(good) or ["hash"])
    changed = draw(st.dictionaries(fields, JSON, max_size=2))
    extra = draw(st.dictionaries(st.text(string.printable, max_size=8), JSON, max_size=1))
    left = draw(st.sets(fields, max_size=1))
    return operation, {k: v for k, v in {**good, **extra, **changed}.items() if k not in left}


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(requests())
def test_no_body_meets_a_bug(rest: RestService, request_: tuple[str, object]) -> None:
    operation, body = request_
    method, path = operation.split()
    answer = rest.ask(method, path, raw=json.dumps(body).encode())
    assert answer.status < 500, answer.content
    if answer.status >= 400:
        assert answer.code
        assert rest.record_of(answer) is not None


def test_of_many_who_edit_what_they_have_read_one_alone_does(rest: RestService) -> None:
    path = "/projects/shop/members/user:as-viewer"
    for role in ("operator", "viewer"):
        tag = rest.ask("GET", path).headers["ETag"]

        def edit(_: int, tag: str = tag, role: str = role) -> int:
            return rest.ask("PUT", path, body={"role": role}, If_Match=tag).status

        with ThreadPoolExecutor(6) as pool:
            told = sorted(pool.map(edit, range(6)))
        assert told == [200, 412, 412, 412, 412, 412]
