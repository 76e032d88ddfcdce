"""Why a rebuild of the state is given up before it has changed anything."""

from broker.record import TopicPartition
from ingest.errors import OperatorNeeded


class RebuildTooSlow(OperatorNeeded):
    """While the history was read, retention removed messages that were landed only after that version of it,
    at every try. The state is the one of before.

    Operator action: raise retention (`FLEETLAKE_KAFKA__RETENTION_MS`, then `fleetlake topics create
    --replace`), and run `fleetlake state rebuild` again.
    """

    def __init__(self, partition: TopicPartition, following: int, low: int, tries: int) -> None:
        self.partition, self.following, self.low, self.tries = partition, following, low, tries
        super().__init__(
            f"{partition}: while the history was read, Kafka removed offsets {following} to {low - 1}, which "
            f"were landed meanwhile; so it was {tries} times. Raise retention, then run `fleetlake "
            "state rebuild` again"
        )


class HistoryIncomplete(OperatorNeeded):
    """Bronze has less than history has told Kafka that it landed, or is not there: a state computed from it
    would have less, too. The state is the one of before.

    Operator action: restore bronze, or correct FLEETLAKE_LAKE__URI. If it is lost, let history run first: it
    lands again what Kafka still has, and says so to Kafka.
    """

    def __init__(self, partition: TopicPartition, told: int, checkpoint: int | None) -> None:
        self.partition, self.told, self.checkpoint = partition, told, checkpoint
        super().__init__(
            f"{partition}: history has told Kafka that it landed up to {told}, and the table's checkpoint is "
            f"{checkpoint}: the state would be computed from less. Restore bronze, or correct "
            "FLEETLAKE_LAKE__URI; if it is lost, let history run first"
        )
