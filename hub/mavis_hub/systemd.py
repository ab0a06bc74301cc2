"""The table of processes as systemd units, for an appliance that systemd looks after."""

from __future__ import annotations

from collections.abc import Iterable

from mavis_core.config import Config
from mavis_hub.processes import Process

__all__ = ["units"]

_TARGET = "mavis.target"


def units(config: Config, table: Iterable[Process]) -> dict[str, str]:
    """Return the text of each unit file by its name; ``mavis.target`` starts and stops all."""
    rows = tuple(table)
    names = [f"mavis-{row.name}.service" for row in rows]
    target = _text(
        ("Unit", [("Description", config.appliance.name), ("Wants", " ".join(names))]),
        ("Install", [("WantedBy", "multi-user.target")]),
    )
    services = (_service(row) for row in rows)
    return {_TARGET: target, **dict(zip(names, services, strict=True))}


def _service(row: Process) -> str:
    service = [
        ("ExecStart", " ".join(_quoted(part) for part in row.command)),
        ("WorkingDirectory", str(row.folder)),
        ("Restart", row.restart.value),
        ("RestartSec", "1"),
        ("TimeoutStopSec", str(row.stop_timeout_s)),
        ("KillMode", "mixed"),  # the main process is asked, what it leaves behind is killed
        ("UMask", f"{row.umask:04o}"),
    ]
    if row.user is not None:
        service += [("User", row.user), ("NoNewPrivileges", "yes"), ("PrivateTmp", "yes")]
    if row.capabilities:
        kept = " ".join(f"CAP_{name.upper()}" for name in row.capabilities)
        service += [("AmbientCapabilities", kept), ("CapabilityBoundingSet", kept)]
    service += [
        ("Environment", _quoted(f"{name}={value}", always=True))
        for name, value in sorted(row.environment.items())
    ]
    return _text(
        ("Unit", [("Description", f"Mavis: {row.title}"), ("PartOf", _TARGET)]),
        ("Service", service),
    )


def _quoted(value: str, *, always: bool = False) -> str:
    """Return `value` quoted as systemd.syntax(7) and its specifiers want it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    plain = escaped == value and not any(letter.isspace() for letter in value)
    return value if plain and not always else f'"{escaped}"'


def _text(*sections: tuple[str, list[tuple[str, str]]]) -> str:
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines)
        for name, lines in sections
    )
