"""Who we are for AWS: keys, profiles and roles, and nothing that lies around."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from cloud import accounts
from cloud.client import Simulator, write_aws_config
from mavis_core.contract import EnvironmentSettings, OnBehalf
from mavis_core.errors import CloudCredentials, CloudDenied, CloudRegion, InvalidInput
from mavis_core.kits.aws import AwsKit, RetryPolicy, kit, sessions

ALLOWED = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
HERE = EnvironmentSettings("env_1", "shop", accounts.MAIN, ("eu-central-1", "us-east-1"))
ROLE = replace(
    HERE,
    account=accounts.PARTNER,
    options={"role_arn": accounts.role_arn(accounts.PARTNER), "external_id": "shop-1"},
)
ALICE = OnBehalf("alice", "cor_01jd3k4m5n6p7q8r9s0t1v2w3x")


@pytest.fixture(scope="module")
def aws() -> AwsKit:
    return AwsKit(RetryPolicy(first_wait_s=0.01, longest_wait_s=0.02))


PEOPLE = [
    "alice",
    "a",
    "",
    "zoë",
    "alice smith",
    "alice/smith",
    "x" * 200,
    "ops\n",
    "алиса",
    "aws:x",
]


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: ascii(person)[:20])
def test_a_person_s_name_is_of_the_form_that_aws_allows(person):
    assert ALLOWED.fullmatch(sessions.person_name(person))
    about = OnBehalf(person, ALICE.correlation_id)
    assert ALLOWED.fullmatch(sessions.session_name(about))


def test_different_people_have_different_names():
    similar = [*PEOPLE, "alice-smith", "alice_smith", "x" * 201, "ops", "ops "]
    assert len({sessions.person_name(person) for person in similar}) == len(similar)


def test_a_plain_name_stays_as_it_is():
    assert sessions.person_name("alice@example.org") == "alice@example.org"
    assert sessions.session_name(ALICE) == "alice@cor_01jd3k4m5n6p7q8r9s0t1v2w3x"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"account": "12345"}, "account", id="short account"),
        pytest.param({"account": "1234567890ab"}, "account", id="letters in the account"),
        pytest.param(
            {"account": "\N{ARABIC-INDIC DIGIT ONE}" * 12}, "account", id="digits of another script"
        ),
        pytest.param({"regions": ()}, "regions", id="no region"),
        pytest.param({"regions": ("eu-central-1", "../etc")}, "regions[1]", id="path"),
        pytest.param({"regions": ("eu-central-1\n",)}, "regions[0]", id="control character"),
        pytest.param({"regions": ("us-east-1",) * 2}, "regions[1]", id="twice"),
        pytest.param({"options": {"endpoint": "x"}}, "options", id="unknown option"),
        pytest.param({"options": {"profile": "a b"}}, "options.profile", id="profile"),
        pytest.param({"options": {"role_arn": "Mavis"}}, "options.role_arn", id="no ARN"),
        pytest.param(
            {"options": {"role_arn": accounts.role_arn(accounts.PARTNER)}},
            "options.role_arn",
            id="role of another account",
        ),
        pytest.param({"options": {"external_id": "x"}}, "options.external_id", id="no role"),
        pytest.param(
            {
                "options": {
                    "role_arn": accounts.role_arn(accounts.MAIN),
                    "external_id": "a b",
                }
            },
            "options.external_id",
            id="external id",
        ),
    ],
)
def test_settings_that_cannot_be_right_are_refused_with_their_field(aws, change, field):
    with pytest.raises(InvalidInput) as caught:
        aws.check(replace(HERE, **change))
    assert caught.value.field == field


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1", "ap-east-2"])
def test_regions_of_every_partition_are_of_the_right_form(aws, region):
    aws.check(replace(HERE, regions=(region,)))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        pytest.param({}, None, id="neither key nor profile"),
        pytest.param({"profile": "ops"}, accounts.KEY, id="key and profile"),
        pytest.param({}, {"access_key_id": "AKIAIOSFODNN7EXAMPLE"}, id="half a key"),
        pytest.param({}, {**accounts.KEY, "secret": "x"}, id="unknown field"),
        pytest.param({}, {**accounts.KEY, "access_key_id": "AKIA\nX"}, id="form of the key id"),
    ],
)
def test_key_and_profile_must_fit_and_nothing_is_called(
    aws, simulator, aws_environment, monkeypatch, options, key
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENT000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient-secret")
    with pytest.raises(InvalidInput) as caught:
        aws.connect(replace(HERE, options=options), key, ALICE)
    assert accounts.KEY["secret_access_key"] not in caught.value.message
    assert simulator.calls() == []


def _connect(aws: AwsKit, settings: EnvironmentSettings, key: dict[str, str] | None) -> str:
    connection = aws.connect(settings, key, ALICE)
    connection.close()
    return connection.account


def test_a_static_key_signs_with_itself(
    aws: AwsKit, simulator: Simulator, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENT000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient-secret")
    _connect(aws, HERE, accounts.KEY)
    assert {call["access_key_id"] for call in simulator.calls()} == {accounts.KEY["access_key_id"]}


def test_a_static_key_goes_to_the_endpoint_of_the_default_profile_whatever_aws_profile_says(
    aws: AwsKit, simulator: Simulator, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_environment.open("a") as file:
        file.write("[profile trap]\nendpoint_url = http://127.0.0.1:9\n")
    monkeypatch.setenv("AWS_PROFILE", "trap")
    assert aws.endpoints(HERE) == (simulator.url,)
    assert _connect(aws, HERE, accounts.KEY) == accounts.MAIN


def test_the_endpoint_of_the_environment_variable_counts(
    aws: AwsKit, simulator: Simulator, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws_environment.write_text("")
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulator.url)
    assert aws.endpoints(HERE) == (simulator.url,)
    assert _connect(aws, HERE, accounts.KEY) == accounts.MAIN


def test_endpoints_name_everything_that_would_be_called(
    aws: AwsKit, simulator: Simulator, aws_environment: Path
) -> None:
    aws_environment.write_text(
        f"[default]\nservices = part\n[services part]\nec2 =\n  endpoint_url = {simulator.url}\n"
    )
    assert aws.endpoints(HERE) == (
        "https://sts.eu-central-1.amazonaws.com",
        simulator.url,
        "https://ssm.eu-central-1.amazonaws.com",
        "https://ebs.eu-central-1.amazonaws.com",
        "https://ssm.us-east-1.amazonaws.com",
        "https://ebs.us-east-1.amazonaws.com",
    )
    aws_environment.write_text("")
    assert "https://ec2.us-east-1.amazonaws.com" in aws.endpoints(HERE)
    assert simulator.calls() == []


def test_a_profile_signs_with_its_key(
    aws: AwsKit, simulator: Simulator, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENT000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient-secret")
    _connect(aws, replace(HERE, options={"profile": "ops"}), None)
    assert {call["access_key_id"] for call in simulator.calls()} == {"AKIAOPS0000000000000"}


def test_a_profile_that_does_not_exist_is_named(aws: AwsKit, aws_environment: Path) -> None:
    with pytest.raises(CloudCredentials, match="'nobody'"):
        aws.connect(replace(HERE, options={"profile": "nobody"}), None, ALICE)


def test_a_broken_configuration_file_is_told(aws: AwsKit, aws_environment: Path) -> None:
    aws_environment.write_text("profile ops\n")
    with pytest.raises(CloudCredentials, match="cannot be read"):
        aws.connect(HERE, accounts.KEY, ALICE)


def test_a_profile_that_needs_a_person_s_code_is_refused(
    aws: AwsKit, simulator: Simulator, aws_environment: Path
) -> None:
    with aws_environment.open("a") as file:
        file.write("[profile strict]\nmfa_serial = arn:aws:iam::123456789012:mfa/alice\n")
    with pytest.raises(CloudCredentials, match="mfa_serial"):
        aws.connect(replace(HERE, options={"profile": "strict"}), None, ALICE)
    assert simulator.calls() == []


def test_a_profile_without_a_key_finds_none_in_process_container_or_machine(
    aws: AwsKit, simulator: Simulator, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_environment.open("a") as file:
        file.write(f"[profile empty]\nendpoint_url = {simulator.url}\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENT000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient-secret")
    # the simulator serves instance metadata with credentials, as a real machine's does
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", simulator.url)
    with pytest.raises(CloudCredentials):
        aws.connect(replace(HERE, options={"profile": "empty"}), None, ALICE)
    assert simulator.calls() == []


@pytest.mark.parametrize("profile", [None, "ops"], ids=["by key", "by profile"])
def test_a_role_is_assumed_once_with_the_person_and_the_external_id(
    aws: AwsKit, simulator: Simulator, aws_environment: Path, profile: str | None
) -> None:
    options = ROLE.options | ({"profile": profile} if profile else {})
    settings = replace(ROLE, options=options)
    assert _connect(aws, settings, None if profile else accounts.KEY) == accounts.PARTNER
    (assumed,) = simulator.calls("AssumeRole")
    assert assumed["params"] == {
        "RoleArn": accounts.role_arn(accounts.PARTNER),
        "RoleSessionName": "alice@cor_01jd3k4m5n6p7q8r9s0t1v2w3x",
        "SourceIdentity": "alice",
        "ExternalId": "shop-1",
        "DurationSeconds": "3600",
    }
    others = [call for call in simulator.calls() if call["action"] != "AssumeRole"]
    assert {call["account"] for call in others} == {accounts.PARTNER}


def test_a_role_s_session_renews_itself_before_it_ends(
    aws: AwsKit, simulator: Simulator, aws_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # botocore renews in the last 15 minutes, so a session of 15 minutes is renewed at once
    monkeypatch.setattr(sessions, "_ROLE_SESSION_S", 900)
    _connect(aws, ROLE, accounts.KEY)
    keys = [call["access_key_id"] for call in simulator.calls() if call["action"] != "AssumeRole"]
    assert len(simulator.calls("AssumeRole")) > 1
    assert len(set(keys)) > 1


def test_a_role_that_may_not_be_assumed_says_so(
    aws: AwsKit, simulator: Simulator, aws_environment: Path
) -> None:
    simulator.fault("AssumeRole", "deny")
    with pytest.raises(CloudDenied, match="sts:AssumeRole"):
        aws.connect(ROLE, accounts.KEY, ALICE)


def test_the_person_is_in_the_user_agent_of_every_call(
    aws: AwsKit, simulator: Simulator, aws_environment: Path
) -> None:
    _connect(aws, HERE, accounts.KEY)
    calls = simulator.calls()
    assert calls
    assert all("person/alice about/cor_01jd" in call["user_agent"] for call in calls)


def test_a_region_that_is_not_enabled_is_named(aws: AwsKit, aws_environment: Path) -> None:
    settings = replace(HERE, regions=("eu-central-1", "me-south-1"))
    with pytest.raises(CloudRegion, match="has not enabled the region me-south-1"):
        aws.connect(settings, accounts.KEY, ALICE)


def test_a_region_of_no_partition_is_refused_without_a_call(
    aws: AwsKit, simulator: Simulator, aws_environment: Path
) -> None:
    with pytest.raises(CloudRegion, match="xx-nowhere-1"):
        aws.connect(replace(HERE, regions=("xx-nowhere-1",)), accounts.KEY, ALICE)
    assert simulator.calls() == []


def test_an_expired_key_is_refused_at_connect(
    aws: AwsKit, simulator: Simulator, aws_environment: Path
) -> None:
    simulator.fault("GetCallerIdentity", "expired_credentials")
    with pytest.raises(CloudCredentials, match="expired"):
        aws.connect(HERE, accounts.KEY, ALICE)


def test_the_entry_point_gives_the_kit() -> None:
    assert kit().name == "aws"


def test_no_repr_shows_a_key(aws: AwsKit, aws_environment: Path) -> None:
    connection = aws.connect(HERE, accounts.KEY, ALICE)
    connection.close()
    assert accounts.KEY["secret_access_key"] not in repr(vars(connection)) + repr(vars(aws))


def test_profiles_of_the_test_configuration_lead_to_the_simulator(
    simulator: Simulator, tmp_path: Path
) -> None:
    text = write_aws_config(tmp_path / "config", simulator.url, ["ops"]).read_text()
    assert text.count(simulator.url) == 2
