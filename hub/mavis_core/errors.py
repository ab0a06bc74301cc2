"""One tree of errors. Each class says its code, its HTTP status and how to mend it.

::

    MavisError
    ├── InvalidInput            400  what was sent cannot be understood
    │   └── OverLimit           400  what was asked takes more than a limit allows
    ├── TooLarge                413
    ├── LoginNotGiven           400  the code of a login by browser is not, or no longer, good
    │   ├── LoginPending        400  nobody has answered it yet
    │   ├── PolledTooFast       400  nor long enough ago been asked about
    │   ├── LoginDenied         400  a person has said no
    │   └── LoginExpired        400  nobody has answered it in time
    ├── Unauthenticated         401  nobody is asking
    ├── Forbidden               403  somebody is asking who may not
    │   └── IsolationRequired   403  this appliance may not touch real accounts
    ├── NotFound                404
    ├── Conflict                409
    │   ├── PlanChanged         409  what was approved is not what would happen now
    │   ├── ConfirmationNeeded  409  destructive, and the project's name was not typed
    │   ├── IdempotencyKeyReused 409 the key names another request
    │   └── Cancelled           409  a person ended it before it was done
    ├── PreconditionFailed      412  somebody changed it since the asker has read it
    ├── TooManyRequests         429  the asker calls too often
    ├── Internal                500  a bug, or a disk that is full
    │   └── Damaged             500  what is there is not what was stored
    ├── Unavailable             503  a part of the appliance is down; retry
    │   └── Interrupted         503  the process ends; the next attempt goes on
    ├── DeviceError             502  a device said no
    │   ├── DeviceUnreachable   503  no answer
    │   ├── DeviceRefusedLogin  502  it does not take the login or the key
    │   ├── AlgorithmsNotAllowed 502 it speaks old algorithms only, which are not allowed for it
    │   └── HostKeyUnknown      409  nobody has approved its host key yet
    │       └── HostKeyChanged  409  its host key is another one than was approved
    └── CloudError              502  the cloud said no
        ├── CloudCredentials    502  keys that are wrong, expired or missing
        ├── CloudDenied         502  keys that are good and not allowed to
        ├── CloudVanished       502  the thing is gone in the cloud
        ├── CloudRegion         502  there is no such region for this account
        ├── CloudInUse          502  locked, or something else needs it
        ├── CloudQuota          503  the account has no room for more of them now
        ├── CloudThrottled      503  too many calls; waiting did not help
        └── CloudUnreachable    503  no answer

Foreign exceptions become one of these at the adapter that met them (``raise ... from exc``).
A message says what happened and to which thing; ``mend`` says what to do next; neither ever
holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "AlgorithmsNotAllowed",
    "Cancelled",
    "CloudCredentials",
    "CloudDenied",
    "CloudError",
    "CloudInUse",
    "CloudQuota",
    "CloudRegion",
    "CloudThrottled",
    "CloudUnreachable",
    "CloudVanished",
    "ConfirmationNeeded",
    "Conflict",
    "Damaged",
    "DeviceError",
    "DeviceRefusedLogin",
    "DeviceUnreachable",
    "Forbidden",
    "HostKeyChanged",
    "HostKeyUnknown",
    "IdempotencyKeyReused",
    "Internal",
    "Interrupted",
    "InvalidInput",
    "IsolationRequired",
    "LoginDenied",
    "LoginExpired",
    "LoginNotGiven",
    "LoginPending",
    "MavisError",
    "NotFound",
    "OverLimit",
    "PlanChanged",
    "PolledTooFast",
    "PreconditionFailed",
    "TooLarge",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "all_errors",
    "from_told",
    "told",
]


class MavisError(Exception):
    """The root. Raise one of its children.

    Parameters
    ----------
    message
        What happened, and to which thing.
    mend
        What to do next; the class has a default.
    field
        The input field at fault, as a JSON path (``environments[0].region``).
    retry_after_s
        Seconds after which a retry makes sense; None where a retry does not help.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    default_mend: ClassVar[str] = "Report this with the request id."

    def __init__(
        self,
        message: str,
        *,
        mend: str | None = None,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend or self.default_mend
        self.field = field
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message


class InvalidInput(MavisError):
    """What was sent cannot be understood."""

    code = "invalid_input"
    status = 400
    default_mend = "Correct the named field and send the request again."


class OverLimit(InvalidInput):
    """What was asked takes more time, memory or room than a limit allows."""

    code = "over_limit"
    default_mend = "Ask for less: a shorter time, fewer projects, counts in place of rows."


class TooLarge(MavisError):
    """The body is larger than this address takes."""

    code = "too_large"
    status = 413
    default_mend = "Send less in one request."


class LoginNotGiven(MavisError):
    """The code of a login by browser is not good, or not any more.

    The codes of this branch are those of RFC 8628, section 3.5, and RFC 6749, section 5.2.
    """

    code = "invalid_grant"
    status = 400
    default_mend = "Begin a new login: `mavis login`."


class LoginPending(LoginNotGiven):
    """Nobody has said yes or no yet."""

    code = "authorization_pending"
    default_mend = "Ask again after the interval."


class PolledTooFast(LoginNotGiven):
    """Nobody has said yes or no yet, and the interval is not over."""

    code = "slow_down"
    default_mend = "Wait five seconds longer between two questions from now on."


class LoginDenied(LoginNotGiven):
    """A person has said no."""

    code = "access_denied"


class LoginExpired(LoginNotGiven):
    """Nobody has said yes or no in time."""

    code = "expired_token"


class Unauthenticated(MavisError):
    """Nobody is asking: no token, or one that has ended."""

    code = "unauthenticated"
    status = 401
    default_mend = "Log in: `mavis login`, or send the header `Authorization: token ...`."


class Forbidden(MavisError):
    """Somebody is asking who may not."""

    code = "forbidden"
    status = 403
    default_mend = "Ask an administrator of the project for the role that is named."


class IsolationRequired(Forbidden):
    """The appliance keeps no walls between people, so it may not touch real accounts."""

    code = "isolation_required"
    default_mend = (
        "Start the appliance as root, so that people and services get users of their own."
    )


class NotFound(MavisError):
    """There is no such thing, or none that the asker may see."""

    code = "not_found"
    status = 404
    default_mend = "Check the name; list what there is."


class Conflict(MavisError):
    """The request is sound and does not fit the state of things."""

    code = "conflict"
    status = 409
    default_mend = "Read the current state and decide again."


class PlanChanged(Conflict):
    """What was approved is not what would happen now."""

    code = "plan_changed"
    default_mend = "Ask for a new preview, read it and apply that one."


class ConfirmationNeeded(Conflict):
    """Destructive or interrupting, and the project's name was not given."""

    code = "confirmation_needed"
    default_mend = "Read the preview, then confirm with the project's name."


class IdempotencyKeyReused(Conflict):
    """The key of the request is that of another request."""

    code = "idempotency_key_reused"
    default_mend = "Send a new request under a new key, and the same one under the same key."


class Cancelled(Conflict):
    """A person ended it before it was done."""

    code = "cancelled"
    default_mend = "Ask for it again where it is still wanted."


class PreconditionFailed(MavisError):
    """Somebody changed it since the asker has read it."""

    code = "precondition_failed"
    status = 412
    default_mend = "Read it again, and send your change with its new ETag."


class TooManyRequests(MavisError):
    """The asker calls too often."""

    code = "too_many_requests"
    status = 429
    default_mend = "Wait as long as `Retry-After` says; follow Runs by their events, not by asking."


class Internal(MavisError):
    """A bug, or a system that has run out of something."""


class Damaged(Internal):
    """What is there is not what was stored."""

    code = "damaged"
    default_mend = (
        "Bring it back from another copy; what is damaged is neither used nor overwritten."
    )


class Unavailable(MavisError):
    """A part of the appliance does not answer."""

    code = "unavailable"
    status = 503
    default_mend = "Wait a moment and retry; `mavisctl status` shows which part is down."


class Interrupted(Unavailable):
    """The process was told to end; the next attempt goes on where this one stopped."""

    code = "interrupted"
    default_mend = "Nothing to do: the next attempt goes on by itself."


class DeviceError(MavisError):
    """A device that a session goes to said no, or something that cannot be understood."""

    code = "device_error"
    status = 502
    default_mend = "Read the device's words in the message, and look at the device."


class DeviceUnreachable(DeviceError):
    """The device gave no answer."""

    code = "device_unreachable"
    status = 503
    default_mend = "Check that the device is on, its address and port, and the network to it."


class DeviceRefusedLogin(DeviceError):
    """The device does not take the login, or not with this key."""

    code = "device_refused_login"
    default_mend = "Check the login and the key of the access service."


class AlgorithmsNotAllowed(DeviceError):
    """The device speaks old algorithms only, which are not allowed for it."""

    code = "algorithms_not_allowed"
    default_mend = "Update the device, or allow the named algorithms in the access service."


class HostKeyUnknown(DeviceError):
    """Nobody has approved the host key of the device yet.

    Parameters
    ----------
    algorithm, public
        The host key that was seen, as in ``known_hosts``.
    """

    code = "host_key_unknown"
    status = 409
    default_mend = "Compare the fingerprint with the device's own, then approve the host key."

    def __init__(
        self, message: str, *, mend: str | None = None, algorithm: str = "", public: str = ""
    ) -> None:
        super().__init__(message, mend=mend)
        self.algorithm = algorithm
        self.public = public


class HostKeyChanged(HostKeyUnknown):
    """The host key of the device is another one than was approved."""

    code = "host_key_changed"
    default_mend = (
        "Find out why: a device that was set up anew has a new key, and so has somebody in "
        "between. Only where you know the reason, approve the new key."
    )


class CloudError(MavisError):
    """The cloud said no."""

    code = "cloud_error"
    status = 502
    default_mend = "Read the cloud's words in the message."


class CloudCredentials(CloudError):
    """The keys are wrong, expired or missing."""

    code = "cloud_credentials"
    default_mend = "Store a new key and set it on the environment."


class CloudDenied(CloudError):
    """The keys are good and may not do this."""

    code = "cloud_denied"
    default_mend = "Add the named action to the policy of the environment's role."


class CloudVanished(CloudError):
    """The thing is gone in the cloud."""

    code = "cloud_vanished"
    default_mend = "Discover the environment again and look at what is left."


class CloudRegion(CloudError):
    """There is no such region, or the account has not enabled it."""

    code = "cloud_region"
    default_mend = "Correct the environment's regions."


class CloudInUse(CloudError):
    """The cloud keeps it: it is locked, or something else needs it."""

    code = "cloud_in_use"
    default_mend = "Look at what holds it; it can be removed when nothing does."


class CloudQuota(CloudError):
    """The account has no room for more of them now."""

    code = "cloud_quota"
    status = 503
    default_mend = "Wait until others have ended, or ask the cloud for a higher quota."


class CloudThrottled(CloudError):
    """The cloud refuses more calls, and waiting did not help in time."""

    code = "cloud_throttled"
    status = 503
    default_mend = "Wait and retry; ask the cloud for a higher quota if this lasts."


class CloudUnreachable(CloudError):
    """The cloud's endpoint gave no answer."""

    code = "cloud_unreachable"
    status = 503
    default_mend = "Check network, proxy and endpoint of the environment."


def all_errors() -> tuple[type[MavisError], ...]:
    """Return every class of the tree, the root first, for documentation and tests."""

    def walk(cls: type[MavisError]) -> list[type[MavisError]]:
        return [cls, *(found for child in cls.__subclasses__() for found in walk(child))]

    return tuple(walk(MavisError))


def told(error: MavisError) -> dict[str, str]:
    """Return what rows keep of an error: its code, what happened, and the mend."""
    return {"code": error.code, "message": error.message, "mend": error.mend}


def from_told(kept: Mapping[str, str], *, message: str | None = None) -> MavisError:
    """Return an error of the class that `told` kept, with its message or another one."""
    found = next((cls for cls in all_errors()[1:] if cls.code == kept["code"]), Internal)
    return found(message or kept["message"], mend=kept["mend"])
