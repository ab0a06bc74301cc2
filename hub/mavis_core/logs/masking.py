"""Secrets in texts, found by their form and replaced by what they were.

For what nobody knew to be a secret: a person's command, another system's record. Whoever opens a
key masks its value; this is the net below. `mavis_kernel.notebook.masking` is the same file, since
a kernel masks what it reports before it leaves, and knows nothing of the appliance.

*Mask*: ``[masked: AWS secret key]``. No mask holds anything that is masked again.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["mask", "mask_value", "may_hold_secret", "names_secret"]

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_RUNS = bytes(ord("a") if byte in _BASE64 else ord(" ") for byte in range(256))
_FORTY = b"a" * 40  # letters of an AWS secret key
_ALONE = b" " + _FORTY + b" "
_NAMES = re.compile(
    r"(?:.*[_.-])?(?:passw(?:or)?d|passphrase|pwd|secret|secret_?(?:access_?)?key|(?:session|access|"
    r"refresh|id|auth|bearer|security)_?token|token|client_?secret|private_?key|api_?key|"
    r"authorization)\Z"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OUR_ID = re.compile(r"[a-z]{2,5}_[0-7][0-9a-hjkmnp-tv-z]{25}\Z")
_NO_SECRET = frozenset({"none", "null", "true", "false", "undefined", "nil", "***"})
_Replace = Callable[[re.Match[str]], str]


def _all(kind: str) -> _Replace:
    return lambda _: f"[masked: {kind}]"


def _value(kind: str) -> _Replace:
    """Return what keeps the groups ``before`` and ``after`` around a mask."""
    return lambda match: f"{match['before']}[masked: {kind}]{match['after']}"


def _aws_secret_key(match: re.Match[str]) -> str:
    """Mask what is random; hashes, paths and words of forty letters are not."""
    text = match[0]
    upper, lower = sum(map(str.isupper, text)), sum(map(str.islower, text))
    digits, slashes = sum(map(str.isdigit, text)), text.count("/")
    random = upper >= 5 and lower >= 5 and (digits >= 1 or "+" in text) and slashes <= 6
    return "[masked: AWS secret key]" if random else text


def _basic(match: re.Match[str]) -> str:
    """Mask what is a name and a password in base 64, and leave "basic authentication"."""
    try:
        pair = base64.b64decode(match["secret"] + "=" * (-len(match["secret"]) % 4), validate=True)
    except (ValueError, binascii.Error):
        return match[0]
    return f"{match['before']}[masked: basic authorization]" if b":" in pair else match[0]


def _assigned(match: re.Match[str]) -> str:
    name, secret = match["name"].lower(), match["secret"]
    if secret.lower() in _NO_SECRET or _OUR_ID.match(secret):
        return match[0]
    if "=" not in match["sign"] and not match["quote"] and secret.isalpha():
        return match[0]  # "the token: unknown" is a sentence
    return f"{match['name']}{match['sign']}{match['quote']}[masked: {_kind(name)}]"


def _kind(name: str) -> str:
    """Return what something with this name in small letters is."""
    if "pass" in name or "pwd" in name:
        return "password"
    return "token" if "token" in name else "secret"


# Each bounded in how far it looks back, so that no text takes longer than its length.
_FORMS: tuple[tuple[re.Pattern[str], _Replace], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.DOTALL,
        ),
        _all("private key"),
    ),
    (
        re.compile(r"\beyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]*+"),
        _all("JWT"),
    ),
    (
        re.compile(r"(?:IQoJb3JpZ2lu|F[QwG]oGZXIvYXdz)[A-Za-z0-9/+=%]{50,}+"),
        _all("AWS session token"),
    ),
    (
        re.compile(
            r"(?P<before>\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>\[\]]{0,100}:)"
            r"[^\s/@\"'<>\[\]]{1,300}(?P<after>@)"
        ),
        _value("URL password"),
    ),
    (
        re.compile(
            r"(?i)(?P<before>\bauthorization\\?[\"']?\s{0,5}[:=,]\s{0,5}\\?[\"']?"
            r"(?:(?:bearer|basic|token|digest|negotiate|aws4-hmac-sha256)\s{1,5})?)"
            r"(?!\[masked)(?!(?:bearer|basic|token|digest|negotiate|aws4-hmac-sha256)\b)"
            r"[^\s\"'\\,;\[\]]{4,}+(?P<after>)"
        ),
        _value("authorization"),
    ),
    (
        re.compile(
            r"(?i)(?P<before>\bbearer\s{1,5})(?=[a-z._~+/-]{0,200}\d)[\w.~+/-]{16,}+=*+"
            r"(?P<after>)"
        ),
        _value("bearer token"),
    ),
    (
        re.compile(r"(?i)(?P<before>\bbasic\s{1,5})(?P<secret>[a-z0-9+/]{8,}+)=*+"),
        _basic,
    ),
    (
        re.compile(
            r"(?i)(?P<name>(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{0,40}?(?:passw(?:or)?d|passphrase|pwd|"
            r"secret|token|(?:api|secret|access|private)[_-]?key))"
            r"(?P<sign>\\?[\"']?\s{0,5}(?:=|:)\s{0,5})(?P<quote>\\?[\"']?)"
            r"(?P<secret>[^\s\"'\\(){}\[\],;&<>=]{3,}+)(?![(\[{])"
        ),
        _assigned,
    ),
    (
        re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
        _aws_secret_key,
    ),
)


def may_hold_secret(text: bytes) -> bool:
    """Return whether `text`, or JSON with it, has a sign of a secret: false for nearly all.

    Whatever `mask` would change has one. It takes some microseconds.
    """
    low = text.lower()
    if (
        b"pass" in low  # one by one: twice as fast as a loop or a pattern
        or b"token" in low
        or b"secret" in low
        or b"key" in low
        or b"pwd" in low
        or b"authorization" in low
        or b"bearer" in low
        or b"basic" in low
        or b"eyj" in low
        or b"iqojb3" in low
        or b"ogzxivyxdz" in low
        or (b"@" in low and b"://" in low)
    ):
        return True
    # In JSON the letter of an escape, as in "\\n", may stand before a key.
    runs = text.translate(_RUNS)
    return _FORTY in runs and (b"\\" in text or _ALONE in b" %b " % runs)


def mask(text: str) -> str:
    """Return `text` with each secret in it replaced by what it was."""
    for form, replace in _FORMS:
        text = form.sub(replace, text)
    return text


def mask_value(value: Any) -> Any:
    """Return what JSON can hold with each secret masked, by its form or by its name."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(name)): _member(str(name), each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [mask_value(each) for each in value]
    return value


def _member(name: str, value: Any) -> Any:
    if (
        isinstance(value, str)
        and value
        and names_secret(name)
        and not value.startswith("[masked: ")
    ):
        known = value.lower() in _NO_SECRET or _OUR_ID.match(value)
        return value if known else f"[masked: {_kind(name.lower())}]"
    return mask_value(value)


def names_secret(name: str) -> bool:
    """Return whether what has this name is a secret: `AWS_SECRET_ACCESS_KEY`, `dbPassword`."""
    return bool(_NAMES.match(_CAMEL.sub("_", name).lower()))
