"""How often to try, and what it is harmless to try again.

Retried are GET, PUT, and POST, which either changes nothing or carries an Idempotency-Key that
stays the same over its tries. A DELETE is not: its second try would find nothing and say so. Nor is
a PUT that says what it has read: its second try would find what the first one made.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from mavis_kernel.errors import ApiError, CertificateNotTrusted

__all__ = ["RetryPolicy", "may_repeat"]

_REPEATABLE = frozenset({"GET", "POST", "PUT"})


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try.

    Parameters
    ----------
    attempts
        Tries in all, at least one.
    first_wait_s, longest_wait_s
        The wait before the second try, and what doubling it ends at. Each wait is shortened by
        a random part. A longer Retry-After than `longest_wait_s` is not waited for.
    """

    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0

    def wait_s(self, attempt: int, error: ApiError) -> float | None:
        """Return the seconds to wait after try number `attempt` (from 1); None to give up."""
        if attempt >= self.attempts:
            return None
        asked = error.retry_after_s
        if asked is not None and asked > self.longest_wait_s:
            return None
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        own = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1)) * spread
        return max(own, asked or 0.0)


def may_repeat(method: str, headers: Mapping[str, str], error: ApiError) -> bool:
    """Return whether a second try is harmless and may help."""
    if method not in _REPEATABLE or isinstance(error, CertificateNotTrusted):
        return False
    if method == "PUT" and "If-Match" in headers:
        return False
    return not error.code.startswith("cloud_")  # the appliance has waited for the cloud already
