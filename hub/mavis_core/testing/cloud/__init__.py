"""An in-memory cloud that keeps the contract, for tests of what stands above it.

*Cloud*: `FakeCloud`, plain attributes that a test fills and reads. *Kit*: `FakeKit`, the door
into it. *Rule*: what happens before or after the effect of the next calls; `refuse`,
`lose_reply`, `during`, `throttle`, `invisible`, `vanishing`, `broken` and `command_ends` make
the usual ones.

>>> cloud = FakeCloud()
>>> web = cloud.launch("111111111111", "here-1", "web-1", sizes=(8, 20))
>>> cloud.rules.append(lose_reply("snapshots.create"))
"""

from mavis_core.testing.cloud.actions import ACTIONS
from mavis_core.testing.cloud.kit import FakeConnection, FakeKit
from mavis_core.testing.cloud.rules import (
    broken,
    command_ends,
    during,
    invisible,
    lose_reply,
    refuse,
    throttle,
    vanishing,
)
from mavis_core.testing.cloud.state import Call, FakeCloud, Rule
from mavis_core.testing.cloud.things import (
    DEFAULT_KEY,
    FakeCommand,
    FakeGroup,
    FakeImage,
    FakeInstance,
    FakeSnapshot,
    FakeSubnet,
    FakeThing,
    FakeVolume,
)

__all__ = [
    "ACTIONS",
    "DEFAULT_KEY",
    "Call",
    "FakeCloud",
    "FakeCommand",
    "FakeConnection",
    "FakeGroup",
    "FakeImage",
    "FakeInstance",
    "FakeKit",
    "FakeSnapshot",
    "FakeSubnet",
    "FakeThing",
    "FakeVolume",
    "Rule",
    "broken",
    "command_ends",
    "during",
    "invisible",
    "lose_reply",
    "refuse",
    "throttle",
    "vanishing",
]
