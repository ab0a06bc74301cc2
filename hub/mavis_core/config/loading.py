"""Settings from where they are given; every bad one is told, not the first only."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from mavis_core.config.config import Config
from mavis_core.config.declaring import MASKED, Check
from mavis_core.errors import InvalidInput

_HIDDEN = "…"  # stands for a secret, and for what may be one under a wrong key


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, for documentation: its key, type, default and meaning.

    Parameters
    ----------
    allowed
        Which values it takes, for people; empty: any of its type.
    """

    key: str
    type: str
    default: object
    help: str
    secret: bool
    allowed: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "MAVIS_" + self.key.upper().replace(".", "_")


@dataclass(frozen=True, slots=True)
class BadSetting:
    """A value that cannot be used, and how to mend it."""

    key: str
    value: object
    source: str
    mend: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value!r} (from {self.source}): {self.mend}"


_MAKERS: dict[str, Any] = {item.name: item.default_factory for item in fields(Config)}
_SECTIONS: dict[str, type[Any]] = {  # the class of a section makes its defaults
    name: maker for name, maker in _MAKERS.items() if isinstance(maker, type)
}
_TYPES: dict[str, type[Any]] = {"str": str, "int": int, "float": float}


def settings() -> tuple[Setting, ...]:
    """Return every setting there is, in the order of the sections."""
    return tuple(
        Setting(
            f"{section}.{item.name}",
            str(item.type),
            item.default,
            item.metadata["help"],
            item.metadata[MASKED],
            item.metadata["check"].allowed if item.metadata["check"] else "",
        )
        for section, cls in _SECTIONS.items()
        for item in fields(cls)
    )


def load(
    home: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Config:
    """Return the settings of the appliance whose state folder is `home`.

    Parameters
    ----------
    home
        The state folder. None: ``MAVIS_HOME``, else ``/var/lib/mavis`` for root and
        ``~/.local/share/mavis`` for others.
    environ
        The environment; None: the process's own.
    flags
        Values from the command line by key (``edge.port``); the strongest.

    Raises
    ------
    InvalidInput
        One or more values are bad; the message has a line for each.
    """
    environ = os.environ if environ is None else environ
    home = (home or _default_home(environ)).expanduser().absolute()
    given, bad = _read_file(home / "mavis.toml")
    for setting in settings():
        if setting.variable in environ:
            given[setting.key] = (environ[setting.variable], setting.variable)
    given.update({key: (value, "the command line") for key, value in (flags or {}).items()})
    sections: dict[str, Any] = {}
    for section, cls in _SECTIONS.items():
        values = {}
        for item in fields(cls):
            key = f"{section}.{item.name}"
            if key in given:
                values[item.name] = _value(key, item, *given.pop(key), bad)
        sections[section] = cls(**{k: v for k, v in values.items() if v is not None})
    known = ", ".join(_SECTIONS)
    bad += [
        BadSetting(key, _HIDDEN, source, f"no such setting; the sections are {known}")
        for key, (_, source) in given.items()
    ]
    if bad:
        raise InvalidInput(
            "Bad settings:\n" + "\n".join(f"  {line}" for line in bad),
            mend="Correct the named values; `mavisctl config list` explains every setting.",
        )
    return Config(home=home, **sections)


def _default_home(environ: Mapping[str, str]) -> Path:
    if environ.get("MAVIS_HOME"):
        return Path(environ["MAVIS_HOME"])
    return Path("/var/lib/mavis" if os.geteuid() == 0 else "~/.local/share/mavis")


def _read_file(path: Path) -> tuple[dict[str, tuple[object, str]], list[BadSetting]]:
    given: dict[str, tuple[object, str]] = {}
    bad: list[BadSetting] = []
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return given, bad
    except (OSError, UnicodeDecodeError) as exc:
        return given, [BadSetting("mavis.toml", str(path), str(path), f"cannot be read: {exc}")]
    except tomllib.TOMLDecodeError as exc:
        return given, [BadSetting("mavis.toml", str(path), str(path), f"is not TOML: {exc}")]
    for section, values in document.items():
        if isinstance(values, dict):
            given |= {f"{section}.{key}": (value, str(path)) for key, value in values.items()}
        else:
            bad.append(
                BadSetting(
                    section, _HIDDEN, str(path), f"put it below a [section]: {', '.join(_SECTIONS)}"
                )
            )
    return given, bad


def _value(key: str, item: Field[Any], raw: object, source: str, bad: list[BadSetting]) -> Any:
    """Return `raw` as the field's type, or None with a line in `bad`."""
    wanted = _TYPES[str(item.type)]
    value: Any = raw
    if isinstance(raw, str) and wanted is not str:
        try:
            value = wanted(raw)
        except ValueError:
            value = raw
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        bad.append(
            BadSetting(key, _shown(key, raw), source, f"use a value of type {wanted.__name__}")
        )
        return None
    check: Check | None = item.metadata["check"]
    if check is not None and not check.allows(value):
        bad.append(BadSetting(key, _shown(key, raw), source, f"use {check.allowed}"))
        return None
    return value


def _shown(key: str, value: object) -> object:
    secret = any(setting.secret for setting in settings() if setting.key == key)
    return _HIDDEN if secret else value
