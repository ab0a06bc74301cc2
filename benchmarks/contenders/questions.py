"""What one would ask instead of Mavis's catalogue: the cloud itself, or the tables in plain SQL."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3

from cloud.accounts import KEY
from cloud.client import Simulator
from contenders import fleet
from contenders.measuring import Stretch, stretched

PAGE = 1000
_PERIODS = {
    "substr(taken_at, 1, 13)": 24,
    "substr(taken_at, 1, 10)": 30,
    "strftime('%Y-%W', taken_at)": 20,
    "substr(taken_at, 1, 7)": 12,
}
_POINTS = """
    SELECT c.id, p.instance_id, p.taken_at FROM copies c
    JOIN recovery_points p ON c.point_id = p.id
    WHERE p.plan_id = ? AND c.state = 'complete'
"""
_NEWEST = """
    SELECT id FROM (
      SELECT id,
        row_number() OVER (PARTITION BY instance_id, {0} ORDER BY taken_at DESC) AS place,
        dense_rank() OVER (PARTITION BY instance_id ORDER BY {0} DESC) AS period
      FROM points
    ) WHERE place = 1 AND period <= {1}
"""


def kept_by_sql(folder: Path, plan_id: str) -> tuple[int, Stretch]:
    """Return how many copies plain SQL would keep, in periods of UTC, and what that takes.

    It knows no holds, locks, restores that read a copy, grace for what is not complete, and
    gives no reasons.
    """
    each = [_NEWEST.format(period, number) for period, number in _PERIODS.items()]
    query = f"WITH points AS MATERIALIZED ({_POINTS}) {' UNION '.join(each)}"
    with sqlite3.connect(folder / "mavis.sqlite") as connection, stretched("SQL") as took:
        kept = len(connection.execute(query, (plan_id,)).fetchall())
    connection.close()
    return kept, took()


def page_of_the_cloud(simulator: Simulator) -> Stretch:
    """Return what boto3 takes for a page of 1,000 snapshots; CPU is that of the client alone."""
    fleet.make(simulator, PAGE // len(fleet.DEVICES), latency_s=0.0, snapshot_s=0.0)
    client: Any = boto3.client(
        "ec2",
        region_name=fleet.REGION,
        endpoint_url=simulator.url,
        aws_access_key_id=KEY["access_key_id"],
        aws_secret_access_key=KEY["secret_access_key"],
    )
    machines = client.describe_instances()["Reservations"]
    ids = [machine["InstanceId"] for each in machines for machine in each["Instances"]]

    def take(one: str) -> None:
        client.create_snapshots(
            InstanceSpecification={"InstanceId": one}, CopyTagsFromSource="volume"
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, ids))
    with stretched("page") as took:
        found = client.describe_snapshots(OwnerIds=["self"], MaxResults=PAGE)["Snapshots"]
    client.close()
    if len(found) != PAGE:
        raise RuntimeError(f"{len(found)} snapshots in a page of {PAGE}")
    return took()
