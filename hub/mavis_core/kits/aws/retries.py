"""When a call is sent again.

Whether an effect may have happened decides, not whether a repetition would succeed. A call that
AWS refused by throttling, or that never left this machine, had no effect and is repeated,
whatever it does. After a lost answer or a fault of AWS only calls are repeated that do no harm
when they happen twice, as the table of `operations` has it; CreateSnapshots does.

botocore's own retries cannot tell these apart and wait in silence, so they are limited to one
attempt, and this policy answers the event ``needs-retry`` instead
(https://docs.aws.amazon.com/boto3/latest/guide/events.html).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import (
    ConnectionError,  # noqa: A004  botocore's name for it
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    SSLError,
)

from mavis_core.contract import Waiting
from mavis_core.kits.aws.errors import QUOTA, THROTTLING
from mavis_core.kits.aws.operations import operation

__all__ = ["RetryPolicy", "attach"]

_SERVER_FAULTS = frozenset({500, 502, 503, 504})
# EBS takes one snapshot of a volume in 15 seconds
_AT_LEAST_S = {"SnapshotCreationPerVolumeRateExceeded": 15.0}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and after how long.

    Parameters
    ----------
    throttled_attempts
        Attempts of a call that AWS throttles.
    failed_attempts
        Attempts of a call that got no answer, where repeating is harmless.
    first_wait_s, longest_wait_s
        Waits double from the first to the longest; half of each is random.
    """

    throttled_attempts: int = 8
    failed_attempts: int = 3
    first_wait_s: float = 1.0
    longest_wait_s: float = 20.0

    def wait_s(self, attempts: int) -> float:
        """Return the seconds to wait after `attempts` have failed."""
        whole = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempts - 1))
        return whole * (1 + random.random()) / 2  # noqa: S311  jitter, no secret


class _Verdict(Enum):
    FINAL = "final"
    THROTTLED = "throttled"
    FAILED = "no answer"


def attach(client: BaseClient, policy: RetryPolicy, on_wait: Waiting | None) -> None:
    """Let `policy` decide for all calls of `client`; `on_wait` is told before each wait."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(
        f"needs-retry.{service}",
        _handler(policy, service, on_wait),  # type: ignore[arg-type]  # stub: answers are allowed
    )


def _handler(
    policy: RetryPolicy, service: str, on_wait: Waiting | None
) -> Callable[..., float | None]:
    """Return the event handler; botocore sleeps for as long as its answer says."""

    def needs_retry(
        *, event_name: str, response: Any, attempts: int, caught_exception: Any, **_: Any
    ) -> float | None:
        if caught_exception is None and response[0].status_code < 300:
            return None
        name, code = event_name.rpartition(".")[2], _code(response)
        verdict = _judge(name, response, code, caught_exception)
        limit = {
            _Verdict.FINAL: 0,
            _Verdict.THROTTLED: policy.throttled_attempts,
            _Verdict.FAILED: policy.failed_attempts,
        }[verdict]
        if attempts >= limit:
            return None
        wait_s = max(policy.wait_s(attempts), _AT_LEAST_S.get(code, 0.0))
        if on_wait is not None:
            on_wait(wait_s, f"{service}:{name}: {verdict.value}")
        return wait_s

    return needs_retry


def _code(response: Any) -> str:
    """Return AWS's error code, or nothing; `response` is a pair of HTTP answer and its parse."""
    return "" if response is None else str(response[1].get("Error", {}).get("Code", ""))


def _judge(name: str, response: Any, code: str, caught: Exception | None) -> _Verdict:
    if code in THROTTLING:
        return _Verdict.THROTTLED
    if isinstance(caught, SSLError):
        return _Verdict.FINAL
    if isinstance(caught, EndpointConnectionError | ConnectTimeoutError):
        return _Verdict.FAILED  # nothing was sent
    if code in QUOTA or not operation(name).repeatable:
        return _Verdict.FINAL
    if isinstance(caught, ConnectionError | HTTPClientError):
        return _Verdict.FAILED
    if response is not None and response[0].status_code in _SERVER_FAULTS:
        return _Verdict.FAILED
    return _Verdict.FINAL
