"""What a sink, or the gateway, has just done, step by step of the order that its promise rests on.

Whoever runs a sink may be told. Production is not; tests end the process there: a kill between any two steps
loses nothing and doubles nothing. The steps of a sink stand in their order, and the numbers of the docstrings
that give the reasons are told under these names.
"""

from collections.abc import Callable
from enum import StrEnum


class HistoryStep(StrEnum):
    """Of the history: how partitions are taken over, one commit, and how they are given up."""

    RELOADED = "reloaded"
    """The table is at its newest version; what it records is not read yet."""

    VERSIONS_READ = "versions_read"
    """What the table records of every partition is known; nothing is sought yet."""

    SOUGHT = "sought"
    """After something was dropped: every partition goes on where the table says."""

    POLLED = "polled"
    DECODED = "decoded"
    WRITTEN = "written"
    """All rows are in files that nobody sees yet."""

    COMMITTED = "committed"
    """The commit is in the table; the handle still stands before it."""

    ADVANCED = "advanced"
    """The handle stands behind the commit, and everything owned was compared."""

    OFFSETS_COMMITTED = "offsets_committed"
    FLUSHED = "flushed"
    """Partitions are about to be given up, and nothing of them is buffered."""


class StateStep(StrEnum):
    """Of the state: how partitions are taken over, one checkpoint, and how they are given up."""

    PLACED = "placed"
    POLLED = "polled"
    REDUCED = "reduced"
    WRITTEN = "written"
    """One bulk write is answered; it need not be on disk."""

    DURABLE = "durable"
    OFFSETS_COMMITTED = "offsets_committed"
    MARKED = "marked"
    FLUSHED = "flushed"
    """Partitions are about to be given up, and what was read of them is written."""


class RebuildStep(StrEnum):
    """Of the rebuild of the state."""

    FILLED = "filled"
    CAUGHT_UP = "caught_up"
    DURABLE = "durable"
    SWAPPED = "swapped"
    RECORDED = "recorded"
    """Sinks know where the new collection goes on."""

    COMPLETED = "completed"


class RoutesStep(StrEnum):
    """Of routes: how partitions are taken over, one transaction, and how they are given up."""

    PLACED = "placed"
    """Where each partition goes on is known, and recorded where it begins."""

    RESTORED = "restored"
    """The maxima are those that were published."""

    BEGUN = "begun"
    SENT = "sent"
    OFFSETS_SENT = "offsets_sent"
    COMMITTED = "committed"
    ABORTED = "aborted"
    CLOSED = "closed"
    """Partitions are about to be given up, and no transaction is open."""


class GatewayStep(StrEnum):
    """Of requests with an idempotency key: one transaction, and how a claim left behind is settled."""

    CLAIMED = "claimed"
    """The keys are this process's; nothing is written yet."""

    BEGUN = "begun"
    SENT = "sent"
    COMMITTED = "committed"
    ANSWERED = "answered"
    """The answers are kept; nobody has got them yet."""

    FENCED = "fenced"
    """Whoever had the claim before can write no more."""

    FOUND = "found"
    """Whether its events are in Kafka is known; nothing was made of it yet."""

    RETAKEN = "retaken"
    """The claim is this process's; its events are about to be written."""


class AlertStep(StrEnum):
    """Of alerts: how facts are judged and kept, and how webhooks are told."""

    POLLED = "polled"
    JUDGED = "judged"
    WRITTEN = "written"
    """What was judged is in MongoDB, with the effects that nobody was told of yet."""

    TOLD = "told"
    """Alerts and deliveries are in."""

    SETTLED = "settled"
    OFFSETS_COMMITTED = "offsets_committed"
    SENT = "sent"
    """A webhook has answered, and nothing says so yet."""

    DELIVERED = "delivered"


Step = HistoryStep | StateStep | RebuildStep | RoutesStep | GatewayStep | AlertStep

Steps = Callable[[Step], object]
"""Is called in the thread that did the step, before the next one is begun."""
