"""Settings: defaults < ``mavis.toml`` < environment < flags.

Each setting is a field of one of the section classes below, with its help beside it; the
documentation and ``mavisctl config`` are made from these fields. The environment variable of
``[edge] port`` is ``MAVIS_EDGE_PORT``. `load` collects every bad value before it complains, and
each complaint names key, value, where it came from and the mend.

Paths below the state folder are properties of `Config`, so that every process agrees on them.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

from mavis_core.errors import InvalidInput, Unavailable

__all__ = [
    "ApiConfig",
    "ApplianceConfig",
    "AwsConfig",
    "BadSetting",
    "Config",
    "DashboardsConfig",
    "DatabaseConfig",
    "EdgeConfig",
    "HubConfig",
    "PortsConfig",
    "Setting",
    "WorkerConfig",
    "load",
    "settings",
]

T = TypeVar("T")
_MASKED = "masked"
_HIDDEN = "…"  # stands for a secret, and for what may be one under a wrong key


@dataclass(frozen=True, slots=True)
class Check:
    """Which values a setting takes.

    Parameters
    ----------
    allowed
        For people, after the word "use": ``a port from 1 to 65535``.
    allows
        Whether a value is one of them.
    """

    allowed: str
    allows: Callable[[Any], bool]


def _setting(default: T, help: str, check: Check | None = None, *, secret: bool = False) -> T:
    """Declare one setting: its default, what it means, and which values it takes."""
    metadata = {"help": help, "check": check, _MASKED: secret}
    return field(default=default, metadata=MappingProxyType(metadata), repr=not secret)


def _one_of(*words: str) -> Check:
    return Check(f"one of {', '.join(words)}", lambda value: value in words)


def _between(low: float, high: float) -> Check:
    return Check(f"a number from {low:g} to {high:g}", lambda value: low <= value <= high)


def _or_empty(check: Check) -> Check:
    return Check(
        f"{check.allowed}, or leave it empty", lambda value: not value or check.allows(value)
    )


_PORT = Check("a port from 1 to 65535", lambda value: 1 <= value <= 65535)
_HOST = Check(
    "a host name or an address", lambda value: bool(re.fullmatch(r"[0-9A-Za-z.:-]+", value))
)
_DATABASE_URL = Check(
    "sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME",
    lambda value: bool(re.match(r"(sqlite|postgresql\+psycopg)://", value)),
)


@dataclass(frozen=True, slots=True)
class ApplianceConfig:
    """The machine as a whole."""

    name: str = _setting("Mavis", "The name that pages show.")
    isolation: str = _setting(
        "auto",
        "users: every service and person has a Unix user of its own (needs root). none: all run"
        " as the one who starts Mavis, for a try-out; real cloud accounts are refused."
        " auto: users where started as root, else none.",
        _one_of("auto", "users", "none"),
    )


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """The edge proxy: the only public port."""

    host: str = _setting("127.0.0.1", "The address to listen on; 0.0.0.0 for all.", _HOST)
    port: int = _setting(8443, "The public port.", _PORT)
    public_host: str = _setting(
        "",
        "The host name that people type; empty: the address to listen on.",
        _or_empty(_HOST),
    )
    tls: str = _setting(
        "self-signed",
        "self-signed: made at first start, its fingerprint is printed. files: `certificate` and"
        " `key`. acme: Let's Encrypt for `public_host`. off: plain HTTP, for loopback only.",
        _one_of("self-signed", "files", "acme", "off"),
    )
    certificate: str = _setting("", "PEM file with the certificate chain, with tls = files.")
    key: str = _setting("", "PEM file with the private key, with tls = files.")
    acme_email: str = _setting("", "Where the certificate authority writes to, with tls = acme.")


@dataclass(frozen=True, slots=True)
class PortsConfig:
    """Ports on loopback. Each of them demands a secret."""

    hub: int = _setting(18441, "The Hub's pages and API, behind the edge proxy.", _PORT)
    api: int = _setting(18443, "The REST API, behind the edge proxy.", _PORT)
    prefect: int = _setting(18444, "Prefect's API and UI, for api and worker.", _PORT)
    edge_api: int = _setting(18445, "The edge proxy's API, for the Hub.", _PORT)
    dashboards: int = _setting(18446, "Dashboards' frames, behind the edge proxy.", _PORT)


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """The REST API."""

    rate_per_s: float = _setting(
        50.0, "Calls a second that one person may make over a long time.", _between(0.1, 100_000)
    )
    burst: int = _setting(
        400, "Calls that one person may make at once after a rest.", _between(1, 1_000_000)
    )


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """The main database."""

    url: str = _setting(
        "",
        "SQLAlchemy address; empty: SQLite in the state folder.",
        _or_empty(_DATABASE_URL),
        secret=True,
    )
    pool_size: int = _setting(4, "Connections that one process keeps.", _between(1, 64))


@dataclass(frozen=True, slots=True)
class HubConfig:
    """JupyterHub."""

    admin_group: str = _setting("mavis-admins", "The Hub group whose members administer Mavis.")
    admin_users: str = _setting("", "Names of administrators, separated by commas.")
    allowed_users: str = _setting("", "Names of others who may log in, separated by commas.")
    idle_timeout_s: int = _setting(
        3600, "A single-user server idle for so long is stopped.", _between(60, 604800)
    )


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """The AWS kit. Endpoints, proxies and retries are set in the configuration file, as always."""

    config_file: str = _setting(
        "", "AWS configuration file of the platform worker; empty: aws/config in the state folder."
    )


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The platform worker."""

    concurrency: int = _setting(8, "Runs that are executed at a time.", _between(1, 64))
    calls: int = _setting(16, "Calls to one environment at a time, of one Run.", _between(1, 64))
    pending_copies: int = _setting(
        20,
        "Copies of volume snapshots that are under way into one region of an account at a time;"
        " where a cloud takes fewer, the others wait.",
        _between(1, 1000),
    )
    api_rate: float = _setting(
        1.0,
        "Calls that the API budget lets begin, as a multiple of what a cloud grants an account"
        " that asked for no more.",
        _between(0.01, 1000),
    )
    poll_s: float = _setting(0.5, "Seconds between looks for queued Runs.", _between(0.05, 60))
    settle_s: float = _setting(
        30.0,
        "After a crash, an object that the cloud does not show counts as not made only when its"
        " intent is older than this many seconds.",
        _between(0, 3600),
    )
    snapshot_timeout_s: float = _setting(
        6 * 3600.0, "A snapshot that is not complete by then has failed.", _between(1, 172800)
    )


@dataclass(frozen=True, slots=True)
class DashboardsConfig:
    """Published dashboards."""

    max_kernels: int = _setting(
        20, "Pages that can be open at a time; each has a kernel of its own.", _between(1, 500)
    )
    preheated: int = _setting(
        2, "Kernels that wait, ready to show a dashboard at once; 0: none.", _between(0, 50)
    )
    idle_s: int = _setting(
        30,
        "A kernel whose page has not been heard of for so many seconds is ended.",
        _between(10, 3600),
    )
    cell_timeout_s: int = _setting(
        60, "A cell that takes more seconds than that is ended.", _between(1, 3600)
    )
    kernel_memory_mb: int = _setting(
        1024, "Memory that a kernel may ask for, in MiB.", _between(256, 65536)
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one appliance, and where its files are.

    Parameters
    ----------
    home
        The state folder, ``MAVIS_HOME``: an absolute path.
    """

    home: Path
    appliance: ApplianceConfig = field(default_factory=ApplianceConfig)
    edge: EdgeConfig = field(default_factory=EdgeConfig)
    ports: PortsConfig = field(default_factory=PortsConfig)
    api: ApiConfig = field(default_factory=ApiConfig)
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    aws: AwsConfig = field(default_factory=AwsConfig)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    dashboards: DashboardsConfig = field(default_factory=DashboardsConfig)

    @property
    def isolated(self) -> bool:
        """Whether services and people have Unix users of their own."""
        if self.appliance.isolation == "auto":
            return os.geteuid() == 0
        return self.appliance.isolation == "users"

    @property
    def public_url(self) -> str:
        """The address that people type, without a slash at the end."""
        scheme = "http" if self.edge.tls == "off" else "https"
        host = self.edge.public_host or self.edge.host
        if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
            host = "127.0.0.1"
        default = 80 if scheme == "http" else 443
        port = "" if self.edge.port == default else f":{self.edge.port}"
        return f"{scheme}://{host}{port}"

    @property
    def database_url(self) -> str:
        """The main database's SQLAlchemy address."""
        return self.database.url or f"sqlite:///{quote(str(self.home))}/db/mavis.sqlite"

    @property
    def secrets(self) -> Path:
        """Folder of the secrets made at first start; a folder a process, for its user only."""
        return self.home / "secrets"

    @property
    def run(self) -> Path:
        """Folder of sockets and process ids."""
        return self.home / "run"

    @property
    def logs_socket(self) -> Path:
        """The log process's Unix socket."""
        return self.run / "logs" / "logs.sock"

    @property
    def dashboards_run(self) -> Path:
        """Folder of the folders of dashboards' kernels, with their sockets."""
        return self.run / "dashboards"

    @property
    def journal(self) -> Path:
        """Folder of the log process: journal and index."""
        return self.home / "journal"

    @property
    def aws_config_file(self) -> Path:
        """The AWS configuration file of the platform worker."""
        return Path(self.aws.config_file or self.home / "aws" / "config")

    @property
    def ca_file(self) -> Path:
        """The certificate that clients of a self-signed appliance trust."""
        return self.home / "edge" / "tls" / "certificate.pem"

    def secret_file(self, process: str, name: str) -> Path:
        """Where `process` keeps its copy of the secret `name`: one line of text, mode 0600."""
        return self.secrets / process / name

    def read_secret(self, process: str, name: str) -> str:
        """Return the secret `name` from the folder that only `process` may read.

        Raises
        ------
        Unavailable
            There is no such file, or this user may not read it.
        """
        path = self.secret_file(process, name)
        try:
            return path.read_text(encoding="ascii").strip()
        except OSError as exc:
            raise Unavailable(
                f"The secret {name} of {process} cannot be read at {path}: {exc.strerror}",
                mend="Start the appliance with `mavisctl up`, which makes all secrets.",
            ) from exc


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


_SECTIONS: dict[str, type[Any]] = {
    "appliance": ApplianceConfig,
    "edge": EdgeConfig,
    "ports": PortsConfig,
    "api": ApiConfig,
    "database": DatabaseConfig,
    "hub": HubConfig,
    "aws": AwsConfig,
    "worker": WorkerConfig,
    "dashboards": DashboardsConfig,
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
            item.metadata[_MASKED],
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
