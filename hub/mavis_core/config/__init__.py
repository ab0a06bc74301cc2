"""Settings: defaults < ``mavis.toml`` < environment < flags.

Each setting is a field of one of the section classes in `sections`, with its help beside it; the
documentation and ``mavisctl config`` are made from these fields. The environment variable of
``[edge] port`` is ``MAVIS_EDGE_PORT``. `load` collects every bad value before it complains, and
each complaint names key, value, where it came from and the mend.

Paths below the state folder are properties of `Config`, so that every process agrees on them.
"""

from mavis_core.config.config import Config
from mavis_core.config.loading import BadSetting, Setting, load, settings
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
    "LogsConfig",
    "ObjectsConfig",
    "PortsConfig",
    "RemoteConfig",
    "Setting",
    "SyslogConfig",
    "WorkerConfig",
    "load",
    "settings",
]
