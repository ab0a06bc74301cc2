"""botocore's exceptions become ours."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from mavis_core import errors
from mavis_core.kits.aws.errors import QUOTA, THROTTLING, translate, translated

TOKEN = "FwoGZXIvYXdzEJr" + "Zm9vYmFy" * 20
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYzz"


def _no(
    code: str, words: str = "", *, status: int = 400, call: str = "CreateSnapshots"
) -> boto.ClientError:
    return boto.ClientError(
        {
            "Error": {"Code": code, "Message": words},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        call,
    )


DENIED = (
    "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/mavis"
    " is not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:::snapshot/*"
    f" because no policy allows it. Encoded authorization failure message: {TOKEN}"
)
IDENTITY = (
    "User: arn:aws:iam::1:user/x is not authorized to perform: sts:SetSourceIdentity on resource: y"
)
CANONICAL = f"The Canonical String should have been 'x-amz-security-token:{TOKEN}'"
ENDPOINT = "https://ec2.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        *(
            pytest.param(_no(code, status=503), errors.CloudThrottled, id=code)
            for code in sorted(THROTTLING)
        ),
        *(
            pytest.param(_no(code), errors.CloudCredentials, id=code)
            for code in (
                *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "AuthFailure"),
                *("InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"),
            )
        ),
        pytest.param(
            _no("UnauthorizedOperation", DENIED, status=403), errors.CloudDenied, id="EC2"
        ),
        pytest.param(_no("AccessDenied", IDENTITY), errors.CloudDenied, id="denied by STS"),
        pytest.param(_no("InvalidVolume.NotFound"), errors.CloudVanished, id="volume gone"),
        pytest.param(_no("InvalidInstanceID.NotFound"), errors.CloudVanished, id="instance gone"),
        pytest.param(_no("InvalidSnapshot.NotFound"), errors.CloudVanished, id="snapshot gone"),
        pytest.param(_no("InvalidInstanceID.Malformed"), errors.InvalidInput, id="malformed id"),
        pytest.param(_no("OptInRequired", status=401), errors.CloudRegion, id="opt in"),
        pytest.param(_no("RegionDisabledException", status=403), errors.CloudRegion, id="disabled"),
        pytest.param(_no("InternalError", status=500), errors.CloudUnreachable, id="server fault"),
        pytest.param(_no("Unavailable", status=503), errors.CloudUnreachable, id="unavailable"),
        pytest.param(_no("", status=502), errors.CloudUnreachable, id="bad gateway"),
        *(pytest.param(_no(code), errors.CloudQuota, id=code) for code in sorted(QUOTA)),
        pytest.param(
            _no("InsufficientInstanceCapacity", status=500), errors.CloudQuota, id="capacity"
        ),
        *(
            pytest.param(_no(code), errors.CloudInUse, id=code)
            for code in (
                *("VolumeInUse", "IncorrectState", "InvalidSnapshot.InUse", "SnapshotLocked"),
                *("DependencyViolation", "ResourceInUse", "OperationNotPermitted"),
            )
        ),
        pytest.param(
            _no("InvalidParameterValue", "Attachment point /dev/sdf is already in use"),
            errors.CloudInUse,
            id="device taken",
        ),
        *(
            pytest.param(
                _no(code, call="ModifySnapshotAttribute"), errors.CloudDenied, id=f"share: {code}"
            )
            for code in ("OperationNotPermitted", "InvalidParameter")
        ),
        *(
            pytest.param(_no(code, call=call), errors.CloudVanished, id=f"{call}: {code}")
            for call, code in (
                ("GetSnapshotBlock", "ResourceNotFoundException"),
                ("SendCommand", "InvalidInstanceId"),
                ("GetCommandInvocation", "InvocationDoesNotExist"),
                ("DeregisterImage", "InvalidAMIID.Unavailable"),
            )
        ),
        pytest.param(
            _no("ValidationException", call="GetSnapshotBlock"), errors.InvalidInput, id="invalid"
        ),
        pytest.param(_no("SomethingNew"), errors.CloudError, id="unknown code"),
        pytest.param(boto.NoCredentialsError(), errors.CloudCredentials, id="no credentials"),
        pytest.param(
            boto.CredentialRetrievalError(provider="custom-process", error_msg=SECRET),
            errors.CloudCredentials,
            id="credential process",
        ),
        pytest.param(
            boto.UnknownRegionError(region_name="x", error_msg=""), errors.CloudRegion, id="region"
        ),
        pytest.param(
            boto.InvalidRegionError(region_name="a b"), errors.CloudRegion, id="region's form"
        ),
        pytest.param(
            boto.EndpointConnectionError(endpoint_url=ENDPOINT), errors.CloudUnreachable, id="dns"
        ),
        pytest.param(
            boto.ConnectTimeoutError(endpoint_url=ENDPOINT), errors.CloudUnreachable, id="connect"
        ),
        pytest.param(
            boto.ReadTimeoutError(endpoint_url=ENDPOINT), errors.CloudUnreachable, id="read"
        ),
        pytest.param(
            boto.ConnectionClosedError(endpoint_url=ENDPOINT), errors.CloudUnreachable, id="closed"
        ),
        pytest.param(
            boto.SSLError(endpoint_url=ENDPOINT, error="x"), errors.CloudUnreachable, id="tls"
        ),
        pytest.param(
            boto.ProxyConnectionError(proxy_url=f"http://u:{SECRET}@proxy"),
            errors.CloudUnreachable,
            id="proxy",
        ),
        pytest.param(ResponseParserError(f"<html>{TOKEN}"), errors.CloudUnreachable, id="html"),
        pytest.param(boto.ParamValidationError(report="bad"), errors.CloudError, id="our mistake"),
    ],
)
def test_an_exception_becomes_the_error_that_it_means(exc, kind):
    error = translate(exc, region="eu-central-1", subject="instance i-1")
    assert type(error) is kind
    assert error.message
    assert error.mend


@pytest.mark.parametrize(
    "exc",
    [
        pytest.param(_no("SignatureDoesNotMatch", CANONICAL), id="signature with token"),
        pytest.param(_no("UnauthorizedOperation", DENIED), id="encoded message"),
        pytest.param(_no("SomethingNew", f"{SECRET} of AKIAIOSFODNN7EXAMPLE"), id="unknown"),
        pytest.param(_no("InvalidClientTokenId", f"token {TOKEN}"), id="wrong token"),
        pytest.param(_no("Odd.NotFound", f"'{TOKEN}'"), id="vanished"),
        pytest.param(
            boto.CredentialRetrievalError(provider="custom-process", error_msg=SECRET), id="process"
        ),
        pytest.param(
            boto.ProxyConnectionError(proxy_url=f"http://u:{SECRET}@proxy"), id="proxy password"
        ),
    ],
)
def test_no_message_holds_a_secret(exc):
    error = translate(exc, region="eu-central-1")
    shown = f"{error.message} {error.mend}"
    assert TOKEN[:15] not in shown
    assert SECRET not in shown
    assert "AKIA" not in shown


@pytest.mark.parametrize(
    ("exc", "action"),
    [
        pytest.param(_no("UnauthorizedOperation", DENIED), "ec2:CreateTags", id="as AWS names it"),
        pytest.param(_no("UnauthorizedOperation"), "ec2:CreateSnapshots", id="as we called it"),
        pytest.param(_no("AccessDenied", IDENTITY), "sts:SetSourceIdentity", id="of the trust"),
        pytest.param(_no("AccessDenied", call="AssumeRole"), "sts:AssumeRole", id="of STS"),
        pytest.param(
            _no("AccessDeniedException", call="SendCommand"), "ssm:SendCommand", id="of SSM"
        ),
        pytest.param(
            _no("AccessDeniedException", call="GetSnapshotBlock"), "ebs:GetSnapshotBlock", id="EBS"
        ),
    ],
)
def test_a_refusal_names_the_action_that_is_missing(exc, action):
    error = translate(exc, region="eu-central-1")
    assert action in error.message
    assert action in error.mend


def test_a_refusal_keeps_who_was_refused():
    error = translate(_no("UnauthorizedOperation", DENIED), region="eu-central-1")
    assert "arn:aws:iam::123456789012:user/mavis" in error.message


def test_what_vanished_is_named_in_our_words():
    error = translate(_no("InvalidVolume.NotFound"), region="us-east-1", subject="volume vol-1")
    assert "volume vol-1" in error.message
    assert "us-east-1" in error.message


def test_the_cause_is_kept():
    cause = _no("InternalError", status=500)
    with pytest.raises(errors.CloudUnreachable) as caught, translated("eu-central-1"):
        raise cause
    assert caught.value.__cause__ is cause


def test_our_own_errors_and_bugs_pass_unchanged():
    with pytest.raises(errors.CloudVanished, match="mine"), translated("eu-central-1"):
        raise errors.CloudVanished("mine")
    with pytest.raises(KeyError), translated("eu-central-1"):
        raise KeyError("bug")
