"""`mavisctl doctor`: everything that can be looked at, each with its verdict and its mend."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cryptography import x509

from mavis_core import clock
from mavis_core.config import Config
from mavis_core.errors import MavisError
from mavis_hub.appliance import guard
from mavis_hub.certificate import certificate_path
from mavis_hub.folders import folders
from mavis_hub.preflight import preflight
from mavis_hub.processes import processes
from mavis_hub.status import rows
from mavis_hub.supervisor import running_pid

__all__ = ["Finding", "Verdict", "examine"]

_LEAST_FREE_BYTES = 2 * 1024**3
_CERTIFICATE_WARNING = timedelta(days=21)


class Verdict(StrEnum):
    """What a finding means."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    mend
        What to do; empty where nothing is to be done.
    """

    name: str
    verdict: Verdict
    detail: str
    mend: str = ""


def examine(config: Config) -> tuple[Finding, ...]:
    """Look at everything; a look that fails is a finding, never an error."""
    looks: tuple[Callable[[Config], Iterator[Finding]], ...] = (
        _isolation,
        _processes,
        _start,
        _modes,
        _secrets,
        _disk,
        _certificate,
        _metadata,
    )
    return tuple(finding for look in looks for finding in _carefully(look, config))


def _carefully(look: Callable[[Config], Iterator[Finding]], config: Config) -> list[Finding]:
    try:
        return list(look(config))
    except MavisError as exc:
        name = look.__name__.strip("_")
        return [Finding(name, Verdict.FAIL, exc.message, exc.mend)]
    except OSError as exc:
        name = look.__name__.strip("_")
        mend = "Run `mavisctl doctor` as the user who starts Mavis."
        return [Finding(name, Verdict.FAIL, f"{exc.filename}: {exc.strerror}", mend)]


def _isolation(config: Config) -> Iterator[Finding]:
    if config.isolated:
        yield Finding("isolation", Verdict.OK, "services and people have Unix users of their own")
    else:
        mend = "Start Mavis as root before you connect a real account."
        yield Finding("isolation", Verdict.WARN, "single-user try-out, no isolation", mend)


def _processes(config: Config) -> Iterator[Finding]:
    if running_pid(config) is None:
        mend = "Start it with `mavisctl up`."
        yield Finding("processes", Verdict.WARN, "Mavis is not running", mend)
        return
    for row in rows(config, processes(config)):
        log = config.home / "log" / f"{row.name}.log"
        if row.well:
            yield Finding(row.name, Verdict.OK, f"{row.title} is well")
        else:
            detail = f"{row.title}: {row.state}, {row.detail}"
            yield Finding(row.name, Verdict.FAIL, detail, f"Read the last lines of {log}.")


def _start(config: Config) -> Iterator[Finding]:
    if running_pid(config) is None:
        preflight(config)
        yield Finding("start", Verdict.OK, "nothing stands in the way of a start")


def _modes(config: Config) -> Iterator[Finding]:
    wrong = [
        f"{folder.path} is {mode:o}, not {folder.mode:o}"
        for folder in folders(config)
        if folder.path.exists()
        and (mode := stat.S_IMODE(folder.path.stat().st_mode)) != folder.mode
    ]
    if wrong:
        mend = "Run `mavisctl down` and `mavisctl up`, which set modes and owners."
        yield Finding("folders", Verdict.FAIL, "; ".join(wrong), mend)
    else:
        yield Finding("folders", Verdict.OK, "modes are as they should be")


def _secrets(config: Config) -> Iterator[Finding]:
    open_files = [
        str(path)
        for path in config.secrets.glob("*/*")
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if open_files:
        mend = "Run `chmod 600` on them, and change those that others may have read."
        yield Finding("secrets", Verdict.FAIL, "others may read " + ", ".join(open_files), mend)
    else:
        yield Finding("secrets", Verdict.OK, "each is readable for its process only")


def _disk(config: Config) -> Iterator[Finding]:
    existing = next(path for path in (config.home, *config.home.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1024**3:.1f} GiB free below {config.home}"
    if free < _LEAST_FREE_BYTES:
        mend = f"Free some space: below {_LEAST_FREE_BYTES / 1024**3:.0f} GiB writes may fail soon."
        yield Finding("disk", Verdict.WARN, detail, mend)
    else:
        yield Finding("disk", Verdict.OK, detail)


def _certificate(config: Config) -> Iterator[Finding]:
    if config.edge.tls in ("off", "acme"):
        yield Finding("certificate", Verdict.OK, f"edge.tls is {config.edge.tls}")
        return
    path = certificate_path(config)
    if not path.exists() and config.edge.tls == "self-signed":
        yield Finding("certificate", Verdict.OK, "is made at the first start")
        return
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except ValueError:
        mend = "Set edge.certificate to a PEM file."
        yield Finding("certificate", Verdict.FAIL, f"{path} is no certificate", mend)
        return
    left = ends - clock.now()
    if left < _CERTIFICATE_WARNING:
        mend = "Renew it, then run `mavisctl down` and `mavisctl up`."
        yield Finding("certificate", Verdict.WARN, f"ends in {left.days} days", mend)
    else:
        yield Finding("certificate", Verdict.OK, f"is good for {left.days} days")


def _metadata(config: Config) -> Iterator[Finding]:
    if not config.isolated:
        detail = "the cloud's metadata address is open: there is no isolation"
        yield Finding("metadata", Verdict.WARN, detail, "Start Mavis as root.")
    elif running_pid(config) is None:
        yield Finding("metadata", Verdict.OK, "is closed at `mavisctl up`")
    elif os.geteuid() == 0 and guard().is_closed():
        yield Finding("metadata", Verdict.OK, "the cloud's metadata address is closed to people")
    else:
        mend = (
            "Give the appliance the capability CAP_NET_ADMIN and install iproute2, or require"
            " IMDSv2 with a hop limit of 1 and no instance role."
        )
        detail = "the cloud's metadata address is open to notebooks"
        yield Finding("metadata", Verdict.FAIL, detail, mend)
