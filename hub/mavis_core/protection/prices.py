"""What things cost, by a dated price list: orientation for who approves, no bill.

``prices.toml`` beside this module holds AWS's list prices as they were known on its date; an
administrator can put a newer file in its place. A price that the list does not know is None, never
zero, and every estimate says its date and what it left out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

from mavis_core.errors import InvalidInput

__all__ = ["Estimate", "PricedInstance", "PricedVolume", "Prices", "load_prices"]

_HOURS_A_MONTH = 730  # as AWS's own calculator counts: 365 x 24 / 12
_SHOWN = 3  # names of what has no price, before "and 4 more"
_SECTIONS = frozenset({"as_of", "sizes", "instance_hour", "volume_month", "snapshot_month"})
# Sizes by the price of `large`, AWS's normalization factors divided by 4:
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/apply_ri.html
_SMALL = {
    "nano": Decimal("0.0625"),
    "micro": Decimal("0.125"),
    "small": Decimal("0.25"),
    "medium": Decimal("0.5"),
    "large": Decimal(1),
}
_MEND = "Correct the price list; the one that Mavis brings along shows the form."


@dataclass(frozen=True, slots=True)
class PricedInstance:
    """An instance that runs, billed by the hour."""

    region: str
    instance_type: str

    @property
    def label(self) -> str:
        """Words for a reader: ``m5.large in eu-central-1``."""
        return f"{self.instance_type} in {self.region}"


@dataclass(frozen=True, slots=True)
class PricedVolume:
    """A volume that exists, billed by its size whether it is full or not."""

    region: str
    volume_type: str
    size_gib: int

    @property
    def label(self) -> str:
        """Words for a reader: ``gp3 volume in eu-central-1``."""
        return f"{self.volume_type} volume in {self.region}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What several things cost together.

    Parameters
    ----------
    hourly
        US dollars an hour of everything that has a price; None where nothing has one.
    unknown
        What has no price and is not counted, each once.
    as_of
        The date of the price list.
    """

    hourly: Decimal | None
    unknown: tuple[str, ...]
    as_of: date

    @property
    def sentence(self) -> str:
        """Part of a sentence for a reader, without a full stop.

        ``about $0.054 an hour by the price list of 2026-01-15; m7x.large in eu-south-2 is not in
        it``
        """
        names, verb = _listed(self.unknown), "is" if len(self.unknown) == 1 else "are"
        if self.hourly is None:
            return f"{names} {verb} not in the price list of {self.as_of}"
        known = f"about ${_shown(self.hourly)} an hour by the price list of {self.as_of}"
        return f"{known}; {names} {verb} not in it" if self.unknown else known


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list in US dollars.

    Parameters
    ----------
    as_of
        The day on which these were the prices.
    instance_hours
        By region and instance type: one hour.
    volume_months
        By region and volume type: one GiB for one month.
    snapshot_months
        By region: one GiB that a snapshot of the standard tier holds, for one month.
    """

    as_of: date
    instance_hours: Mapping[tuple[str, str], Decimal]
    volume_months: Mapping[tuple[str, str], Decimal]
    snapshot_months: Mapping[str, Decimal]

    def instance_hour(self, region: str, instance_type: str) -> Decimal | None:
        """Return the dollars an hour of an instance with Linux; None: unknown."""
        return self.instance_hours.get((region, instance_type))

    def volume_hour(self, region: str, volume_type: str, size_gib: int) -> Decimal | None:
        """Return the dollars an hour of a volume's size, without extra IOPS; None: unknown."""
        month = self.volume_months.get((region, volume_type))
        return None if month is None else month * size_gib / _HOURS_A_MONTH

    def snapshot_month(self, region: str, size_gib: int) -> Decimal | None:
        """Return the dollars a month of so many GiB in snapshots; None: unknown.

        Snapshots are billed by what they hold, which for all but the first of a volume is less
        than the size of the volume.
        """
        month = self.snapshot_months.get(region)
        return None if month is None else month * size_gib

    def estimate(self, items: Iterable[PricedInstance | PricedVolume]) -> Estimate:
        """Return what `items` cost together, an hour."""
        known: list[Decimal] = []
        unknown: dict[str, None] = {}
        for item in items:
            price = self._hour(item)
            if price is None:
                unknown[item.label] = None
            else:
                known.append(price)
        hourly = sum(known, Decimal(0)) if known or not unknown else None
        return Estimate(hourly, tuple(unknown), self.as_of)

    def _hour(self, item: PricedInstance | PricedVolume) -> Decimal | None:
        if isinstance(item, PricedInstance):
            return self.instance_hour(item.region, item.instance_type)
        return self.volume_hour(item.region, item.volume_type, item.size_gib)


def load_prices(path: Path | None = None) -> Prices:
    """Return the price list of `path`; None: the one that Mavis brings along.

    Raises
    ------
    InvalidInput
        The file cannot be read, or something in it is no price; the message names it.
    """
    document = _read(path)
    if strange := sorted(document.keys() - _SECTIONS):
        raise _bad(f"{strange[0]} is no part of a price list", strange[0])
    as_of = document.get("as_of")
    if type(as_of) is not date:
        raise _bad("a price list says its date: as_of = 2026-01-15", "as_of")
    families = _by_region(document, "instance_hour")
    return Prices(
        as_of,
        _each_size(families, _sizes(_table(document.get("sizes", {}), "sizes"))),
        _by_region(document, "volume_month"),
        _prices(document.get("snapshot_month", {}), "snapshot_month"),
    )


def _read(path: Path | None) -> dict[str, Any]:
    source = path or resources.files("mavis_core.protection") / "prices.toml"
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise InvalidInput(f"The price list {source} cannot be read: {exc}", mend=_MEND) from exc


def _by_region(document: Mapping[str, Any], section: str) -> dict[tuple[str, str], Decimal]:
    """Return the prices of ``[section.REGION]`` by region and name."""
    return {
        (region, name): price
        for region, values in _table(document.get(section, {}), section).items()
        for name, price in _prices(values, f"{section}.{region}").items()
    }


def _prices(value: object, where: str) -> dict[str, Decimal]:
    return {name: _price(each, f"{where}.{name}") for name, each in _table(value, where).items()}


def _price(value: object, where: str) -> Decimal:
    price = Decimal(value) if type(value) is int else value
    if not isinstance(price, Decimal) or not price.is_finite() or price <= 0:
        raise _bad(f"{where} = {value} is no price in US dollars", where)
    return price


def _sizes(table: Mapping[str, object]) -> dict[str, dict[str, Decimal]]:
    """Return the sizes of each family, and by how much each costs more than `large`."""
    checked: dict[str, dict[str, Decimal]] = {}
    for family, sizes in table.items():
        if not isinstance(sizes, list):
            raise _bad(f"sizes.{family} is no list of sizes", f"sizes.{family}")
        checked[family] = {
            size: _times_large(size, f"sizes.{family}[{place}]") for place, size in enumerate(sizes)
        }
    return checked


def _each_size(
    families: Mapping[tuple[str, str], Decimal], sizes: Mapping[str, Mapping[str, Decimal]]
) -> dict[tuple[str, str], Decimal]:
    """Return the price of every size, given that of `large` by region and family."""
    found: dict[tuple[str, str], Decimal] = {}
    for (region, family), price in families.items():
        if family not in sizes:
            where = f"instance_hour.{region}.{family}"
            raise _bad(f"{where}: `sizes` does not say which sizes {family} has", where)
        for size, times in sizes[family].items():
            found[region, f"{family}.{size}"] = price * times
    return found


def _times_large(size: object, where: str) -> Decimal:
    if isinstance(size, str):
        if match := re.fullmatch(r"([1-9][0-9]?)?xlarge", size):
            return Decimal(2 * int(match[1] or 1))
        if size in _SMALL:
            return _SMALL[size]
    raise _bad(f"{where} = {size} is no size whose price follows from that of `large`", where)


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _bad(f"{where} is no table", where)
    return value


def _bad(message: str, where: str) -> InvalidInput:
    return InvalidInput(message, mend=_MEND, field=where)


def _listed(names: tuple[str, ...]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``, or ``a, b, c and 4 more``."""
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    *first, last = [*names[:_SHOWN], *more] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _shown(dollars: Decimal) -> str:
    """Return cents, or two digits that say something where a cent says too little."""
    digits = max(2, 1 - dollars.adjusted())
    return f"{dollars:.{digits}f}"
