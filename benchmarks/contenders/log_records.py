"""Records as an appliance with 40 projects writes them, the same for the same seed.

Half are calls of the API and calls to clouds, in stories of one to a dozen records; half are
commands and cells with what they printed. One in 100,000 holds a *needle*, a word of its own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["END", "NEEDLE_EVERY", "START", "Corpus"]

START = datetime(2030, 1, 1, tzinfo=UTC)
END = START + timedelta(days=90)
NEEDLE_EVERY = 100_000
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_FOUR = [a + b + c + d for a in _ALPHABET for b in _ALPHABET for c in _ALPHABET for d in _ALPHABET]
_ACTIONS = (
    *("cloud.DescribeInstances", "cloud.CreateSnapshots", "cloud.DescribeSnapshots"),
    *("recovery_point.create", "run.start", "run.end", "inventory.refresh", "key.open"),
    *("restore.preview", "record.read", "dashboard.open", "plan.edit"),
)
_COMMANDS = (
    *("systemctl status nginx", "journalctl -u postgresql -n 50", "df -h /var", "ls -la /srv/app"),
    *("tail -n 100 /var/log/nginx/error.log", "kubectl get pods", "uptime", "free -m", "id"),
    *("show interfaces status", "ping -c 3 10.0.0.1", "psql -c 'select count(*) from orders'"),
)
_NOUNS = (
    *("server", "volume", "disk", "gateway", "router", "backup", "snapshot", "queue", "order"),
    *("session", "index", "replica", "cluster", "mount", "socket", "certificate", "listener"),
)
_VERBS = (
    *("started", "stopped", "failed", "was copied", "was refused", "is full", "is ready"),
    *("timed out", "was deleted", "answered", "restarted", "was mounted", "closed"),
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """So many records.

    Parameters
    ----------
    count
        How many; their times go evenly from `START` to `END`.
    """

    count: int
    seed: int = 20300131

    def projects(self) -> list[str]:
        """Return the projects' ids, the busiest first."""
        return [f"prj_{index:02d}" for index in range(40)]

    def people(self) -> list[str]:
        """Return the people's names."""
        return [f"person{index:02d}" for index in range(60)]

    def needle(self, index: int) -> str:
        """Return the needle with that index."""
        return f"zq{index:05d}needle"

    def lines(self) -> Iterator[tuple[str, str, str, str, bytes]]:
        """Yield project, person, correlation id, time and line of each record, in order."""
        rng = random.Random(self.seed)  # noqa: S311 - the same each time
        texts = [_text(rng) for _ in range(4000)]
        outputs = [_output(rng) for _ in range(4000)]
        projects, people = self.projects(), self.people()
        machines = [f"i-{rng.getrandbits(40):010x}" for _ in range(2048)]
        weights = [1 / (index + 1) for index in range(len(projects))]
        step = (END - START) / self.count
        stories: list[tuple[str, str, str]] = []
        bits, pick = rng.getrandbits, rng.random
        for number in range(self.count):
            moment = START + step * number
            stamp = _stamp(moment)
            time = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            if number % 6 == 0 or not stories:
                project = rng.choices(projects, weights)[0]
                story = (project, people[bits(6) % 60], f"cor_{stamp}{_random(bits(80))}")
                stories.append(story)
                if len(stories) > 40:
                    stories.pop(0)
            else:
                story = stories[int(pick() * len(stories))]
            project, person, correlation = story
            id_ = f"rec_{stamp}{_random(bits(80))}"
            if bits(1):
                action = _ACTIONS[bits(8) % len(_ACTIONS)]
                kind, data = "audit", "{}" if bits(2) else f'{{"region":"eu-{bits(2)}"}}'
            else:
                action, kind = "cell.run" if bits(1) else "session.command", "operation"
                output = outputs[bits(12) % 4000]
                if number % NEEDLE_EVERY == NEEDLE_EVERY // 2:
                    output = f"{output} {self.needle(number // NEEDLE_EVERY)}"
                command = _COMMANDS[bits(8) % len(_COMMANDS)]
                data = f'{{"command":{json.dumps(command)},"output":{json.dumps(output)}}}'
            phase, outcome = ("intent", "null") if not bits(2) else ("outcome", '"ok"')
            line = (
                f'{{"kind":"{kind}","phase":"{phase}","action":"{action}","person":"{person}",'
                f'"object":"{machines[bits(11)]}","summary":"{texts[bits(12) % 4000]}",'
                f'"correlation_id":"{correlation}","project":"{project}","outcome":{outcome},'
                f'"error_code":null,"request_id":null,"source":"10.0.{bits(4)}.{bits(8)}",'
                f'"origin":"observed","stream":null,"sequence":null,"data":{data},'
                f'"id":"{id_}","time":"{time}"}}'
            )
            yield project, person, correlation, time, line.encode("ascii")


def _text(rng: random.Random) -> str:
    return (
        f"The {rng.choice(_NOUNS)} {rng.choice(_NOUNS)}-{rng.randrange(400)} {rng.choice(_VERBS)}"
    )


def _output(rng: random.Random) -> str:
    rows = rng.choice([1, 1, 2, 3, 6])
    return "\n".join(
        f"{rng.choice(_NOUNS)} {rng.randrange(10_000)} {rng.choice(_VERBS)} {rng.random():.3f}"
        for _ in range(rows)
    )


def _stamp(moment: datetime) -> str:
    milliseconds = int(moment.timestamp() * 1000)
    return "".join(_ALPHABET[milliseconds >> shift & 31] for shift in range(45, -5, -5))


def _random(bits: int) -> str:
    return "".join(_FOUR[bits >> shift & 0xFFFFF] for shift in (60, 40, 20, 0))
