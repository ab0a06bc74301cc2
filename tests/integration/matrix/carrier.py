"""What a process does that carries Runs out: the worker without Prefect, with its own clock."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from integration.matrix import disk, forks
from integration.matrix.orders import Facts, Order, Report
from integration.matrix.scenarios import SCENARIOS
from integration.matrix.stage import KIT, Stage
from mavis_core.clock import set_clock
from mavis_core.contract import EnvironmentSettings
from mavis_core.errors import Unavailable


def main(address: str) -> None:
    """Serve, with everything at hand that costs time: modules, and AWS's descriptions."""
    os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    KIT.endpoints(EnvironmentSettings("env", "any", "1" * 12, ("eu-central-1",), {}))
    del os.environ["AWS_ENDPOINT_URL"]
    forks.serve(address, obey)


def obey(order: Order) -> Report:
    """Do what `order` says."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = str(order.home / "aws-config")
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(order.home / "no-credentials")
    clock = _clock(order)
    bugs: list[str] = []
    facts: Facts | None = None
    disk.arm(order.write, order.effect)
    with set_clock(clock):
        stage = Stage(order.home, order.endpoint, order.settle_s)
        try:
            if order.prepare:
                facts = SCENARIOS[order.prepare].prepare(stage)
            elif order.cancel:
                stage.cancel(order.cancel)
            else:
                if order.tick:
                    stage.timetable.tick()
                stage.carry_out(bugs.append)
        except Unavailable:  # as the worker bears it: it looks for work again later
            if not order.effect:
                bugs.append(traceback.format_exc())
        except Exception:  # noqa: BLE001  # the outermost edge: who ordered it reads it
            bugs.append(traceback.format_exc())
        finally:
            stage.close()
        writes = disk.count()
        disk.arm(0, "")
        return Report(clock().timestamp(), tuple(bugs), facts, writes)


def _clock(order: Order) -> Callable[[], datetime]:
    began = time.monotonic()

    def now() -> datetime:
        passed = (time.monotonic() - began) * order.rate
        return datetime.fromtimestamp(order.now + passed, UTC)

    return now
