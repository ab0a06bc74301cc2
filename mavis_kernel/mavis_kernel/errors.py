"""One tree of errors. Each class says the exit code that the command line ends with.

::

    MavisError                    1  the work failed
    ├── BadSettings               2  an address, a file or a variable that cannot be right
    ├── RunFailed                 1  the Run ended failed, refused or cancelled
    ├── NotPicked                 2  a member that the caller did not ask for is read
    ├── Found                     9  a report that was to be checked has something to tell
    └── ApiError                  1  the appliance said no
        ├── NotLoggedIn           3  no token, or one that has ended
        ├── Forbidden             4  known, and not allowed to
        ├── NotFound              5  no such thing, or none that the asker may see
        ├── Conflict              6  sound, and it does not fit the state of things
        │   ├── ChangedSince      6  somebody changed it since it was read
        │   ├── PlanChanged       6  what was approved is not what would happen now
        │   └── ConfirmationNeeded 6 nobody confirmed
        ├── InvalidInput          8  what was sent was refused
        ├── CloudRefused          1  the cloud behind the environment said no
        ├── Unavailable           7  a part of the appliance is down, or asks to wait
        ├── Unreachable           7  no answer
        │   └── CertificateNotTrusted 7
        └── UnexpectedAnswer      7  an answer that is not Mavis's

An error of the appliance is problem+json (RFC 9457); `from_problem` picks the class by its
`code`, and by the status where the code is new to this client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "EXIT_CODES",
    "ApiError",
    "BadSettings",
    "CertificateNotTrusted",
    "ChangedSince",
    "CloudRefused",
    "ConfirmationNeeded",
    "Conflict",
    "Forbidden",
    "Found",
    "InvalidInput",
    "MavisError",
    "NotFound",
    "NotLoggedIn",
    "NotPicked",
    "PlanChanged",
    "RunFailed",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "from_problem",
]

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "the work failed or was cancelled, or the cloud or the appliance could not do it",
    2: "wrong usage or settings; nothing was sent",
    3: "not logged in",
    4: "not allowed",
    5: "no such thing",
    6: "does not fit the state of things, or was not confirmed",
    7: "the appliance is unavailable or out of reach",
    8: "the appliance refused the input",
    9: "a report that was to be checked has something to tell",
    70: "a bug in this command",
    130: "interrupted",
    141: "whoever read the output went away",
}
"""What the command line's exit codes mean."""


class MavisError(Exception):
    """The root of what this client raises.

    Parameters
    ----------
    message
        What happened, and to which thing.
    mend
        What to do next; the class has a default, which may be empty.
    """

    exit_code: ClassVar[int] = 1
    default_mend: ClassVar[str] = ""

    def __init__(self, message: str, *, mend: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend or self.default_mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}" if self.mend else self.message

    def _render_traceback_(self) -> list[str]:
        """Return what a cell shows of it, by the name that IPython asks for."""
        from mavis_kernel.display.errors import traceback_of  # noqa: PLC0415 - notebooks only

        return traceback_of(self)


class BadSettings(MavisError):
    """An address, a file or a variable that cannot be right. Nothing was sent."""

    exit_code = 2


class RunFailed(MavisError):
    """The Run ended failed, refused or cancelled.

    Parameters
    ----------
    run_id
        The Run.
    code
        The code of the error that ended it; empty where it left none.
    """

    def __init__(self, message: str, *, run_id: str, code: str = "", mend: str = "") -> None:
        super().__init__(message, mend=mend)
        self.run_id = run_id
        self.code = code


class NotPicked(MavisError, AttributeError):
    """A member of an object is read that the caller did not ask for."""

    exit_code = 2
    default_mend = "Name it in `fields` too, or leave `fields` out."


class Found(MavisError):
    """A report that was to be checked has something to tell."""

    exit_code = 9
    default_mend = "Read its rows; each says what to do."


class ApiError(MavisError):
    """The appliance said no, or could not be asked.

    Parameters
    ----------
    detail
        What happened, and to which thing.
    code
        The appliance's word for it; the class has a default.
    status
        The HTTP status, or None where there was no answer.
    mend
        What to do next.
    field
        The input field at fault, or None.
    request_id
        The appliance's id of the request, to report with; None where there was no answer.
    retry_after_s
        Seconds after which a retry makes sense, or None.
    """

    default_code: ClassVar[str] = "internal"
    default_mend: ClassVar[str] = "Report this with the request id."

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        mend: str | None = None,
        field: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail, mend=mend)
        self.detail = detail
        self.code = code or self.default_code
        self.status = status
        self.field = field
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class NotLoggedIn(ApiError):
    """No token, or one that has ended."""

    exit_code = 3
    default_code = "unauthenticated"
    default_mend = "Log in: mavis login."


class Forbidden(ApiError):
    """Known, and not allowed to."""

    exit_code = 4
    default_code = "forbidden"
    default_mend = "Ask an administrator of the project for the role that is named."


class NotFound(ApiError):
    """There is no such thing, or none that the asker may see."""

    exit_code = 5
    default_code = "not_found"
    default_mend = "Check the name; list what there is."


class Conflict(ApiError):
    """The request is sound and does not fit the state of things."""

    exit_code = 6
    default_code = "conflict"
    default_mend = "Read the current state and decide again."


class ChangedSince(Conflict):
    """Somebody changed it since it was read, so it was not changed again."""

    default_code = "precondition_failed"
    default_mend = "Read it as it is now, and decide again."


class PlanChanged(Conflict):
    """What was approved is not what would happen now."""

    default_code = "plan_changed"
    default_mend = "Ask for a new preview, read it and apply that one."


class ConfirmationNeeded(Conflict):
    """Nobody confirmed what destroys or interrupts."""

    default_code = "confirmation_needed"
    default_mend = "Read the preview, then confirm with the project's name."


class InvalidInput(ApiError):
    """The appliance refused what was sent."""

    exit_code = 8
    default_code = "invalid_input"
    default_mend = "Correct the named field and send the request again."


class CloudRefused(ApiError):
    """The cloud behind the environment said no."""

    default_code = "cloud_error"
    default_mend = "Read the cloud's words in the message."


class Unavailable(ApiError):
    """A part of the appliance is down, or asks to wait; retrying did not help in time."""

    exit_code = 7
    default_code = "unavailable"
    default_mend = "Wait a moment and retry."


class Unreachable(ApiError):
    """There was no answer."""

    exit_code = 7
    default_code = "unreachable"
    default_mend = "Check the address (mavis whoami shows it), the network and the proxy settings."


class CertificateNotTrusted(Unreachable):
    """The appliance's certificate is not one that this client trusts."""

    default_code = "certificate_not_trusted"
    default_mend = (
        "For a self-signed appliance run mavis login, compare the fingerprint and pin it;"
        " otherwise name the authority's certificate in MAVIS_CA_FILE."
    )


class UnexpectedAnswer(ApiError):
    """What answered is not Mavis, or speaks another version of its contract."""

    exit_code = 7
    default_code = "unexpected_answer"
    default_mend = "Check the address; compare the versions with mavis version."


_BY_CODE: dict[str, type[ApiError]] = {
    cls.default_code: cls
    for cls in (
        NotLoggedIn,
        Forbidden,
        NotFound,
        Conflict,
        ChangedSince,
        PlanChanged,
        ConfirmationNeeded,
        InvalidInput,
        Unavailable,
    )
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidInput,
    401: NotLoggedIn,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: ChangedSince,
    413: InvalidInput,
    422: InvalidInput,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def from_problem(
    status: int,
    problem: Mapping[str, object],
    *,
    request_id: str | None = None,
    retry_after_s: float | None = None,
) -> ApiError:
    """Return the error that the answer `problem` (RFC 9457) with `status` stands for.

    Parameters
    ----------
    status
        The HTTP status.
    problem
        The body; every member may be missing.
    request_id, retry_after_s
        What the headers say; the body's members win.
    """
    code = _text(problem, "code")
    cls = _class_for(status, code)
    seconds = problem.get("retry_after_s")
    return cls(
        _text(problem, "detail") or _text(problem, "title") or f"HTTP status {status}",
        code=code,
        status=status,
        mend=_text(problem, "mend"),
        field=_text(problem, "field"),
        request_id=_text(problem, "request_id") or request_id,
        retry_after_s=float(seconds) if isinstance(seconds, int | float) else retry_after_s,
    )


def _class_for(status: int, code: str | None) -> type[ApiError]:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code and code.startswith("cloud_") and status == 502:
        return CloudRefused
    return _BY_STATUS.get(status, ApiError)


def _text(problem: Mapping[str, object], name: str) -> str | None:
    value = problem.get(name)
    return value if isinstance(value, str) and value else None
