"""How cases ended, counted by kind, and the table of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from integration.matrix.cases import DISK_FAULTS, FAULTS, Case


class Kind(StrEnum):
    """How a case ended."""

    AT_ONCE = "done in one attempt"
    LATER = "done in more attempts"
    FAILED = "failed, truly told"
    BLIND = "failed, may not look"
    UNMET = "the call did not come"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case ended.

    Parameters
    ----------
    wrong
        What the judge says; empty where all is well.
    seconds
        How long it took.
    """

    case: Case
    kind: Kind
    attempts: int
    code: str
    wrong: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        return "\n  ".join([str(self.case), *self.wrong])


class Tally:
    """Counts outcomes. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)

    @property
    def empty(self) -> bool:
        return not self._outcomes

    def table(self) -> str:
        """Return the outcomes by scenario, by fault and by reason, as text."""
        by_scenario = Counter((each.case.scenario, each.kind) for each in self._outcomes)
        by_fault = Counter((each.case.fault.name, each.kind) for each in self._outcomes)
        scenarios = sorted({each.case.scenario for each in self._outcomes})
        faults = [each.name for each in (*FAULTS, *DISK_FAULTS)]
        seconds = sum(each.seconds for each in self._outcomes)
        lines = [
            f"The fault matrix: {len(self._outcomes)} cases, {seconds:.0f} s of their time",
            "",
            *_rows("scenario", scenarios, by_scenario),
            "",
            *_rows("fault", faults, by_fault),
            "",
            *self._reasons(),
        ]
        return "\n".join(lines)

    def _reasons(self) -> list[str]:
        failed = (Kind.FAILED, Kind.BLIND)
        codes = Counter(each.code for each in self._outcomes if each.kind in failed)
        most = max((each.attempts for each in self._outcomes), default=0)
        told = [f"{code or 'no code'} {number}" for code, number in codes.most_common()]
        wrong = [str(each) for each in self._outcomes if each.wrong]
        return [f"failed with: {', '.join(told) or 'nothing'}; at most {most} attempts", *wrong]

    def write(self, path: Path) -> None:
        """Write the table and every case into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        cases = [
            f"{each.case}: {each.kind.value}{f' ({each.code})' if each.code else ''}"
            f", {each.attempts} attempts, {each.seconds:.1f} s"
            for each in self._outcomes
        ]
        path.write_text("\n".join([self.table(), "", *sorted(cases), ""]), encoding="utf-8")


def _rows(head: str, names: Sequence[str], counted: Counter[tuple[str, Kind]]) -> list[str]:
    width = max(len(name) for name in [head, *names])
    columns = [*Kind]
    lines = [f"{head:<{width}}  " + "  ".join(kind.value for kind in columns) + "  all"]
    for name in names:
        numbers = [counted[name, kind] for kind in columns]
        cells = [f"{number:>{len(k.value)}}" for number, k in zip(numbers, columns, strict=True)]
        lines.append(f"{name:<{width}}  " + "  ".join(cells) + f"  {sum(numbers):>3}")
    return lines
