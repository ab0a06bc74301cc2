"""botocore's exceptions become ours here, the most specific first.

Two families come in: `ClientError`, an answer in which AWS says no with a code, and
`BotoCoreError`, no answer at all. `_ANSWERS` and `_FAILURES` are the tables; the first line
that fits decides. AWS's own words are shown for refusals that concern a thing or a permission,
not for those of a key, and without what looks like a secret: where a signature does not match,
AWS sends the session token back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from mavis_core.errors import (
    CloudCredentials,
    CloudDenied,
    CloudError,
    CloudInUse,
    CloudQuota,
    CloudRegion,
    CloudThrottled,
    CloudUnreachable,
    CloudVanished,
    InvalidInput,
    MavisError,
)
from mavis_core.kits.aws.operations import operation

__all__ = ["QUOTA", "THROTTLING", "code_of", "translate", "translated"]

# Refused before anything happened. The first two lines are the codes of EC2 and STS
# (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html), the third belongs
# to EBS: at most one snapshot of a volume in 15 seconds.
THROTTLING = frozenset(
    {
        *("RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException"),
        *("RequestThrottled", "RequestThrottledException", "EC2ThrottledException", "SlowDown"),
        "SnapshotCreationPerVolumeRateExceeded",
    }
)
# No room for more, and nothing was made
# (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html)
QUOTA = frozenset(
    {
        *("SnapshotLimitExceeded", "ConcurrentSnapshotLimitExceeded", "ResourceLimitExceeded"),
        *("PendingSnapshotCopyLimitExceeded", "VolumeLimitExceeded", "MaxIOPSLimitExceeded"),
        *("InstanceLimitExceeded", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded"),
        *("AttachmentLimitExceeded", "SecurityGroupLimitExceeded", "ImageLimitExceeded"),
        *("PrivateIpAddressLimitExceeded", "InsufficientFreeAddressesInSubnet"),
        *("InsufficientInstanceCapacity", "InsufficientVolumeCapacity", "InsufficientCapacity"),
        *("ServiceQuotaExceededException", "LimitExceededException"),
    }
)
_IN_USE = frozenset(
    {
        *("VolumeInUse", "InvalidSnapshot.InUse", "InvalidGroup.InUse", "InvalidAMIID.InUse"),
        *("IncorrectState", "IncorrectInstanceState", "IncorrectSnapshotState"),
        *("DependencyViolation", "ResourceInUse", "ResourceInUseException"),
        "OperationNotPermitted",
    }
)
_VANISHED = frozenset(
    {
        *("ResourceNotFoundException", "InvalidAMIID.Unavailable"),
        "IdempotentInstanceTerminated",  # what the token launched is gone
        *("InvalidInstanceId", "InvocationDoesNotExist", "InvalidCommandId"),
    }
)
_SHARES = "ec2:ModifySnapshotAttribute"
_UNSHAREABLE = frozenset({"OperationNotPermitted", "InvalidParameter"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_CLOCK = frozenset({"RequestExpired", "RequestInTheFuture"})
_WRONG_KEY = frozenset(
    {
        *("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken"),
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature"),
        *("MissingAuthenticationToken", "InvalidSignatureException"),
    }
)
_DENIED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"})
_REGION = frozenset({"OptInRequired", "RegionDisabledException", "InvalidRegion", "UnknownRegion"})
_PERFORM = re.compile(r"not authorized to perform:?\s+([a-z0-9-]+:[A-Za-z0-9*]+)")
_SECRET = re.compile(r"(?<![\w/+=:.-])[A-Za-z0-9/+=_-]{36,}(?![\w:.])|\b(?:AKIA|ASIA)[A-Z0-9]{12,}")
_WORDS_LENGTH = 400


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that says no.

    Parameters
    ----------
    code, status, words
        AWS's error code, the HTTP status and the message.
    action
        The permission that the call needs, as a policy writes it: ``ec2:DescribeVolumes``.
    region, subject
        Where, and on which thing, in our words; the subject may be empty.
    """

    code: str
    status: int
    words: str
    action: str
    region: str
    subject: str

    @property
    def call(self) -> str:
        """The call in words, for the beginning of a message."""
        thing = f" of {self.subject}" if self.subject else ""
        return f"{self.action}{thing} in {self.region}"


@contextmanager
def translated(region: str, subject: str = "") -> Iterator[None]:
    """Raise botocore's exceptions of the block as ours; `subject` is the thing at hand."""
    try:
        yield
    except (boto.ClientError, boto.BotoCoreError, ResponseParserError) as exc:
        raise translate(exc, region=region, subject=subject) from exc


def code_of(exc: boto.ClientError) -> str:
    """Return AWS's error code."""
    return str(exc.response.get("Error", {}).get("Code", "")).removeprefix("Client.")


def translate(
    exc: boto.ClientError | boto.BotoCoreError | ResponseParserError,
    *,
    region: str,
    subject: str = "",
) -> MavisError:
    """Return the error of ours that `exc` is."""
    if isinstance(exc, boto.ClientError):
        return _from_answer(_answer(exc, region, subject))
    for kinds, build in _FAILURES:
        if isinstance(exc, kinds):
            return build(exc, region)
    return CloudError(f"The AWS library cannot call {region}: {type(exc).__name__}")


def _answer(exc: boto.ClientError, region: str, subject: str) -> _Answer:
    error: dict[str, Any] = dict(exc.response.get("Error", {}))
    metadata: dict[str, Any] = dict(exc.response.get("ResponseMetadata", {}))
    words = str(error.get("Message", ""))
    service = operation(exc.operation_name).service
    named = _PERFORM.search(words)
    return _Answer(
        code=code_of(exc),
        status=int(metadata.get("HTTPStatusCode", 0)),
        words=words,
        action=named.group(1) if named else f"{service}:{exc.operation_name}",
        region=region,
        subject=subject,
    )


def _from_answer(answer: _Answer) -> MavisError:
    for fits, build in _ANSWERS:
        if fits(answer):
            return build(answer)
    return CloudError(f"{answer.call} was refused: {answer.code}: {_clean(answer.words)}")


def _clean(words: str) -> str:
    """Return AWS's words on one line, without the encoded policy and what may be a secret."""
    words = words.split("Encoded authorization failure message", maxsplit=1)[0]
    return _SECRET.sub("…", " ".join(words.split()))[:_WORDS_LENGTH]


def _throttled(answer: _Answer) -> MavisError:
    return CloudThrottled(
        f"AWS refuses {answer.call} for now ({answer.code}), and waiting did not help",
        retry_after_s=30.0,
    )


def _expired(answer: _Answer) -> MavisError:
    return CloudCredentials(
        f"The session of the environment's key has expired ({answer.code} at {answer.call})",
        mend="Store a key whose session is still valid, or use a role, which renews itself.",
    )


def _clock(answer: _Answer) -> MavisError:
    return CloudCredentials(
        f"AWS finds the time of the request wrong ({answer.code} at {answer.call})",
        mend="Set this machine's clock; where it is right, store a new key: its session is over.",
    )


def _wrong_key(answer: _Answer) -> MavisError:
    return CloudCredentials(
        f"AWS does not accept the environment's key ({answer.code} at {answer.call})",
        mend="Store a new key and set it on the environment; check that the region is enabled.",
    )


def _denied(answer: _Answer) -> MavisError:
    return CloudDenied(
        f"The environment's key may not {answer.call}: {_clean(answer.words)}",
        mend=f"Allow {answer.action} in the policy of the environment's user or role"
        + (" and in the role's trust policy." if answer.action.startswith("sts:") else "."),
    )


def _region(answer: _Answer) -> MavisError:
    return CloudRegion(
        f"The account has not enabled the region {answer.region} ({answer.code})",
        mend="Enable the region in the account, or take it out of the environment.",
    )


def _vanished(answer: _Answer) -> MavisError:
    thing = answer.subject or _clean(answer.words)
    return CloudVanished(f"Gone in {answer.region}: {thing} ({answer.code})")


def _quota(answer: _Answer) -> MavisError:
    return CloudQuota(
        f"The account has no room for {answer.call} ({answer.code}): {_clean(answer.words)}",
        retry_after_s=60.0,
    )


def _in_use(answer: _Answer) -> MavisError:
    return CloudInUse(f"AWS does not do {answer.call} now ({answer.code}): {_clean(answer.words)}")


def _unshareable(answer: _Answer) -> MavisError:
    return CloudDenied(
        f"AWS does not share {answer.subject or answer.call} ({answer.code}):"
        f" {_clean(answer.words)}",
        mend="Encrypt the volumes with a key of the customer's; the default key stays at home.",
    )


def _invalid(answer: _Answer) -> MavisError:
    return InvalidInput(f"{answer.call} makes no sense to AWS: {_clean(answer.words)}")


def _malformed(answer: _Answer) -> MavisError:
    return InvalidInput(f"AWS knows no such id: {answer.subject or answer.call}", field="cloud_id")


def _own_fault(answer: _Answer) -> MavisError:
    return CloudUnreachable(
        f"AWS failed at {answer.call} ({answer.code or answer.status}, HTTP {answer.status})",
        mend="Wait and retry; look at the AWS Health Dashboard if this lasts.",
        retry_after_s=10.0,
    )


_ANSWERS: tuple[tuple[Callable[[_Answer], bool], Callable[[_Answer], MavisError]], ...] = (
    (lambda a: a.code in THROTTLING, _throttled),
    (lambda a: a.code in _EXPIRED, _expired),
    (lambda a: a.code in _CLOCK, _clock),
    (lambda a: a.code in _DENIED, _denied),
    (lambda a: a.code in _REGION, _region),
    (lambda a: a.code in _WRONG_KEY, _wrong_key),
    (lambda a: a.code in QUOTA, _quota),
    (lambda a: a.action == _SHARES and a.code in _UNSHAREABLE, _unshareable),
    (lambda a: a.code in _IN_USE or "Locked" in a.code, _in_use),
    (lambda a: "already in use" in a.words, _in_use),
    (lambda a: a.code in _VANISHED or a.code.endswith(".NotFound"), _vanished),
    (lambda a: a.code.endswith(".Malformed"), _malformed),
    (lambda a: a.code == "ValidationException", _invalid),
    (lambda a: a.status >= 500 or a.status == 0, _own_fault),
)


def _no_region(exc: Exception, region: str) -> MavisError:
    return CloudRegion(f"AWS has no region {region} ({type(exc).__name__})")


def _no_credentials(exc: Exception, region: str) -> MavisError:  # noqa: ARG001  the table's form
    return CloudCredentials(
        f"There are no usable credentials for the environment ({type(exc).__name__})",
        mend="Set a key on the environment, or complete its profile in the AWS configuration.",
    )


def _no_trust(exc: Exception, region: str) -> MavisError:  # noqa: ARG001  the table's form
    return CloudUnreachable(
        f"The certificate of the endpoint for {region} is not trusted",
        mend="Set `ca_bundle` in the AWS configuration file, or remove what intercepts TLS.",
    )


def _no_answer(exc: Exception, region: str) -> MavisError:
    return CloudUnreachable(
        f"AWS gave no answer in {region} ({type(exc).__name__})", retry_after_s=10.0
    )


_Kinds = type[Exception] | tuple[type[Exception], ...]
_FAILURES: tuple[tuple[_Kinds, Callable[[Exception, str], MavisError]], ...] = (
    (
        (
            boto.UnknownRegionError,
            boto.InvalidRegionError,
            boto.NoRegionError,
            boto.UnknownEndpointError,
        ),
        _no_region,
    ),
    (
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.ProfileNotFound,
            boto.InvalidConfigError,
            boto.ConfigParseError,
            boto.MetadataRetrievalError,
            boto.RefreshWithMFAUnsupportedError,
            boto.SSOError,
        ),
        _no_credentials,
    ),
    (boto.SSLError, _no_trust),
    (
        (
            boto.ConnectionError,
            boto.HTTPClientError,
            boto.ResponseStreamingError,
            boto.IncompleteReadError,
            ResponseParserError,  # the page of a proxy instead of an answer
        ),
        _no_answer,
    ),
)
