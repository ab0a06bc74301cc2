"""What AWS says when it says no by a fault, in the language of each service."""

from __future__ import annotations

from werkzeug.wrappers import Response

from cloud.faults import Effect
from cloud.oracle import Call
from cloud.overlay.refusals import Refusal
from cloud.overlay.wire import write_json_refusal, write_xml_refusal

_STS = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
)
_DENIED = "User: arn:aws:iam::{account}:user/x is not authorized to perform: {service}:{action}"
_JSON = {
    Effect.THROTTLE: (400, "ThrottlingException", "Rate exceeded"),
    Effect.ERROR500: (500, "InternalServerError", "An internal error has occurred"),
    Effect.EXPIRED_CREDENTIALS: (
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    Effect.DENY: (400, "AccessDeniedException", _DENIED),
}
# (status, code, message) by effect, for each service
_REFUSALS = {
    "ec2": {
        Effect.THROTTLE: (503, "RequestLimitExceeded", "Request limit exceeded."),
        Effect.ERROR500: (500, "InternalError", "An internal error has occurred"),
        Effect.EXPIRED_CREDENTIALS: (400, "RequestExpired", "Request has expired."),
        Effect.DENY: (
            403,
            "UnauthorizedOperation",
            f"You are not authorized to perform this operation. {_DENIED}"
            " because no identity-based policy allows the ec2:{action} action."
            " Encoded authorization failure message: " + "Zm9v" * 40,
        ),
    },
    "sts": {
        Effect.THROTTLE: (400, "Throttling", "Rate exceeded"),
        Effect.ERROR500: (500, "InternalFailure", "An internal failure has occurred"),
        Effect.EXPIRED_CREDENTIALS: (
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
        Effect.DENY: (403, "AccessDenied", _DENIED),
    },
    "kms": _JSON | {Effect.ERROR500: (500, "KMSInternalException", "An internal error")},
    "ssm": _JSON,
    "ebs": _JSON
    | {
        Effect.THROTTLE: (400, "RequestThrottledException", "Rate exceeded"),
        Effect.ERROR500: (500, "InternalServerException", "An internal error"),
        Effect.DENY: (403, "AccessDeniedException", _DENIED),
    },
}


def refusal(effect: Effect, call: Call) -> Response:
    """Return the answer that refuses `call`."""
    service = call.service if call.service in _REFUSALS else "ec2"
    status, code, message = _REFUSALS[service][effect]
    words = message.format(account=call.account, action=call.action, service=service)
    if service == "sts":
        return Response(_STS.format(code=code, message=words), status, mimetype="text/xml")
    said = Refusal(code, words, status)
    if service == "ec2":
        return Response(write_xml_refusal(said), status, mimetype="text/xml")
    return Response(
        write_json_refusal(said), status, {"x-amzn-errortype": code}, "application/x-amz-json-1.1"
    )
