"""What an environment of this kit may say, and what is wrong with what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mavis_core.contract import EnvironmentSettings
from mavis_core.errors import InvalidInput

__all__ = ["KEY_FIELDS", "check_key", "check_settings"]

KEY_FIELDS = ("access_key_id", "secret_access_key", "session_token")
_OPTIONS = ("profile", "role_arn", "external_id")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d", re.ASCII)
_PROFILE = re.compile(r"[\w.@+=-]{1,128}", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]{1,512}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)  # as AWS has it
_ACCESS_KEY_ID = re.compile(r"\w{16,128}", re.ASCII)  # as AWS has it


def check_settings(settings: EnvironmentSettings) -> None:
    """Raise `InvalidInput` for the first thing in `settings` that cannot be right."""
    if not _ACCOUNT.fullmatch(settings.account):
        raise InvalidInput(
            f"An AWS account has twelve digits, not {settings.account[:40]!r}", field="account"
        )
    if not settings.regions:
        raise InvalidInput("An environment needs at least one region", field="regions")
    for index, region in enumerate(settings.regions):
        _check_region(settings, index, region)
    unknown = sorted(set(settings.options) - set(_OPTIONS))
    if unknown:
        raise InvalidInput(
            f"The AWS kit does not know the option {unknown[0][:40]!r}; it knows"
            f" {', '.join(_OPTIONS)}",
            field="options",
        )
    _check_profile(settings.options)
    _check_role(settings)


def _check_region(settings: EnvironmentSettings, index: int, region: str) -> None:
    field = f"regions[{index}]"
    if not _REGION.fullmatch(region):
        raise InvalidInput(
            f"A region reads like eu-central-1, not like {region[:40]!r}", field=field
        )
    if region in settings.regions[:index]:
        raise InvalidInput(f"The region {region} is named twice", field=field)


def _check_profile(options: Mapping[str, str]) -> None:
    profile = options.get("profile")
    if profile is not None and not _PROFILE.fullmatch(profile):
        raise InvalidInput(
            f"A profile's name has letters, digits and .@+=-_, unlike {profile[:40]!r}",
            field="options.profile",
        )


def _check_role(settings: EnvironmentSettings) -> None:
    role, external_id = settings.options.get("role_arn"), settings.options.get("external_id")
    if role is None:
        if external_id is not None:
            raise InvalidInput(
                "external_id means nothing without role_arn", field="options.external_id"
            )
        return
    form = _ROLE.fullmatch(role)
    if not form:
        raise InvalidInput(
            f"A role reads like arn:aws:iam::123456789012:role/Mavis, not like {role[:80]!r}",
            field="options.role_arn",
        )
    if form.group(1) != settings.account:
        raise InvalidInput(
            f"The role belongs to account {form.group(1)}, the environment to {settings.account}",
            field="options.role_arn",
        )
    if external_id is not None and not _EXTERNAL_ID.fullmatch(external_id):
        raise InvalidInput(
            "An external id has 2 to 1224 letters, digits or +=,.@:/-_",
            field="options.external_id",
        )


def check_key(settings: EnvironmentSettings, key: Mapping[str, str] | None) -> None:
    """Raise `InvalidInput` unless exactly one of key and profile says who we are.

    Without this, botocore would look around: at the process's environment, at files in the home
    directory and at the role of the machine itself.
    """
    if key is None:
        if "profile" not in settings.options:
            raise InvalidInput(
                f"The environment {settings.name} has neither a key nor a profile",
                field="key",
                mend="Set a key on the environment, or the option `profile`.",
            )
        return
    if "profile" in settings.options:
        raise InvalidInput(
            f"The environment {settings.name} has a key and a profile; one of them says who we are",
            field="options.profile",
        )
    missing = [name for name in KEY_FIELDS[:2] if not key.get(name)]
    surplus = sorted(set(key) - set(KEY_FIELDS))
    if missing or surplus:
        wrong = f"lacks {missing[0]}" if missing else f"has the unknown field {surplus[0][:40]!r}"
        raise InvalidInput(
            f"The key of the environment {settings.name} {wrong}; an AWS key has"
            f" {', '.join(KEY_FIELDS)}, the last one for temporary keys only",
            field="key",
        )
    if not _ACCESS_KEY_ID.fullmatch(key["access_key_id"]):
        raise InvalidInput(
            f"The access key id of the environment {settings.name} is not of AWS's form"
            " (20 capital letters and digits)",
            field="key",
        )
