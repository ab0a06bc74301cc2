"""The tables of the reference: settings, who may what, errors, records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from itertools import groupby

from guide_making.markdown import first_sentence, table
from guide_making.record_actions import ACTIONS
from mavis_core import config
from mavis_core.access import PERMISSIONS, ROLES, Role
from mavis_core.config import Config, Setting, settings
from mavis_core.errors import all_errors
from mavis_ext.openapi import committed
from mavis_hub.hub import custom_scopes
from mavis_kernel import errors as client

__all__ = [
    "actions",
    "client_errors",
    "errors",
    "exit_codes",
    "fields_",
    "permissions",
    "roles",
    "scopes",
    "settings_",
]

_TYPES = {"str": "a text", "int": "a whole number", "float": "a number"}
_FIELDS = {  # those that need no words in the description of the API
    "id": "Never changes; begins with `rec_`.",
    "time": "In UTC, to the microsecond.",
    "person": "The Hub's user name; `mavis:platform` or a process for what nobody asked for.",
    "outcome": "`ok`, `failed` or `refused`; null for an intent.",
    "error_code": "The code of the error that ended it.",
    "correlation_id": "The same for everything that one call has set off.",
    "request_id": "The call; shown to people with errors.",
    "data": "What else there is to say, by action; never a secret.",
}


def settings_() -> str:
    """Return a section of settings for each section of ``mavis.toml``."""
    sections = {item.name: item.type for item in fields(Config)}
    return "\n".join(
        f"## `[{section}]`\n\n{_section_doc(str(sections[section]))}\n\n"
        + "\n".join(_setting(each) for each in of_it)
        for section, of_it in groupby(settings(), key=lambda each: each.key.partition(".")[0])
    )


def _section_doc(name: str) -> str:
    return first_sentence(getattr(config, name))


def _setting(each: Setting) -> str:
    default = f"`{each.default}`" if each.default != "" else "empty"
    takes = each.allowed or _TYPES[each.type]
    secret = " It may hold a secret: Mavis never shows it." if each.secret else ""
    return (
        f"### `{each.key}`\n\n{each.help}{secret}\n\n"
        f"- default: {default}\n- takes: {takes}\n- variable: `{each.variable}`\n"
    )


def scopes() -> str:
    """Return what a token may be used for."""
    rows = [
        (f"`{scope}`", f"{told['description']}", _held(told.get("subscopes", [])))
        for scope, told in custom_scopes().items()
    ]
    return table(("scope", "what it is for", "holds as well"), rows)


def _held(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def roles() -> str:
    """Return what a person may be in a project."""
    return table(("role", "what it is"), [(f"`{role}`", ROLES[role]) for role in Role])


def permissions() -> str:
    """Return the table of permissions by role."""
    head = ("permission", "scope", *(role.value for role in Role))
    return table(head, _permission_rows())


def _permission_rows() -> Iterator[tuple[str, ...]]:
    for permission, grant in PERMISSIONS.items():
        scope = grant.scope.value.rpartition(":")[2]
        if grant.roles:
            cells = ("✓" if role in grant.roles else "" for role in Role)
        else:
            cells = ("" for _ in Role)
            scope += " alone"
        yield (f"`{permission}`", scope, *cells)


def errors() -> str:
    """Return every error of the appliance."""
    kinds = {kind.code: kind for kind in reversed(all_errors()[1:])}
    rows = [
        (f"`{kind.code}`", str(kind.status), first_sentence(kind), kind.default_mend)
        for kind in sorted(kinds.values(), key=lambda kind: (kind.status, kind.code))
    ]
    return table(("code", "status", "what it means", "what to do"), rows)


def client_errors() -> str:
    """Return what the Python client raises, with the exit code of the command line."""
    kinds = [
        kind
        for kind in vars(client).values()
        if isinstance(kind, type) and issubclass(kind, client.MavisError)
    ]
    rows = [
        (
            f"`{kind.__name__}`",
            ", ".join(f"`{base.__name__}`" for base in kind.__bases__),
            str(kind.exit_code),
            first_sentence(kind),
        )
        for kind in kinds
    ]
    return table(("class", "is a", "exit code", "when"), rows)


def exit_codes() -> str:
    """Return the exit codes of `mavis`."""
    rows = [(str(code), meaning) for code, meaning in client.EXIT_CODES.items()]
    return table(("exit code", "meaning"), rows)


def fields_() -> str:
    """Return the fields of a record, as the description of the API has them."""
    record = json.loads(committed())["components"]["schemas"]["Record"]
    rows = [
        (f"`{name}`", _FIELDS.get(name) or told["description"])
        for name, told in record["properties"].items()
    ]
    return table(("field", "what it says"), rows)


def actions() -> str:
    """Return what records can be about, by noun."""
    rows = [(f"`{action}`", kind, meaning) for action, (kind, meaning) in sorted(ACTIONS.items())]
    return table(("action", "kind", "when it is written"), rows)
