"""200 machines with two volumes backed up: Mavis, Cloud Custodian and plain boto3 in one run.

All work on the same AWS simulator over HTTP, which answers every call 0.3 s late, as a cloud
does, and is emptied and filled again for each. Each is a process of its own; CPU is user and
system time of that process. *look* is finding out which machines there are, *take* is everything
until the last CreateSnapshots is answered, *wait* is everything after it. Custodian does not wait.

Mavis's API budget is opened wide for this (`worker.api_rate`): by default it would let 100 calls
begin at once and 5 in each second after them, as AWS grants. Neither of the others has a budget.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from contenders import custodian, fleet
from contenders.measuring import Stretch, apart, environ, goal, module

from cloud.client import Simulator, running

MACHINES = 200
LATENCY_S, SNAPSHOT_S = 0.3, 1.0
ROUNDS = 3  # of Mavis and boto3, in turns, for the median; Custodian has one
_LOOK, _WAIT = "Look at what there is", "Wait until complete"
_TAKE = ("claim", "Select machines", "Take the snapshots")


@dataclass(frozen=True, slots=True)
class Result:
    """What a contender took, by part, and what came of it.

    Parameters
    ----------
    calls
        CreateSnapshots calls that reached the cloud, by its oracle.
    snapshots
        How many a witness saw, complete or not.
    """

    look: Stretch
    take: Stretch
    wait: Stretch
    whole: Stretch
    calls: int
    snapshots: int

    @property
    def backup(self) -> Stretch:
        """Everything but looking."""
        return self.take + self.wait


def of_custodian(simulator: Simulator, folder: Path) -> Result:
    """Carry the policy out; what it takes before its action is that of a dry run."""
    environment = custodian.install()
    dry, _ = _apart(simulator, custodian.command(environment, folder, "--dryrun"))
    whole, _ = _apart(simulator, custodian.command(environment, folder))
    return _result(simulator, dry, whole - dry, Stretch("wait", 0.0, 0.0), whole)


def of_boto3(simulator: Simulator) -> Result:
    """Run the plain script; its imports and the opening of its client count as a whole only."""
    whole, parts = _apart(simulator, module("plain"))
    return _result(simulator, parts["look"], parts["take"], parts["wait"], whole)


def of_mavis(simulator: Simulator) -> Result:
    """Carry a Run out; discovery before, and whatever a worker has done once, do not count."""
    with tempfile.TemporaryDirectory() as folder:
        _, parts = _apart(simulator, module("mavis", folder))
    apart_from_wait = {_LOOK, "ask", *_TAKE}
    take = _sum(parts[name] for name in _TAKE)
    wait = _sum(part for name, part in parts.items() if name not in apart_from_wait)
    look = parts[_LOOK]
    return _result(simulator, look, take, wait, look + take + wait)


def _apart(simulator: Simulator, command: Sequence[str]) -> tuple[Stretch, Mapping[str, Stretch]]:
    fleet.make(simulator, MACHINES, latency_s=LATENCY_S, snapshot_s=SNAPSHOT_S)
    return apart(command[0], command, environ(**fleet.aws(simulator)))


def _result(
    simulator: Simulator, look: Stretch, take: Stretch, wait: Stretch, whole: Stretch
) -> Result:
    calls = fleet.calls(simulator)
    return Result(look, take, wait, whole, calls, sum(fleet.snapshots(simulator).values()))


def _sum(parts: Iterable[Stretch]) -> Stretch:
    first, *others = parts
    return sum(others, start=first)


def median(results: Sequence[Result]) -> Result:
    """Return the median of each figure; the most calls and snapshots that were seen."""
    parts = {
        name: Stretch(
            name,
            statistics.median(getattr(each, name).wall_s for each in results),
            statistics.median(getattr(each, name).cpu_s for each in results),
        )
        for name in ("look", "take", "wait", "whole")
    }
    return Result(
        **parts,
        calls=max(each.calls for each in results),
        snapshots=max(each.snapshots for each in results),
    )


def _row(name: str, result: Result) -> str:
    parts = (result.look, result.take, result.wait, result.whole)
    figures = "".join(f"{part.wall_s:7.2f}{part.cpu_s:7.2f}" for part in parts)
    return f"{name:18}{figures}{result.calls:8}{result.snapshots:11}"


def main() -> None:
    """Measure all three and print figures, ratios and goals."""
    with running() as simulator, tempfile.TemporaryDirectory() as folder:
        theirs = of_custodian(simulator, Path(folder))
        pairs = [(of_boto3(simulator), of_mavis(simulator)) for _ in range(ROUNDS)]
    plain, ours = median([one for one, _ in pairs]), median([one for _, one in pairs])
    print(
        f"{'wall s, CPU s':18}{'look':>14}{'take':>14}{'wait':>14}{'whole':>14}{'calls':>8}", end=""
    )
    print(f"{'snapshots':>11}")
    for name, result in (
        (f"Custodian {custodian.VERSION}", theirs),
        ("boto3, 8 threads", plain),
        ("Mavis", ours),
    ):
        print(_row(name, result))
    cpu = [ours.backup.cpu_s / other.backup.cpu_s for other in (plain, theirs)]
    print(f"CPU without looking: {cpu[0]:.2f} of boto3's, {cpu[1]:.2f} of Custodian's")
    print(
        f"CPU of looking: {ours.look.cpu_s / plain.look.cpu_s:.2f} of boto3's; it writes 600 rows"
    )
    print(f"wall until all calls are answered: {ours.take.wall_s / theirs.take.wall_s:.2f}", end="")
    print(f" of Custodian's, {ours.take.wall_s / plain.take.wall_s:.2f} of boto3's")
    goal(
        "wall with the wait, of Custodian's without", ours.whole.wall_s / theirs.whole.wall_s, 1 / 3
    )
    goal("CreateSnapshots calls, of boto3's", ours.calls / plain.calls, 1.0)
    goal("CPU without looking, of boto3's", cpu[0], 1.5)


if __name__ == "__main__":
    main()
