"""Secrets are masked by their form, and nothing of ours is."""

from __future__ import annotations

import hashlib
import json
import random
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from core_double import ACCOUNT, REGION, Core, sqlite_url
from mavis_core.ids import new_id
from mavis_core.logs import masking
from mavis_core.logs.codec import encode, encode_masked
from mavis_core.logs.masking import mask, mask_value, may_hold_secret
from mavis_core.testing.cloud import FakeCloud

AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of the documentation of AWS
SESSION = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJ" + "Aq9" * 60 + "=="
OLDER = "FwoGZXIvYXdzEJr//////////wEaD" + "Aq9" * 60
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
PEM = (
    Ed25519PrivateKey.generate()
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
BASIC = b64encode(b"ada:hunter2").decode()

SECRETS = {
    "an AWS key alone": (f"export X={AWS} now", AWS, "AWS secret key"),
    "an AWS key in JSON": (json.dumps({"a": AWS}), AWS, "AWS secret key"),
    "an AWS key by its name": (f"aws_secret_access_key = {AWS}", AWS, "secret"),
    "an AWS session token": (f"token {SESSION}", SESSION, "AWS session token"),
    "a private key": (f"cat <<END\n{PEM}END", PEM.splitlines()[1], "private key"),
    "a private key in JSON": (json.dumps(PEM), PEM.splitlines()[1], "private key"),
    "a private key cut short": (PEM[:80], PEM[40:80], "private key"),
    "a bearer token": (f"-H 'Authorization: Bearer {JWT[:30]}'", JWT[:30], "authorization"),
    "a token of the Hub": ("Authorization: token 8f14e45fceea167a", "8f14e45fceea167a", "auth"),
    "a bearer token alone": ("use bearer abcdef0123456789abcdef", "abcdef0123456789", "bearer"),
    "basic authorization": (f"Authorization: Basic {BASIC}", BASIC, "authorization"),
    "basic authorization alone": (f"sent Basic {BASIC} to it", BASIC, "basic authorization"),
    "a JWT": (f"?jwt={JWT}", JWT[40:], "JWT"),
    "a password": ("mysql --password=hunter2 -u root", "hunter2", "password"),
    "a password in quotes": ('connect(password="hunter2")', "hunter2", "password"),
    "a password in JSON": ('{"db_password": "hunter2"}', "hunter2", "password"),
    "a password in JSON in JSON": (r'"{\"password\": \"hunter2\"}"', "hunter2", "password"),
    "a password in YAML": ("password: hunter2", "hunter2", "password"),
    "a passphrase": ("PASSPHRASE=correct-horse", "correct-horse", "password"),
    "a token": ("GITLAB_TOKEN=a1b2c3d4", "a1b2c3d4", "token"),
    "an api key": ("api-key: a1b2c3d4", "a1b2c3d4", "secret"),
    "an older AWS session token": (f"x {OLDER}", OLDER, "AWS session token"),
    "a URL": ("psql postgresql://ada:hunter2@db:5432/x", "hunter2", "URL password"),
    "a URL without a name": ("redis://:hunter2@cache", "hunter2", "URL password"),
}
REST = {
    "an id": new_id("rec"),
    "an id by a name": f"ClientToken={new_id('int')}",
    "a hash": hashlib.sha256(b"x").hexdigest(),
    "a commit": hashlib.sha1(b"x").hexdigest(),
    "a hash in base 64": b64encode(hashlib.sha256(b"x").digest()).decode(),
    "a snapshot": "snap-0123456789abcdef0",
    "an ARN": "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "a role": "arn:aws:iam::111111111111:role/MavisOperationsForTheShopInProduction1",
    "an access key id": "AKIAIOSFODNN7EXAMPLE",
    "a sentence": "The token is unknown, has expired or was revoked",
    "a sentence with a colon": "About the token: unknown to the Hub",
    "basic words": "Basic authentication is off",
    "a path": "services/mavis/projects/shop/restores/abc",
    "a long path": "/usr/lib/python3/dist-packages/urllib3/util/retry/abcdefgh",
    "a URL": "https://mavis.example.org:8443/services/mavis/projects/shop?x=a@b",
    "an address": "mailto:ada@example.org",
    "code": "password=getpass('Password?')",
    "more code": "client(token=os.environ['TOKEN'], secret=None)",
    "a setting": "secret: true",
    "a public key": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----",
}


@pytest.mark.parametrize(("text", "secret", "kind"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_replaced_by_what_it_was(text: str, secret: str, kind: str) -> None:
    masked = mask(text)
    assert secret in text
    assert secret not in masked
    assert f"[masked: {kind}" in masked
    assert may_hold_secret(text.encode())
    assert mask(masked) == masked


def test_what_stands_around_a_secret_stays() -> None:
    assert mask("mysql --password=hunter2 -u root") == "mysql --password=[masked: password] -u root"
    assert mask("redis://ada:x@cache/0") == "redis://ada:[masked: URL password]@cache/0"
    assert mask(f"a\n{PEM}b") == "a\n[masked: private key]\nb"
    assert mask(f"{{'a': '{AWS}'}}") == "{'a': '[masked: AWS secret key]'}"


@pytest.mark.parametrize("text", REST.values(), ids=REST)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text
    assert mask_value({"text": [text, {"a": text}]}) == {"text": [text, {"a": text}]}


def test_nearly_all_random_aws_keys_are_found() -> None:
    """One in a thousand has no digit and looks like a long name."""
    rng = random.Random(20300131)
    keys = [b64encode(rng.randbytes(30)).decode() for _ in range(2000)]
    missed = [key for key in keys if mask(f"key {key}.") != "key [masked: AWS secret key]."]
    assert len(missed) <= 4, missed


def test_a_member_is_masked_by_its_name() -> None:
    told = {
        "password": "x",
        "SecretAccessKey": "y",
        "sessionToken": "z",
        "nested": [{"api_key": "k", "client_token": new_id("int"), "tokens": "3 of them"}],
        "token": None,
        "secret": "",
        "private_key": "none",
        "count": 3,
    }
    assert mask_value(told) == {
        "password": "[masked: password]",
        "SecretAccessKey": "[masked: secret]",
        "sessionToken": "[masked: token]",
        "nested": [{**told["nested"][0], "api_key": "[masked: secret]"}],  # type: ignore[index]
        "token": None,
        "secret": "",
        "private_key": "none",
        "count": 3,
    }
    assert mask_value(mask_value(told)) == mask_value(told)


PIECES = st.sampled_from(
    [text for text, *_ in SECRETS.values()]
    + list(REST.values())
    + ["password", "=", ":", "token", '"', "\\", "-----BEGIN PRIVATE KEY-----", "eyJ", ".", "://"]
    + [
        "@",
        "Authorization",
        "bearer ",
        "[masked: ",
        "]",
        " ",
        "\n",
        "x" * 50,
        "A1b/" * 10,
        "{",
        "(",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=20), max_size=12).map("".join)
VALUES = st.recursive(
    TEXTS | st.none() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(TEXTS)
def test_masking_twice_is_masking_once_and_the_look_before_misses_nothing(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked
    assert len(masked) <= 4 * len(text) + 30
    if masked != text:
        assert may_hold_secret(text.encode("utf-8", "surrogatepass"))


@given(VALUES)
def test_any_value_stays_of_its_form(value: object) -> None:
    masked = mask_value(value)
    assert type(masked) is type(value)
    assert mask_value(masked) == masked
    json.dumps(masked)


@pytest.mark.parametrize(
    "piece",
    [
        "password",
        "a-",
        "://",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "authorization ",
        "x://x:",
        "basic a",
    ],
)
def test_no_text_takes_more_than_its_length(piece: str) -> None:
    """A pattern that looks back without bound would take hours here."""
    mask(piece * (200_000 // len(piece)))


def test_the_kernel_masks_by_the_same_file() -> None:
    ours = Path(masking.__file__)
    theirs = Path(__file__).parents[2] / "mavis_kernel/mavis_kernel/notebook/masking.py"
    assert theirs.read_bytes() == ours.read_bytes()


def test_nothing_of_the_platforms_own_records_is_masked(tmp_path: Path) -> None:
    cloud = FakeCloud()
    core = Core(sqlite_url(tmp_path), cloud)
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    shop = core.shop()
    shop.discover()
    shop.plan()
    shop.back_up()
    shop.start("recovery_point.create", "web-1")
    core.carry_out()
    shop.start("resource.tag", "web-1", tags={"owner": "olga"})
    core.carry_out()
    records = core.records()
    core.close()
    assert len(records) > 20
    for record in records:
        assert encode_masked(record) == encode(record)
        assert mask_value(record.to_json()) == record.to_json()
