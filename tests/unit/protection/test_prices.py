"""Prices: dated, never zero for what is not known, and open to a newer list."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from mavis_core.errors import InvalidInput
from mavis_core.protection.prices import (
    Estimate,
    PricedInstance,
    PricedVolume,
    Prices,
    load_prices,
)

REGIONS = ["eu-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2"]
FAMILIES = ["t3", "t3a", "t4g", "m5", "m6i", "m7i", "m6g", "m7g", "c5", "c6i", "c7i", "r5", "r6i"]
VOLUMES = ["gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"]
DAY = date(2026, 1, 15)
OWN = """
as_of = 2026-10-01
[sizes]
x9 = ["medium", "large", "3xlarge"]
[instance_hour.eu-south-2]
x9 = 0.5
[volume_month.eu-south-2]
gp3 = 0.073
[snapshot_month]
eu-south-2 = 1
"""


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load_prices()


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("region", REGIONS)
def test_the_list_knows_common_families_volumes_and_snapshots(prices: Prices, region: str) -> None:
    for family in FAMILIES:
        assert prices.instance_hour(region, f"{family}.large")
        assert prices.instance_hour(region, f"{family}.2xlarge")
    for volume_type in VOLUMES:
        assert prices.volume_hour(region, volume_type, 1)
    assert prices.snapshot_month(region, 1)


@pytest.mark.parametrize(
    ("region", "instance_type", "dollars"),
    [
        pytest.param("us-east-1", "t3.nano", "0.0052", id="the smallest"),
        pytest.param("us-east-1", "t4g.micro", "0.0084", id="micro"),
        pytest.param("us-east-1", "t3a.small", "0.0188", id="small"),
        pytest.param("eu-central-1", "m6g.medium", "0.046", id="medium"),
        pytest.param("eu-central-1", "m5.large", "0.115", id="large"),
        pytest.param("us-west-2", "m7g.xlarge", "0.1632", id="xlarge"),
        pytest.param("us-east-1", "c7i.4xlarge", "0.714", id="4xlarge"),
        pytest.param("us-east-1", "c5.9xlarge", "1.53", id="no power of two"),
        pytest.param("us-east-1", "r6i.32xlarge", "8.064", id="the largest"),
    ],
)
def test_larger_sizes_follow_from_the_price_of_one(
    prices: Prices, region: str, instance_type: str, dollars: str
) -> None:
    assert prices.instance_hour(region, instance_type) == Decimal(dollars)


@pytest.mark.parametrize(
    ("region", "instance_type"),
    [
        pytest.param("eu-south-2", "m5.large", id="region"),
        pytest.param("us-east-1", "m7x.large", id="family"),
        pytest.param("us-east-1", "m5.nano", id="a size that the family has not"),
        pytest.param("us-east-1", "m5.metal", id="a size that follows no rule"),
        pytest.param("us-east-1", "", id="nothing"),
    ],
)
def test_an_instance_that_is_not_in_the_list_has_no_price(
    prices: Prices, region: str, instance_type: str
) -> None:
    assert prices.instance_hour(region, instance_type) is None


def test_a_volume_costs_its_size_over_730_hours_a_month(prices: Prices) -> None:
    hour = prices.volume_hour("us-east-1", "gp3", 1000)
    assert hour is not None
    assert round(hour * 730, 6) == 80
    assert prices.volume_hour("us-east-1", "gp9", 1000) is None
    assert prices.volume_hour("eu-south-2", "gp3", 1000) is None


def test_a_snapshot_costs_its_size_a_month(prices: Prices) -> None:
    assert prices.snapshot_month("eu-central-1", 100) == Decimal("5.4")
    assert prices.snapshot_month("eu-south-2", 100) is None


def test_an_estimate_is_the_sum_of_what_has_a_price_and_names_the_rest(prices: Prices) -> None:
    estimate = prices.estimate(
        [
            PricedInstance("eu-central-1", "t3.medium"),
            PricedVolume("eu-central-1", "gp3", 73),
            PricedInstance("eu-south-2", "m7x.large"),
            PricedInstance("eu-south-2", "m7x.large"),
            PricedVolume("eu-south-2", "gp3", 8),
        ]
    )
    assert estimate.hourly is not None
    assert round(estimate.hourly, 6) == Decimal("0.05752")
    assert estimate.unknown == ("m7x.large in eu-south-2", "gp3 volume in eu-south-2")
    assert estimate.as_of == prices.as_of


def test_an_estimate_of_unknown_things_alone_is_unknown_and_not_zero(prices: Prices) -> None:
    assert prices.estimate([PricedInstance("eu-south-2", "m7x.large")]).hourly is None


def test_nothing_costs_nothing(prices: Prices) -> None:
    assert prices.estimate([]).hourly == 0


@pytest.mark.parametrize(
    ("hourly", "unknown", "sentence"),
    [
        pytest.param(
            "0.0536",
            ("m7x.large in eu-south-2",),
            "about $0.054 an hour by the price list of 2026-01-15;"
            " m7x.large in eu-south-2 is not in it",
            id="one unknown",
        ),
        pytest.param(
            "12.3456", (), "about $12.35 an hour by the price list of 2026-01-15", id="all"
        ),
        pytest.param(
            "0.996", (), "about $1.00 an hour by the price list of 2026-01-15", id="round"
        ),
        pytest.param(
            "0.000206", (), "about $0.00021 an hour by the price list of 2026-01-15", id="tiny"
        ),
        pytest.param(
            None, ("a", "b"), "a and b are not in the price list of 2026-01-15", id="none known"
        ),
        pytest.param(
            "1",
            ("a", "b", "c"),
            "about $1.00 an hour by the price list of 2026-01-15; a, b and c are not in it",
            id="three unknown",
        ),
        pytest.param(
            "1",
            tuple("abcdefg"),
            "about $1.00 an hour by the price list of 2026-01-15; a, b, c and 4 more are not in it",
            id="many unknown",
        ),
    ],
)
def test_an_estimate_is_said_with_its_date_and_its_gaps(
    hourly: str | None, unknown: tuple[str, ...], sentence: str
) -> None:
    dollars = None if hourly is None else Decimal(hourly)
    assert Estimate(dollars, unknown, DAY).sentence == sentence


def test_a_newer_list_takes_the_place_of_the_one_that_mavis_brings(tmp_path: Path) -> None:
    own = load_prices(written(tmp_path, OWN))
    assert own.as_of == date(2026, 10, 1)
    assert own.instance_hour("eu-south-2", "x9.medium") == Decimal("0.25")
    assert own.instance_hour("eu-south-2", "x9.3xlarge") == 3
    assert own.volume_hour("eu-south-2", "gp3", 100) == Decimal("0.01")
    assert own.snapshot_month("eu-south-2", 2) == 2
    assert own.instance_hour("eu-central-1", "t3.nano") is None


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        pytest.param("as_of = 2026-10-01", "", "as_of", id="no date"),
        pytest.param("2026-10-01", "2026-10-01T00:00:00Z", "as_of", id="a moment, no date"),
        pytest.param("2026-10-01", '"October"', "as_of", id="a text, no date"),
        pytest.param("x9 = 0.5", "x9 = 0", "instance_hour.eu-south-2.x9", id="zero"),
        pytest.param("x9 = 0.5", "x9 = -1.5", "instance_hour.eu-south-2.x9", id="below zero"),
        pytest.param("x9 = 0.5", "x9 = nan", "instance_hour.eu-south-2.x9", id="no number"),
        pytest.param("x9 = 0.5", "x9 = inf", "instance_hour.eu-south-2.x9", id="endless"),
        pytest.param("x9 = 0.5", "x9 = true", "instance_hour.eu-south-2.x9", id="truth"),
        pytest.param("x9 = 0.5", 'x9 = "0.5"', "instance_hour.eu-south-2.x9", id="a text"),
        pytest.param("x9 = 0.5", "x8 = 0.5", "instance_hour.eu-south-2.x8", id="no sizes"),
        pytest.param('"3xlarge"', '"metal"', "sizes.x9[2]", id="a size without a rule"),
        pytest.param('"3xlarge"', "3", "sizes.x9[2]", id="a size that is a number"),
        pytest.param('["medium", "large", "3xlarge"]', '"large"', "sizes.x9", id="one size"),
        pytest.param("[snapshot_month]", "[snapshots]", "snapshots", id="another section"),
        pytest.param("[snapshot_month]", "[snapshot_month.a]", "snapshot_month.a", id="too deep"),
        pytest.param("gp3 = 0.073", "[[volume_month.x]]", "volume_month.x", id="a list"),
        pytest.param("as_of = 2026-10-01", "as_of = ", None, id="no TOML"),
    ],
)
def test_a_list_with_a_fault_is_refused_by_the_name_of_the_fault(
    tmp_path: Path, old: str, new: str, field: str | None
) -> None:
    assert old in OWN
    with pytest.raises(InvalidInput) as refused:
        load_prices(written(tmp_path, OWN.replace(old, new)))
    assert refused.value.field == field
    assert field is None or field in refused.value.message


def test_a_list_that_is_not_there_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_prices(tmp_path / "prices.toml")


def test_a_list_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_prices(path)
