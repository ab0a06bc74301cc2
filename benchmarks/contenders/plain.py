"""Plain boto3 with eight threads: the script that an engineer would write.

It looks at the instances, has their snapshots made with tags, and waits until the cloud says that
they are complete. There is no line anywhere before a call: after a crash or a lost answer nobody
knows what was made.
"""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from contenders.measuring import stretch

_THREADS = 8
_LOOK_EVERY_S = 1.0


def main() -> None:
    """Take snapshots of every production machine; tell what each part took."""
    run = str(uuid4())
    with stretch("start"):
        import boto3
        from botocore.config import Config

        client = boto3.client("ec2", config=Config(max_pool_connections=_THREADS))
        gc.freeze()  # as Mavis's worker does: no part below pays for the start
    with stretch("look"):
        pages = client.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "tag:env", "Values": ["production"]}],
            PaginationConfig={"PageSize": 500},
        )
        machines = list(pages.search("Reservations[].Instances[]"))

    def take(machine: dict[str, Any]) -> None:
        kept = [tag for tag in machine["Tags"] if tag["Key"] in ("Name", "env")]
        client.create_snapshots(
            InstanceSpecification={"InstanceId": machine["InstanceId"]},
            Description=f"Backup of {machine['InstanceId']}",
            TagSpecifications=[
                {"ResourceType": "snapshot", "Tags": [*kept, {"Key": "run", "Value": run}]}
            ],
        )

    with stretch("take"), ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(take, machines))
    with stretch("wait"):
        while not _complete(client, run, 2 * len(machines)):
            time.sleep(_LOOK_EVERY_S)


def _complete(client: Any, run: str, wanted: int) -> bool:
    pages = client.get_paginator("describe_snapshots").paginate(
        OwnerIds=["self"],
        Filters=[{"Name": "tag:run", "Values": [run]}],
        PaginationConfig={"PageSize": 500},
    )
    states = list(pages.search("Snapshots[].State"))
    return len(states) == wanted and set(states) == {"completed"}


if __name__ == "__main__":
    main()
