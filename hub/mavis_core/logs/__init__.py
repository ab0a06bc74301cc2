"""What happened, kept and found: journal, index, queries.

Records wait in the main database's outbox, or come directly, into the `Inbox`. One process, the
log process, owns what lies here: its `Drain` appends them to the `Journal`, follows the journal
with the `Index` and then tells the outbox. Other processes ask it through a `LogClient`. The
journal is the truth; the index can be thrown away at any moment.
"""

from mavis_core.logs.client import LogClient
from mavis_core.logs.drain import Drain, RecordSource
from mavis_core.logs.inbox import Inbox, Receipt, Refusal
from mavis_core.logs.index import Index
from mavis_core.logs.journal import Journal, Position
from mavis_core.logs.quarantine import Quarantine
from mavis_core.logs.query import Health, Page, Query
from mavis_core.logs.reporting import Cell, Report, Reporting
from mavis_core.logs.summaries import Summary

__all__ = [
    "Cell",
    "Drain",
    "Health",
    "Inbox",
    "Index",
    "Journal",
    "LogClient",
    "Page",
    "Position",
    "Quarantine",
    "Query",
    "Receipt",
    "RecordSource",
    "Refusal",
    "Report",
    "Reporting",
    "Summary",
]
