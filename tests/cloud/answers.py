"""What AWS says when it says no, in the XML of EC2 and of STS."""

from __future__ import annotations

from werkzeug.wrappers import Response

from cloud.faults import Effect
from cloud.oracle import Call

_EC2 = (
    "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
    "<RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>"
)
_STS = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
)
# (status, code, message) by effect, for EC2 and for STS
_REFUSALS = {
    "ec2": {
        Effect.THROTTLE: (503, "RequestLimitExceeded", "Request limit exceeded."),
        Effect.ERROR500: (500, "InternalError", "An internal error has occurred"),
        Effect.EXPIRED_CREDENTIALS: (400, "RequestExpired", "Request has expired."),
        Effect.DENY: (
            403,
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. User: arn:aws:iam::{account}:user/x"
            " is not authorized to perform: ec2:{action} because no identity-based policy allows"
            " the ec2:{action} action. Encoded authorization failure message: " + "Zm9v" * 40,
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
        Effect.DENY: (
            403,
            "AccessDenied",
            "User: arn:aws:iam::{account}:user/x is not authorized to perform: sts:{action}",
        ),
    },
}


def refusal(effect: Effect, call: Call) -> Response:
    """Return the answer that refuses `call`."""
    service = "sts" if call.service == "sts" else "ec2"
    status, code, message = _REFUSALS[service][effect]
    words = message.format(account=call.account, action=call.action)
    form = _STS if service == "sts" else _EC2
    return Response(form.format(code=code, message=words), status, mimetype="text/xml")
