"""`Config`: the settings of one appliance, joined, and where its files are."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mavis_core.config.sections import (
    ApiConfig,
    ApplianceConfig,
    AwsConfig,
    DashboardsConfig,
    DatabaseConfig,
    EdgeConfig,
    HubConfig,
    LogsConfig,
    ObjectsConfig,
    PortsConfig,
    RemoteConfig,
    SyslogConfig,
    WorkerConfig,
)
from mavis_core.errors import Unavailable

__all__ = ["Config"]


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
    logs: LogsConfig = field(default_factory=LogsConfig)
    syslog: SyslogConfig = field(default_factory=SyslogConfig)
    remote: RemoteConfig = field(default_factory=RemoteConfig)
    objects: ObjectsConfig = field(default_factory=ObjectsConfig)

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
    def reports_socket(self) -> Path:
        """The log process's Unix socket for the syslog receiver: it takes reports only."""
        return self.run / "reports" / "reports.sock"

    @property
    def syslog_run(self) -> Path:
        """Folder of the syslog receiver's sockets for programs of this machine."""
        return self.run / "syslog"

    @property
    def syslog_folder(self) -> Path:
        """Folder of the syslog receiver's certificates and clients."""
        return self.home / "syslog"

    @property
    def syslog_clients(self) -> Path:
        """Who may send to the syslog receiver."""
        return self.syslog_folder / "clients.json"

    @property
    def syslog_ca(self) -> Path:
        """The certificate that clients of the syslog receiver trust."""
        return self.syslog_folder / "ca.pem"

    def gateway_socket(self, shard: int = 0) -> Path:
        """Return the Unix socket of a gateway process, by which the api asks for recordings."""
        return self.run / "gateway" / f"gateway{_suffix(shard)}.sock"

    def gateway_port(self, shard: int = 0) -> int:
        """Return the port of a gateway process, behind the edge proxy."""
        return self.ports.gateway + shard

    def recordings_spool(self, shard: int = 0) -> Path:
        """Return the folder of a gateway process's recordings that are not in the object store."""
        return self.home / "gateway" / f"spool{_suffix(shard)}"

    @property
    def dashboards_run(self) -> Path:
        """Folder of the folders of dashboards' kernels, with their sockets."""
        return self.run / "dashboards"

    @property
    def journal(self) -> Path:
        """Folder of the log process: journal and index."""
        return self.home / "journal"

    @property
    def objects_folder(self) -> Path:
        """Folder of the object store, a folder an area; with a bucket, of notes about uploads."""
        return self.home / "objects"

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


def _suffix(shard: int) -> str:
    return f"-{shard}" if shard else ""
